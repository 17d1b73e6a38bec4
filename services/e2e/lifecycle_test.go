package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

// TestEveryRowOfTheLifecycleTable plays every case of a joiner, mover and leaver through one running pipeline, all of them
// at the same time, day by day. Each row is a subtest: what is in the targets after each of its steps, read out of band,
// and what the evidence says of it in the end.
func TestEveryRowOfTheLifecycleTable(t *testing.T) {
	t.Parallel()
	dir := lifecycleConfig(t)
	s := &stage{pipeline: boot(t, "--config", dir, "--clock", firstDay.Format(time.RFC3339)), faults: map[string]string{}, seqs: map[string]int64{}}
	s.hireTheBoard()
	rows := lifecycleRows()
	for _, day := range daysOf(rows) {
		s.advanceTo(day)
		for turn := 0; s.play(rows, day, turn); turn++ {
		}
		s.remember()
	}
	s.settled()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if fault := s.faults[r.name]; fault != "" {
				t.Fatal(fault)
			}
			s.checkEvidence(t, r)
		})
	}
	t.Run("what live state said at any time is what the evidence says of then, known then", s.checkMemories)
	t.Run("a policy does what its simulation said", func(t *testing.T) { s.checkSimulation(t, dir) })
	t.Run("the evidence is whole, by its own proof", func(t *testing.T) {
		s.settled()
		if out, errs, code := s.joinery("verify"); code != 0 {
			t.Errorf("verify: exit %d, %s%s", code, out, errs)
		}
	})
	t.Run("every alert is about a metric that is there", s.checkMetrics)
	t.Run("an export has every row of the evidence", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "evidence.ndjson")
		if out, errs, code := s.joinery("export", "--file", file); code != 0 {
			t.Fatalf("export: exit %d, %s%s", code, out, errs)
		}
		lines, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := fmt.Sprint(bytes.Count(lines, []byte("\n"))); n != s.sql("SELECT count() FROM joinery.evidence")[0][0] {
			t.Errorf("%s lines, and %s rows", n, s.sql("SELECT count() FROM joinery.evidence")[0][0])
		}
	})
	s.evidenceIsWhole()
}

// firstDay is the morning of day 0, a Monday, in Prague. Day n is n days later.
var firstDay = time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)

// date is a day as a source writes it.
func date(day int) string { return firstDay.AddDate(0, 0, day).Format(time.DateOnly) }

// row is one case.
type row struct {
	name     string
	people   []string // employee numbers
	steps    []step
	evidence []string // "NUMBER kind word...": a row of that person and kind that has each word
	never    []string // and rows that must not be there
}

// step is what happens on a day, and what is in the targets once it has.
type step struct {
	day  int
	acts []act
	want []held
}

type act func(*stage)

// held is what a target should hold of somebody.
type held struct {
	number, target string
	state          string // active, disabled, absent
	has, lacks     []string
}

// stage is the running pipeline and where its clock is.
type stage struct {
	*pipeline
	day    int
	ids    int
	seqs   map[string]int64
	faults map[string]string // by row: what went wrong first
	past   []memory
}

// lifecycleConfig is the example company's folder, with what some rows need beside it.
func lifecycleConfig(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "example", "acme"))); err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(dir, "policy", "corp.yaml")
	change(t, policy, "atMost: 1, onConflict: refuse}", "atMost: 1, onConflict: refuse, waiver: {approval: ciso, maxDuration: 30d}}")
	change(t, policy, "  approvals:\n", "  approvals:\n    ciso:\n      - {name: ciso, approvers: 'membersOf(\"iam-duty\")', denyAfter: 5d}\n")
	change(t, policy, "    payments-creator:\n", "    archivist:\n      requestable: {}\n      owner: {employee_number: \"4230\", secondary: \"1001\"}\n      grants: [wiki:group/archive]\n    payments-creator:\n")
	change(t, policy, "percent: 20", "percent: 100")
	second := "apiVersion: joinery/v1\nkind: Source\nmetadata: {name: lab}\nspec:\n  authority: employment\n  intake: {records: {}}\n  correlate: [employee_number]\n  timezone: Europe/Prague\n"
	if err := os.WriteFile(filepath.Join(dir, "sources", "lab.yaml"), []byte(second), 0o600); err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(dir, "sources", "hr.yaml"), "correlate: [employee_number]", "correlate: [employee_number, email]")
	return dir
}

func daysOf(rows []row) []int {
	var days []int
	for _, r := range rows {
		for _, s := range r.steps {
			days = append(days, s.day)
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}

func (s *stage) advanceTo(day int) {
	if by := day - s.day; by > 0 {
		s.api("POST", "/clock", "", map[string]string{"advance": fmt.Sprintf("%dd", by)}, nil)
	}
	s.day = day
}

// play does the turn-th step of that day of each row, and waits until the targets hold what they should.
func (s *stage) play(rows []row, day, turn int) bool {
	waiting := map[string][]held{}
	played := false
	for _, r := range rows {
		of := slices.DeleteFunc(slices.Clone(r.steps), func(st step) bool { return st.day != day })
		if turn >= len(of) || s.faults[r.name] != "" {
			continue
		}
		played = true
		for _, do := range of[turn].acts {
			do(s)
		}
		waiting[r.name] = of[turn].want
	}
	deadline := time.Now().Add(30 * time.Second)
	for len(waiting) > 0 {
		shown := map[string]map[event.IdentityID]account{}
		for _, target := range []string{"chat", "wiki", "erp"} {
			shown[target], _ = s.look(target)
		}
		for name, want := range waiting {
			fault := ""
			for _, w := range want {
				fault = first(fault, w.fault(shown[w.target][identity(w.number)]))
			}
			switch {
			case fault == "":
				delete(waiting, name)
			case time.Now().After(deadline):
				s.faults[name] = fmt.Sprintf("day %d, turn %d: %s", day, turn, fault)
				delete(waiting, name)
			}
		}
		select {
		case <-s.t.Context().Done():
			s.t.Fatal(s.t.Context().Err())
		case <-time.After(30 * time.Millisecond):
		}
	}
	return played
}

// fault says how an account differs; empty: not at all.
func (h held) fault(a account) string {
	state := "active"
	switch {
	case a.Account == "":
		state = "absent"
	case !a.Enabled:
		state = "disabled"
	}
	if state != h.state {
		return fmt.Sprintf("%s in %s is %s, want %s", h.number, h.target, state, h.state)
	}
	for _, e := range h.has {
		if !slices.Contains(a.Entitlements, e) {
			return fmt.Sprintf("%s in %s lacks %s, has %v", h.number, h.target, e, a.Entitlements)
		}
	}
	for _, e := range h.lacks {
		if slices.Contains(a.Entitlements, e) {
			return fmt.Sprintf("%s in %s still has %s", h.number, h.target, e)
		}
	}
	return ""
}

// settled waits until the evidence has all that the pipeline has decided.
func (s *stage) settled() {
	s.t.Helper()
	last := ""
	s.eventually("the evidence has come to rest", func() string {
		now := fmt.Sprint(s.sql("select count(), max(occurred_at) from joinery.evidence where not startsWith(kind, 'drift.')"))
		before := last
		last = now
		if now != before {
			return "it still grows"
		}
		return ""
	})
}

// checkEvidence demands the rows a case leaves behind.
func (s *stage) checkEvidence(t *testing.T, r row) {
	t.Helper()
	rows := s.sql(`select identity_id, concat(kind, ' ', role, ' ', target, ' ', outcome, ' ', reason, ' ', source, ' ', actor, ' ',
		JSONExtractString(payload, 'class'), ' ', JSONExtractString(payload, 'trigger'), ' ', JSONExtractString(payload, 'desired', 'lane'), ' ', message)
		from joinery.evidence where not startsWith(kind, 'drift.') order by occurred_at, src_offset`)
	find := func(want string) bool {
		words := strings.Fields(want)
		return slices.ContainsFunc(rows, func(has []string) bool {
			if words[0] != "*" && has[0] != string(identity(words[0])) || !strings.HasPrefix(has[1], words[1]+" ") {
				return false
			}
			return !slices.ContainsFunc(words[2:], func(w string) bool { return !strings.Contains(has[1]+" ", " "+w+" ") })
		})
	}
	for _, want := range r.evidence {
		if !find(want) {
			t.Errorf("the evidence lacks: %s", want)
		}
	}
	for _, never := range r.never {
		if find(never) {
			t.Errorf("the evidence has: %s", never)
		}
	}
	if t.Failed() {
		for _, has := range rows {
			if slices.ContainsFunc(r.people, func(n string) bool { return has[0] == string(identity(n)) }) {
				t.Log(has[0], has[1])
			}
		}
	}
}

// says sends a record of a source about a worker.
func says(source, number string, kind event.RecordKind, effective, reason string, p *event.Profile) act {
	return func(s *stage) {
		s.ids++
		s.seqs[source+number]++
		seq := s.seqs[source+number]
		r := event.SourceRecord{ID: fmt.Sprintf("%s-%d", source, s.ids), Source: source, SourceKey: "W" + number, Sequence: &seq,
			RecordedAt: firstDay.AddDate(0, 0, s.day).Add(time.Duration(s.ids) * time.Second), EffectiveAt: effective, Kind: kind, Reason: reason, Person: p}
		s.produce(r)
	}
}

// joins says that two workers of the HR system are one human, or are not after all.
func joins(kind event.RecordKind, number, other string) act {
	return func(s *stage) {
		s.ids++
		s.produce(event.SourceRecord{ID: fmt.Sprintf("hr-%d", s.ids), Source: "hr", SourceKey: "W" + number, RelatedKey: "W" + other,
			RecordedAt: firstDay.AddDate(0, 0, s.day).Add(time.Duration(s.ids) * time.Second), Kind: kind, Reason: "same human"})
	}
}

// hr is the HR system's word on a worker: as they are now, changed by the given changes.
func hr(number string, changes ...func(*event.Profile)) act {
	return says("hr", number, event.Upsert, "", "", profile(number, changes...))
}

func hrEnds(number, effective, reason string) act {
	return says("hr", number, event.Terminate, effective, reason, nil)
}

func profile(number string, changes ...func(*event.Profile)) *event.Profile {
	p := &event.Profile{EmployeeNumber: number, GivenName: "Worker", FamilyName: "No" + number, Email: "w" + number + "@acme.example", Department: "Engineering",
		Title: "Engineer", WorkerType: "employee", StartDate: "2026-01-05", Timezone: "Europe/Prague", Manager: "1002"}
	for _, c := range changes {
		c(p)
	}
	return p
}

func in(department string) func(*event.Profile) {
	return func(p *event.Profile) { p.Department = department }
}
func starts(day int) func(*event.Profile) { return func(p *event.Profile) { p.StartDate = date(day) } }
func until(day int) func(*event.Profile)  { return func(p *event.Profile) { p.EndDate = date(day) } }
func manager(n string) func(*event.Profile) {
	return func(p *event.Profile) { p.Manager = n }
}
func titled(t string) func(*event.Profile) { return func(p *event.Profile) { p.Title = t } }
func contracts(p *event.Profile)           { p.WorkerType = "contractor" }

// asks is a request for a role.
func asks(who, kind, role, number string) act {
	return func(s *stage) {
		s.api("POST", "/requests", who, map[string]string{"kind": kind, "role": role, "for": number, "reason": "it is needed"}, nil)
	}
}

// decides waits until the decision about a person is in the approver's inbox, and decides it.
func decides(who, word, process, number string) act {
	return func(s *stage) {
		var box struct {
			Items []struct {
				ID, Process string
				Person      struct{ ID string }
			}
		}
		s.eventually(fmt.Sprintf("%s of %s is for %s to decide", process, number, who), func() string {
			s.api("GET", "/approvals?mine=true", who, nil, &box)
			for _, a := range box.Items {
				if a.Process == process && a.Person.ID == string(identity(number)) {
					s.api("POST", "/approvals/"+a.ID+"/"+word, who, map[string]string{"reason": "seen to"}, nil)
					return ""
				}
			}
			return fmt.Sprintf("the inbox has %+v", box.Items)
		})
	}
}

// tool runs the command-line tool, which is to exit with that code.
func tool(code int, args ...string) act {
	return func(s *stage) {
		if out, errs, got := s.joinery(args...); got != code {
			s.t.Errorf("joinery %v: exit %d, want %d: %s%s", args, got, code, out, errs)
		}
	}
}

// hireTheBoard hires those who manage, own and decide.
func (s *stage) hireTheBoard() {
	board := []string{"1000", "1001", "1002", "1003", "1004"}
	for _, number := range board {
		changes := []func(*event.Profile){manager("1003"), in("Operations")}
		switch number {
		case "1003":
			changes = []func(*event.Profile){manager(""), in("Operations")}
		case "1004":
			changes = append(changes, titled("Identity Engineer"))
		}
		hr(number, changes...)(s)
	}
	s.eventually("the board is hired", func() string {
		shown, _ := s.look("chat")
		for _, number := range board {
			if fault := (held{number: number, target: "chat", state: "active"}).fault(shown[identity(number)]); fault != "" {
				return fault
			}
		}
		return ""
	})
}

package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"joinery.internal/pkg/connector/scim/scimmytest"
	"joinery.internal/pkg/event"
)

// own is a configuration that is not the example's: two SCIM services of other people's making, three roles.
const own = `
sources/people.yaml: |
  {apiVersion: joinery/v1, kind: Source, metadata: {name: people}, spec: {authority: employment, intake: {records: {}}, correlate: [employee_number], timezone: Europe/Prague}}
targets/mail.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: mail}
  spec:
    connector: scim
    connection: {url: "MAIL", token: "env:E2E_TOKEN"}
    account: {name: 'numbered(slug(person.given_name) + "." + slug(person.family_name))', attributes: {title: person.title, emails.work: person.email}}
    entitlements: [group]
    lifecycle: {prehire: disabled, leave: disabled, ended: disabled, deleteAfter: 90d}
targets/git.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: git}
  spec:
    connector: scim
    connection: {url: "GIT", token: "env:E2E_TOKEN"}
    account: {name: person.email, attributes: {displayName: 'person.given_name + " " + person.family_name'}}
    entitlements: [group]
    lifecycle: {prehire: absent, leave: disabled, ended: disabled, deleteAfter: 90d}
policy/rules.yaml: |
  apiVersion: joinery/v1
  kind: Policy
  metadata: {name: rules}
  spec:
    lifecycle: {mover: {grace: 14d}}
    roles:
      staff: {birthright: 'person.worker_type == "employee"', grants: ["mail:group/all"]}
      dev: {birthright: 'person.department == "Development"', grants: ["git:group/committers"]}
      desk: {birthright: 'person.department == "Service Desk"', grants: ["mail:group/desk"]}
`

// proxy stands before a peer and can be down.
type proxy struct {
	down atomic.Bool
	url  string
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	forward := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func TestAConfigurationOfOnesOwnWithTwoSCIMServicesOfOthers(t *testing.T) {
	mail, git := scimmytest.Start(t), scimmytest.Start(t)
	before := newProxy(t, git.Origin)
	t.Setenv("E2E_TOKEN", scimmytest.Token)
	dir := write(t, strings.NewReplacer("MAIL", mail.Origin+"/scim", "GIT", before.url+"/scim").Replace(own))
	p := boot(t, "--config", dir, "--demo-targets=false", "--clock", "2026-03-02T08:00:00Z")
	w := &worker{p: p, profile: event.Profile{EmployeeNumber: "41", GivenName: "Ines", FamilyName: "Kraus", Email: "ines@acme.example", Department: "Development",
		Title: "Developer", WorkerType: "employee", StartDate: "2026-02-02", Timezone: "Europe/Prague"}}

	w.says(event.Upsert, "")
	p.eventually("hired", func() string {
		return first(holds(t, mail, "ines.kraus", true, "all"), holds(t, git, "ines@acme.example", true, "committers"))
	})
	w.profile.Department, w.profile.Title = "Service Desk", "Agent"
	w.says(event.Upsert, "")
	p.eventually("moved, with grace", func() string {
		return first(holds(t, mail, "ines.kraus", true, "all", "desk"), holds(t, git, "ines@acme.example", true, "committers"))
	})
	p.api("POST", "/clock", "", map[string]string{"advance": "15d"}, nil)
	p.eventually("grace is over", func() string { return holds(t, git, "ines@acme.example", false) })

	again := w.last
	p.produce(again) // to the letter
	stale := again
	stale.ID, stale.Sequence = "stale", new(int64)
	old := w.profile
	old.Department = "Development"
	stale.Person = &old
	p.produce(stale)
	p.eventually("the duplicate and the stale record are seen", func() string {
		rows := p.sql("select kind, count() from joinery.evidence where kind in ('identity.duplicate_ignored', 'identity.stale_ignored') group by kind order by kind")
		if fmt.Sprint(rows) != "[[identity.duplicate_ignored 1] [identity.stale_ignored 1]]" {
			return fmt.Sprint(rows)
		}
		return ""
	})
	if fault := holds(t, git, "ines@acme.example", false); fault != "" {
		t.Errorf("after the stale record: %s", fault)
	}

	w.says(event.Terminate, "2026-03-16")
	p.eventually("left", func() string { return holds(t, mail, "ines.kraus", false) })

	before.down.Store(true)
	w.profile.Department, w.profile.StartDate = "Development", "2026-03-17"
	w.says(event.Upsert, "2026-03-17")
	p.eventually("rehired where the service answers", func() string { return holds(t, mail, "ines.kraus", true, "all") })
	before.down.Store(false)
	p.eventually("rehired everywhere once the other answers", func() string { return holds(t, git, "ines@acme.example", true, "committers") })

	if n := len(mail.Inspect(t).Users) + len(git.Inspect(t).Users); n != 2 {
		t.Errorf("%d accounts in two services for one person", n)
	}
	p.eventually("every case is closed and right", func() string {
		rows := p.sql("select trigger, outcome, count() from joinery.cases group by 1, 2 order by 1, 2")
		want := "[[access.revoked succeeded 1] [identity.hire succeeded 1] [identity.rehire succeeded 1] [identity.termination succeeded 1] [identity.transfer succeeded 1]]"
		if got := fmt.Sprint(rows); got != want {
			return got
		}
		return ""
	})
	p.evidenceIsWhole()
}

func first(faults ...string) string {
	for _, f := range faults {
		if f != "" {
			return f
		}
	}
	return ""
}

// worker is one person as their source knows them.
type worker struct {
	p       *pipeline
	profile event.Profile
	seq     int64
	last    event.SourceRecord
}

func (w *worker) says(kind event.RecordKind, effective string) {
	w.p.t.Helper()
	w.seq++
	seq, profile := w.seq, w.profile
	w.last = event.SourceRecord{ID: fmt.Sprintf("r%d", w.seq), Source: "people", SourceKey: "K" + w.profile.EmployeeNumber, Sequence: &seq,
		RecordedAt: time.Date(2026, 3, 2, 8, 0, int(w.seq), 0, time.UTC), EffectiveAt: effective, Kind: kind}
	if kind == event.Upsert {
		w.last.Person = &profile
	}
	w.p.produce(w.last)
}

// holds compares one account of a peer; a disabled account has no groups.
func holds(t *testing.T, peer scimmytest.Peer, name string, enabled bool, groups ...string) string {
	s := peer.Inspect(t)
	for _, u := range s.Users {
		if u.UserName != name {
			continue
		}
		var has []string
		for _, g := range s.Groups {
			for _, m := range g.Members {
				if m.Value == u.ID {
					has = append(has, g.DisplayName)
				}
			}
		}
		slices.Sort(has)
		if active := u.Active == nil || *u.Active; active != enabled || !slices.Equal(has, groups) {
			return fmt.Sprintf("%s: active %v, groups %v", name, active, has)
		}
		return ""
	}
	return name + " has no account"
}

// write makes a folder of the files in a text of `path: |` blocks.
func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	var file string
	contents := map[string]*strings.Builder{}
	for line := range strings.Lines(strings.TrimLeft(text, "\n")) {
		if name, ok := strings.CutSuffix(strings.TrimRight(line, "\n"), ": |"); ok && !strings.HasPrefix(line, " ") {
			file = name
			contents[file] = &strings.Builder{}
			continue
		}
		contents[file].WriteString(strings.TrimPrefix(line, "  "))
	}
	for name, b := range contents {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

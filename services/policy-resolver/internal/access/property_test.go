package access_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"joinery.internal/pkg/event"
	"joinery.internal/services/policy-resolver/internal/access"
)

// life is a random life of one person: whatever happens, in whatever order.
type life struct {
	*play
	rt       *rapid.T
	versions map[string]int64
}

// step makes a decision on a state that has been through the changelog, and checks what must always hold.
func (l *life) step(decide func(access.Work) access.Decision) access.Decision {
	w := l.work()
	before, err := json.Marshal(w.State)
	if err != nil {
		l.rt.Fatal(err)
	}
	var restored access.State
	if err := json.Unmarshal(before, &restored); err != nil {
		l.rt.Fatal(err)
	}
	w.State = restored
	d := decide(w)
	again := decide(w)
	if after, _ := json.Marshal(w.State); !bytes.Equal(before, after) {
		l.rt.Fatalf("the decision changed the state it was given:\n%s\n%s", before, after)
	}
	if a, b := asJSON(l.rt, d), asJSON(l.rt, again); a != b {
		l.rt.Fatalf("the same decision came out twice differently:\n%s\n%s", a, b)
	}
	l.show(d)
	l.check(d)
	return d
}

func asJSON(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (l *life) check(d access.Decision) {
	for _, want := range d.Desired {
		if want.Version <= l.versions[want.Target] {
			l.rt.Fatalf("%s: version %d after %d", want.Target, want.Version, l.versions[want.Target])
		}
		l.versions[want.Target] = want.Version
	}
	for _, e := range d.Events {
		if err := e.EventMeta().Valid(); err != nil {
			l.rt.Fatal(err)
		}
	}
	p := d.State.Person
	if p == nil {
		return
	}
	for _, want := range d.Desired {
		if want.State == event.AccountAbsent && p.Attributes["legal_hold"] != "" {
			l.rt.Fatalf("%s is deleted under a legal hold", want.Target)
		}
	}
	live := d.State.LiveRoles()
	if (p.Status == event.StatusEnded || p.Emergency) && len(live) > 0 {
		l.rt.Fatalf("ended or held, and still has %v", live)
	}
	for _, a := range d.State.Accounts {
		if (p.Status == event.StatusEnded || p.Emergency) && a.State == event.AccountActive {
			l.rt.Fatalf("ended or held, and the account in %s is active", a.Target)
		}
	}
	for _, a := range d.State.Roles {
		if info, _ := l.bundle.Role(a.Role); info.Privileged && !a.Grace.IsZero() {
			l.rt.Fatalf("privileged %s is kept for a grace", a.Role)
		}
		if info, _ := l.bundle.Role(a.Role); info.Privileged && a.Origin == access.Requested && a.Proof == nil {
			l.rt.Fatalf("privileged %s without a proof", a.Role)
		}
	}
	if c := l.bundle.Conflicts(live); len(c) > 0 {
		l.rt.Fatalf("roles %v break %s", live, c[0].Name)
	}
	if b, _ := json.Marshal(d.State); len(b) > 4096+700*len(d.State.Cases) {
		l.rt.Fatalf("the state has %d bytes: %s", len(b), b)
	}
}

func (l *life) happen() {
	draw := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(l.rt, name) }
	kind := draw("kind", "identity.hire", "identity.rehire", "identity.department_change", "identity.transfer", "identity.termination", "identity.leave_started")
	p := l.person.Clone()
	p.Status = event.Status(draw("status", "prehire", "active", "active", "active", "leave", "ended"))
	p.Department = draw("department", "Finance", "Sales", "Audit")
	p.Title = draw("title", "Keeper", "Seller")
	p.WorkerType = draw("type", "employee", "employee", "contractor")
	p.GivenName = draw("given", "Ada", "Ada", "Eva", "")
	p.Emergency = draw("emergency", "no", "no", "no", "no", "yes") == "yes"
	if p.Attributes = nil; draw("hold", "no", "no", "no", "yes") == "yes" {
		p.Attributes = map[string]string{"legal_hold": "matter-7"}
	}
	p.End = time.Time{}
	if draw("end", "none", "some") == "some" {
		p.End = l.now.AddDate(1, 0, 0)
	}
	p.Start = l.now.AddDate(0, 0, rapid.IntRange(-5, 10).Draw(l.rt, "start"))
	if p.Spells = nil; p.Status == event.StatusActive && draw("jobs", "one", "one", "two") == "two" {
		p.Spells = []event.Spell{{ID: "second", Status: event.Status(draw("second status", "active", "prehire")), Start: l.now.AddDate(0, 0, 5),
			Profile: event.Profile{Department: draw("second department", "Finance", "Audit"), WorkerType: "employee"}}}
	}
	before := l.person
	l.person = p
	e := event.IdentityEvent{Person: &p, Before: &before, Meta: event.Meta{Kind: event.Kind(kind), IdentityID: "ada", EffectiveAt: l.now, KnownAt: l.now}}
	for try := range 2 {
		e.EventID = event.EventID(fmt.Sprintf("event-%d-%d", l.records, try))
		d := l.step(func(w access.Work) access.Decision { return w.Happened(e) })
		for _, a := range d.State.Roles {
			if e.Kind == event.Rehire && a.Origin == access.Requested && before.Status == event.StatusEnded {
				l.rt.Fatalf("%s, which was asked for before an end, came back with a rehire", a.Role)
			}
		}
		if try == 1 && (len(d.Desired) > 0 || d.Members != nil) {
			l.rt.Fatalf("said again, %s changes %v and roles to %v", kind, asJSON(l.rt, d.Desired), d.State.LiveRoles())
		}
	}
}

func (l *life) ask() {
	q := event.AccessRequest{ID: fmt.Sprintf("rq-%d", l.records), Requester: "max", IdentityID: "ada",
		Kind: rapid.SampledFrom([]event.RequestKind{event.RequestGrant, event.RequestGrant, event.RequestExtend, event.RequestRevoke}).Draw(l.rt, "ask"),
		Role: rapid.SampledFrom([]string{"newsletter", "creator", "approver", "staff"}).Draw(l.rt, "role")}
	l.step(func(w access.Work) access.Decision { return w.Asked(q) })
}

func (l *life) reply() {
	for _, q := range l.state.Requests {
		e := l.answer(rapid.SampledFrom([]string{"granted", "granted", "refused", "expired"}).Draw(l.rt, "answer"), q.ID, nil)
		l.step(func(w access.Work) access.Decision { return w.Answered(e) })
	}
}

func (l *life) pass() {
	end := l.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(l.rt, "days")) * 24 * time.Hour)
	for !l.wake.IsZero() && !l.wake.After(end) {
		l.now = later(l.now, l.wake)
		l.step(access.Work.Due)
		if !l.wake.IsZero() && !l.wake.After(l.now) {
			l.rt.Fatalf("after all that was due at %s, it is due at %s", l.now, l.wake)
		}
	}
	l.now = end
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (l *life) settle() {
	for _, target := range slices.Sorted(maps.Keys(l.desired)) {
		for d := l.desired[target]; l.applied[target] < d.Version; d = l.desired[target] {
			l.applied[target] = d.Version
			account := d.AccountName
			if d.Numbered {
				account += "2"
			}
			e := event.ProvisionEvent{Meta: event.Meta{Kind: event.ProvisionApplied, IdentityID: "ada", Target: target, Account: account},
				Version: d.Version, State: d.State, CallEnded: l.now, Changes: []event.Change{{Verb: "update"}}}
			l.step(func(w access.Work) access.Decision { return w.Provisioned(e) })
		}
	}
	for _, c := range l.state.Cases {
		if c.Request == "" && len(c.Faults) == 0 {
			l.rt.Fatalf("everything is applied, and case %s waits for %v", c.ID, c.Waits)
		}
	}
}

func TestWhateverHappensAccessFollowsFromThePersonAndThePolicy(t *testing.T) {
	t.Parallel()
	bundle := load(t, "corp")
	rapid.Check(t, func(rt *rapid.T) {
		l := &life{play: newPlayWith(t, bundle), rt: rt, versions: map[string]int64{}}
		rt.Repeat(map[string]func(*rapid.T){
			"event":     func(*rapid.T) { l.happen() },
			"ask":       func(*rapid.T) { l.ask() },
			"answer":    func(*rapid.T) { l.reply() },
			"wait":      func(*rapid.T) { l.pass() },
			"provision": func(*rapid.T) { l.settle() },
		})
	})
}

// BenchmarkHappened decides one move of a person with an ordinary state.
func BenchmarkHappened(b *testing.B) {
	p := newPlayWith(b, load(b, "corp"))
	p.run("event identity.hire status=active start=2026-03-02T00:00 department=Finance")
	p.run("provision")
	before, after := p.person.Clone(), p.person.Clone()
	after.Department = "Sales"
	e := event.IdentityEvent{Person: &after, Before: &before, Meta: event.Meta{Kind: event.DepartmentChange, EventID: "move", IdentityID: "ada", EffectiveAt: p.now, KnownAt: p.now}}
	for b.Loop() {
		p.work().Happened(e)
	}
}

func TestTheStateOfAnOrdinaryPersonIsSmall(t *testing.T) {
	t.Parallel()
	p := newPlay(t)
	p.run("event identity.hire status=active start=2026-03-02T00:00 department=Finance title=Keeper")
	p.run("ask grant approver id=rq-1")
	p.run("answer granted rq-1")
	p.run("provision")
	b, err := json.Marshal(p.state)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 2048 {
		t.Errorf("%d bytes: %s", len(b), b)
	}
}

package app_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/bundle/compiled"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/services/provisioner/app"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/shell/desk"
	"joinery.internal/services/provisioner/internal/shell/rules"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// pipe is a provisioner over one memory target, chat.
type pipe struct {
	*streamtest.Harness
	t      *testing.T
	target *memory.Target
	desk   *desk.Desk

	newDesk func() // as a new process has it
	policy  *compiled.View
	key     string // file that the public key of approvals is looked for in
	events  []event.ProvisionEvent
}

// deskOf is the pipe's desk, of which a test may make a new one.
type deskOf struct{ p *pipe }

func (d deskOf) Do(ctx context.Context, c account.Call) (account.Result, bool) {
	return d.p.desk.Do(ctx, c)
}
func (d deskOf) Probe(ctx context.Context, target string) desk.Health {
	return d.p.desk.Probe(ctx, target)
}
func (d deskOf) Seat(ctx context.Context, s desk.Seat) { d.p.desk.Seat(ctx, s) }
func (d deskOf) Decided(trip string)                   { d.p.desk.Decided(trip) }
func (d deskOf) Overtake(target, key, intended string) { d.p.desk.Overtake(target, key, intended) }
func (d deskOf) Pause(target string, on bool)          { d.p.desk.Pause(target, on) }

type pipeClock struct{ p *pipe }

func (c pipeClock) Now() time.Time {
	if c.p.Harness == nil {
		return start
	}
	return c.p.Now()
}

func newPipe(t *testing.T, change ...func(*desk.Target)) *pipe {
	t.Helper()
	p := &pipe{t: t, target: memory.NewTarget(), policy: compiled.New(), key: filepath.Join(t.TempDir(), "approval.key.pub")}
	p.publish(acme, start)
	target := desk.Target{Name: "chat", Open: func() (connector.Connector, error) { return p.target, nil }, Concurrency: 2, Timeout: time.Minute}
	for _, c := range change {
		c(&target)
	}
	p.newDesk = func() {
		p.desk = desk.New([]desk.Target{target}, desk.Options{Instance: "0", Clock: pipeClock{p},
			Partitions: streamtest.Partitions, Rules: rules.New(p.policy, approvalproof.NewVerifier(p.key))})
	}
	p.newDesk()
	p.Harness = streamtest.New(t, app.Topology("0", deskOf{p}), start)
	p.Perform() // partitions are seated
	return p
}

func desired(id string, version int64) event.Desired {
	return event.Desired{IdentityID: event.IdentityID(id), Target: "chat", Version: version, CaseID: event.CaseID("case-" + id), Lane: event.LaneJoiner,
		State: event.AccountActive, AccountName: "name-" + id, Attributes: map[string]string{"title": "Engineer"},
		Entitlements: []string{"group/staff"}, Kinds: []string{"group"}, Policy: hash(acme), EffectiveAt: start, KnownAt: start}
}

func (p *pipe) want(d event.Desired) {
	p.t.Helper()
	p.Feed(event.AccessDesired, string(d.IdentityID)+"|"+d.Target, &d)
}

func (p *pipe) nudge(d event.DriftEvent) {
	p.t.Helper()
	d.EventID, d.Kind, d.OccurredAt = "drift-1", event.DriftFound, p.Now()
	p.Feed(event.DriftEvents, string(d.IdentityID), &d)
}

// run lets time go by in steps, performing what is asked for.
func (p *pipe) run(d, step time.Duration) {
	p.t.Helper()
	p.Perform()
	for range d / step {
		p.Advance(step)
		p.Perform()
	}
}

// all is every event so far.
func (p *pipe) all() []event.ProvisionEvent {
	p.t.Helper()
	p.events = append(p.events, streamtest.Out[event.ProvisionEvent](p.Harness, event.ProvisionEvents)...)
	return p.events
}

func (p *pipe) count(kind event.Kind) (n int) {
	p.t.Helper()
	for _, e := range p.all() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// mustBe checks the end: the account as wanted, made once, announced and applied once, nothing open.
func (p *pipe) mustBe(d event.Desired) {
	p.t.Helper()
	objects := p.target.Objects()
	if len(objects) != 1 {
		p.t.Fatalf("%d accounts, want one: %+v", len(objects), objects)
	}
	if left := connector.Plan(&objects[0], connector.Desired{Account: d.AccountName, ExternalID: string(d.IdentityID), State: connector.State(d.State),
		Attributes: d.Attributes, Entitlements: d.Entitlements, ManagedKinds: d.Kinds}); len(left) > 0 {
		p.t.Errorf("the target still needs %+v", left)
	}
	if n := p.creates(string(d.IdentityID)); n != 1 {
		p.t.Errorf("%d effective creates", n)
	}
	if len(p.Effects()) != 0 {
		p.t.Errorf("not at rest: %v", p.Effects())
	}
	if o, r := p.count(event.ExceptionOpened), p.count(event.ExceptionResolved); o != r {
		p.t.Errorf("%d exceptions opened, %d resolved", o, r)
	}
}

func (p *pipe) creates(id string) (n int) {
	for _, c := range p.target.Journal() {
		if c.Verb == connector.Create && c.ExternalID == id {
			n++
		}
	}
	return n
}

func (p *pipe) kinds() (out []event.Kind) {
	for _, e := range p.all() {
		out = append(out, e.Kind)
	}
	return out
}

func TestAHireIsAnnouncedCalledAndApplied(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.want(desired("a", 1))
	if got := p.kinds(); fmt.Sprint(got) != "[provision.intended]" || len(p.target.Objects()) != 0 {
		t.Fatalf("before the call: %v, target %v", got, p.target.Objects())
	}
	p.Perform()
	p.mustBe(desired("a", 1))
	all := p.all()
	last := all[len(all)-1]
	if last.Kind != event.ProvisionApplied || last.Account != "name-a" || last.RemoteID == "" || last.State != event.AccountActive || last.CaseID != "case-a" ||
		last.CausationID != string(all[0].EventID) || last.IntentID != all[0].IntentID || last.Version != 1 || last.CallEnded.IsZero() || len(last.Changes) != 2 {
		t.Errorf("applied: %+v", last)
	}
}

func TestAnAccountThatIsAsWantedIsUnchangedAndOneOfNobodyIsAdopted(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	there := connector.Object{Ref: connector.Ref{Account: "name-a", ExternalID: "a"}, Enabled: true,
		Attributes: map[string]string{"title": "Engineer"}, Entitlements: []string{"group/staff"}}
	p.target.Put(there)
	there.Account, there.ExternalID = "name-b", ""
	p.target.Put(there)
	p.want(desired("a", 1))
	p.want(desired("b", 1))
	p.Perform()
	if p.count(event.ProvisionUnchanged) != 1 || p.count(event.ProvisionAdopted) != 1 || p.creates("a")+p.creates("b") != 0 {
		t.Errorf("events %v, journal %v", p.kinds(), p.target.Journal())
	}
}

func TestNamesakesGetNumberedNamesAndKeepThem(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	for i := range 3 {
		d := desired("p"+strconv.Itoa(i), 1)
		d.AccountName, d.Numbered = "ana.berg", true
		p.want(d)
	}
	p.Perform()
	d := desired("p1", 2)
	d.AccountName, d.Numbered = "ana.novak", true // married since: the account's name stays
	p.want(d)
	p.Perform()
	var names []string
	for _, o := range p.target.Objects() {
		names = append(names, o.Account)
	}
	if fmt.Sprint(names) != "[ana.berg ana.berg2 ana.berg3]" {
		t.Errorf("names: %v", names)
	}
}

func TestAnUnknownTargetIsAnExceptionThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	d := desired("a", 1)
	d.Target = "crm"
	p.want(d)
	p.Perform()
	for _, e := range p.all() {
		if e.Kind == event.ProvisionDeadLettered {
			if want := "there is no target file for crm; add one and restart the provisioner, or correct the grant"; e.Message != want || e.Reason != "invalid" {
				t.Errorf("reason %s: %s", e.Reason, e.Message)
			}
		}
	}
	if p.count(event.ExceptionOpened) != 1 || p.count(event.ProvisionDeadLettered) != 1 {
		t.Errorf("events: %v", p.kinds())
	}
}

func TestARecordUnderAForeignKeyIsPoison(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	d := desired("a", 1)
	p.Feed(event.AccessDesired, "b|chat", &d)
	p.FeedRaw(event.AccessDesired, "a|chat", []byte("junk"))
	dead := streamtest.Out[event.DeadLetter](p.Harness, event.DeadLetters)
	if len(dead) != 2 || dead[0].Reason != "key" || len(p.Effects()) != 0 {
		t.Errorf("dead letters: %+v", dead)
	}
}

func TestATombstoneForgetsTheAccount(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.want(desired("a", 5))
	p.FeedRaw(event.AccessDesired, "a|chat", nil)
	p.Perform() // the call was under way; its answer finds nobody
	p.want(desired("a", 1))
	p.Perform()
	if p.count(event.ProvisionIntended) != 2 || p.creates("a") != 1 {
		t.Errorf("events: %v", p.kinds())
	}
}

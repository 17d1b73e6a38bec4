package app_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/directory"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/services/reconciler/app"
	"joinery.internal/services/reconciler/internal/drift"
	"joinery.internal/services/reconciler/internal/shell/listing"
)

var start = time.Date(2026, 3, 2, 9, 7, 0, 0, time.UTC)

// pipe is a reconciler over one memory target, chat, that is swept every hour.
type pipe struct {
	*streamtest.Harness
	book   *told
	people *directory.Directory
	t      testing.TB
	target *memory.Target
}

type pipeClock struct{ p *pipe }

func (c pipeClock) Now() time.Time { return c.p.Now() }

// told is a book whose targets tell what a test has them tell, and wait for nothing.
type told struct {
	*listing.Book
	news []listing.News // each for all partitions
	left int            // partitions that still take the first
}

func (b *told) Changed(context.Context, string, int32) (*listing.News, error) {
	if len(b.news) == 0 {
		return nil, nil
	}
	news := b.news[0]
	if b.left--; b.left == 0 {
		b.news, b.left = b.news[1:], streamtest.Partitions
	}
	return &news, nil
}

func newPipe(t testing.TB) *pipe {
	t.Helper()
	p := &pipe{t: t, target: memory.NewTarget(), people: directory.New()}
	source := listing.Source{Open: func() (connector.Connector, error) { return p.target, nil }, Timeout: time.Minute}
	book := listing.New(map[string]listing.Source{"chat": source}, pipeClock{p}, func(context.Context) (int32, error) { return streamtest.Partitions, nil }, t.TempDir())
	t.Cleanup(book.Close)
	rules := drift.Rules{drift.Missing: drift.Repair, drift.Extra: drift.Remove, drift.Attribute: drift.Repair, drift.Orphan: drift.Remove, drift.Reenabled: drift.Repair}
	p.book = &told{Book: book, left: streamtest.Partitions}
	p.Harness = streamtest.New(t, app.Topology([]app.Target{{Name: "chat", Every: time.Hour, Rules: rules,
		Services: []drift.Service{{Accounts: "svc-*", Owner: "1001", Secondary: "1002"}}}}, p.book, p.people), start)
	p.Perform()
	return p
}

// settled makes an account that is wanted, applied, and there.
func (p *pipe) settled(id string) {
	p.t.Helper()
	d := event.Desired{IdentityID: event.IdentityID(id), Target: "chat", Version: 1, State: event.AccountActive, AccountName: "name-" + id,
		Entitlements: []string{"group/staff"}, Kinds: []string{"group"}}
	p.Feed(event.AccessDesired, id+"|chat", &d)
	o := p.target.Put(connector.Object{Ref: connector.Ref{Account: d.AccountName, ExternalID: id}, Enabled: true, Entitlements: d.Entitlements})
	p.provisioned(event.ProvisionApplied, id, "", o)
}

func (p *pipe) provisioned(kind event.Kind, id, reason string, o connector.Object) {
	p.t.Helper()
	e := event.ProvisionEvent{Meta: event.Meta{EventID: "pe", Kind: kind, IdentityID: event.IdentityID(id), Target: "chat", Account: o.Account, Reason: reason, OccurredAt: p.Now()},
		Version: 1, RemoteID: o.RemoteID, State: event.AccountActive, CallEnded: p.Now()}
	if id == "" {
		e.Version = 0
	}
	p.Feed(event.ProvisionEvents, id, &e)
}

func (p *pipe) demand() {
	p.t.Helper()
	p.Advance(time.Second)
	p.FeedAll(event.SweepCommands, "chat", &event.SweepCommand{ID: fmt.Sprint("sweep-", p.Now().Unix()), Target: "chat", Reason: "demand"})
	p.Perform()
}

// told is what came out since the last call, in short, without the ends of sweeps of other partitions.
func (p *pipe) told() string {
	p.t.Helper()
	var out []string
	for _, e := range streamtest.Out[event.DriftEvent](p.Harness, event.DriftEvents) {
		text := strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", e.Kind, cmp.Or(e.Class, e.Drift), e.IdentityID, strings.Join(e.Items, ","), e.Resolution))
		if e.Kind == event.DriftReported && e.Count == 0 && e.Reason != "failed" && e.Drift == "swept" {
			continue
		}
		out = append(out, strings.Join(strings.Fields(text), " "))
	}
	return strings.Join(out, "; ")
}

func TestAMissingAccountIsFoundNudgedAndRepaired(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.settled("a")
	p.target.Remove("name-a")
	p.demand()
	if got := p.told(); got != "drift.found missing a account; exception.opened drift a account; drift.reported swept" {
		t.Fatalf("found: %s", got)
	}
	p.Advance(3 * time.Second)
	o := p.target.Put(connector.Object{Ref: connector.Ref{Account: "name-a", ExternalID: "a"}, Enabled: true, Entitlements: []string{"group/staff"}})
	p.provisioned(event.ProvisionIntended, "a", "", o)
	p.provisioned(event.ProvisionApplied, "a", "", o)
	if got := p.told(); got != "drift.repaired missing a account; exception.resolved drift a reconcile" {
		t.Fatalf("repaired: %s", got)
	}
	p.demand()
	if got := p.told(); got != "drift.reported swept" {
		t.Errorf("after: %s", got)
	}
}

func TestASweepEndsInEveryPartitionWithTheNumberCompared(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	for i := range 20 {
		p.settled(fmt.Sprint("p", i))
	}
	p.demand()
	ends, compared := 0, 0
	for _, e := range streamtest.Out[event.DriftEvent](p.Harness, event.DriftEvents) {
		if e.Kind == event.DriftReported && e.Drift == "swept" && e.SweepID != "" {
			ends, compared = ends+1, compared+e.Count
		}
	}
	if ends != streamtest.Partitions || compared != 20 {
		t.Errorf("%d ends, %d compared", ends, compared)
	}
}

func TestASweepComesBySchedule(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.settled("a")
	p.target.Remove("name-a")
	p.Advance(time.Hour)
	if n := len(p.Effects()); n != streamtest.Partitions {
		t.Fatalf("%d sweeps asked for", n)
	}
	p.Perform()
	if got := p.told(); !strings.HasPrefix(got, "drift.found missing a account") {
		t.Errorf("told: %s", got)
	}
	p.Advance(time.Hour)
	if n := len(p.Effects()); n != streamtest.Partitions {
		t.Errorf("%d sweeps asked for in the next hour", n)
	}
}

func TestASweepUnderWayGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.settled("a")
	p.target.Remove("name-a")
	p.Advance(time.Hour)
	p.Restart()
	p.Perform()
	if got := p.told(); strings.Count(got, "drift.found") != 1 {
		t.Errorf("told: %s", got)
	}
}

func TestAListingThatFailsEndsTheSweepAndRepairsNothing(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.settled("a")
	p.target.Remove("name-a")
	p.target.FailNext(1, memory.Fault{})
	p.demand()
	got := p.told()
	if strings.Count(got, "drift.reported failed") != streamtest.Partitions || strings.Contains(got, "drift.found") {
		t.Errorf("told: %s", got)
	}
}

func TestAListingThatFailedIsMadeAgainUntilOneSucceeds(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.settled("a")
	p.target.Remove("name-a")
	p.target.FailNext(3, memory.Fault{})
	p.demand()
	p.told()
	for again := range 3 {
		p.Advance(40 * time.Second)
		if n := len(p.Effects()); n != streamtest.Partitions {
			t.Fatalf("%d partitions list again at time %d", n, again)
		}
		p.Perform()
		got := p.told()
		if told := strings.Count(got, "drift.found missing a account"); told != again/2 || strings.Contains(got, "failed") {
			t.Errorf("at time %d: %s", again, got)
		}
	}
	p.Advance(30 * time.Minute)
	if n := len(p.Effects()); n != 0 {
		t.Errorf("%d partitions list again after a success", n)
	}
}

func TestAnUnknownTargetFailsTheSweepWithASentence(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.FeedAll(event.SweepCommands, "crm", &event.SweepCommand{ID: "s1", Target: "crm"})
	p.Perform()
	ends := streamtest.Out[event.DriftEvent](p.Harness, event.DriftEvents)
	if len(ends) != streamtest.Partitions || ends[0].Reason != "invalid" || !strings.Contains(ends[0].Message, "no target file") {
		t.Errorf("ends: %+v", ends)
	}
}

func TestABrokenListingTripsTheGuard(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	for i := range 60 {
		p.settled(fmt.Sprint("p", i))
	}
	for _, o := range p.target.Objects() {
		p.target.Remove(o.Account)
	}
	p.demand()
	var reasons []string
	for _, e := range streamtest.Out[event.DriftEvent](p.Harness, event.DriftEvents) {
		if e.Kind == event.DriftFound {
			t.Fatalf("repairs after a broken listing: %+v", e)
		}
		reasons = append(reasons, string(e.Kind)+" "+e.Reason)
	}
	if got := strings.Join(reasons, "; "); strings.Count(got, "guard.tripped broken_listing") != streamtest.Partitions ||
		strings.Count(got, "drift.reported broken_listing") != streamtest.Partitions {
		t.Errorf("told: %s", got)
	}
}

func TestAnOrphanIsClosedWhenTheProvisionerHasDisabledIt(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	o := p.target.Put(connector.Object{Ref: connector.Ref{Account: "Old.Hand"}, Enabled: true})
	p.demand()
	if got := p.told(); got != "drift.found orphan account; exception.opened drift account" {
		t.Fatalf("found: %s", got)
	}
	o.Enabled = false
	p.target.Put(o)
	p.provisioned(event.ProvisionIntended, "", "", o)
	p.provisioned(event.ProvisionApplied, "", "", o)
	if got := p.told(); got != "drift.repaired orphan account; exception.resolved drift reconcile" {
		t.Fatalf("repaired: %s", got)
	}
	p.demand()
	if got := p.told(); got != "" {
		t.Errorf("after: %s", got)
	}
}

func TestASweepFollowsAnOutage(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.settled("a")
	p.provisioned(event.ProvisionDeferred, "a", "transient", connector.Object{})
	p.Advance(5 * time.Minute)
	p.provisioned(event.ProvisionApplied, "a", "", connector.Object{Ref: connector.Ref{Account: "name-a"}})
	p.Advance(2 * time.Minute)
	if n := len(p.Effects()); n != 1 {
		t.Errorf("%d sweeps asked for", n)
	}
}

func TestWhatCannotBeReadIsADeadLetter(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.FeedRaw(event.AccessDesired, "a|chat", []byte("junk"))
	p.Feed(event.AccessDesired, "b|chat", &event.Desired{IdentityID: "a", Target: "chat"})
	p.Feed(event.SweepCommands, "chat", &event.SweepCommand{Target: "chat"})
	p.FeedRaw(event.AccessDesired, "a|chat", nil) // a tombstone is none
	if dead := streamtest.Out[event.DeadLetter](p.Harness, event.DeadLetters); len(dead) != 3 {
		t.Errorf("dead letters: %+v", dead)
	}
}

func TestWhatATargetTellsIsDriftAtOnceAndAGapIsSwept(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.settled("a")
	p.Advance(time.Second)
	o := p.target.Objects()[0]
	o.Entitlements = append(o.Entitlements, "group/root")
	d, err := p.target.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	how := drift.Listing{Began: p.Now(), Descriptor: d, Normal: func(d connector.Desired) connector.Desired { return d }}
	p.book.news = []listing.News{{Listing: how, Changes: []connector.Change{{Object: o}}}, {Listing: how, Gap: true}}
	p.Restart() // the watch is asked for again
	p.Perform()
	if got := p.told(); got != "drift.found extra a group/root; exception.opened drift a group/root" {
		t.Fatalf("told: %s", got)
	}
	p.target.Remove("name-a")
	p.Advance(2 * time.Minute)
	p.Perform()
	if got := p.told(); !strings.HasPrefix(got, "drift.found missing a account; exception.opened drift a account; drift.repaired extra") {
		t.Errorf("after the gap: %s", got)
	}
}

func TestAServiceAccountPassesToWhoAnswersNextAndIsNeverDisabled(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.target.Put(connector.Object{Ref: connector.Ref{Account: "SVC-Backup"}, Enabled: true})
	status := func(number string, s event.Status, manager string) {
		p.people.Put(event.DirectoryEntry{IdentityID: event.IdentityID("id-" + number), EmployeeNumber: number, Status: s, Manager: manager})
	}
	status("1001", event.StatusActive, "1003")
	status("1002", event.StatusActive, "")
	status("1003", event.StatusActive, "")
	for _, step := range []struct {
		left, want string
	}{
		{"", ""},
		{"1001", "drift.found ownerless owner 1001,secondary 1002; exception.opened drift owner 1001,secondary 1002"},
		{"1002", "drift.found ownerless owner 1001,manager 1003"},
		{"1003", "drift.found ownerless owner 1001,nobody"},
	} {
		if step.left != "" {
			status(step.left, event.StatusEnded, map[string]string{"1001": "1003"}[step.left])
		}
		p.demand()
		if got := p.told(); got != step.want {
			t.Errorf("%s left: %s", step.left, got)
		}
	}
	status("1001", event.StatusActive, "")
	p.demand()
	if got := p.told(); !strings.HasPrefix(got, "drift.repaired ownerless") {
		t.Errorf("the owner is back: %s", got)
	}
	if o := p.target.Objects()[0]; !o.Enabled {
		t.Error("the account was disabled")
	}
}

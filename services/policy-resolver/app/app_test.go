package app_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"joinery.internal/pkg/bundle/compiled"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/directory"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/services/policy-resolver/app"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// stage is the service with what it looks up.
type stage struct {
	*streamtest.Harness
	t    *testing.T
	view *compiled.View
	dir  *directory.Directory
}

func newStage(t *testing.T) *stage {
	t.Helper()
	view, dir := compiled.New(), directory.New()
	dir.Put(event.DirectoryEntry{IdentityID: "ada", EmployeeNumber: "12", Manager: "8"})
	dir.Put(event.DirectoryEntry{IdentityID: "max", EmployeeNumber: "8"})
	dir.Put(event.DirectoryEntry{IdentityID: "lea", EmployeeNumber: "7"})
	return &stage{streamtest.New(t, app.Topology(view, dir), start), t, view, dir}
}

// published makes a policy of the core's tests known; it is not in force yet.
func (s *stage) published(name string) event.PolicyActivation {
	s.t.Helper()
	cfg, err := config.LoadDir(filepath.Join("..", "internal", "access", "testdata", "policies", name))
	if err != nil {
		s.t.Fatal(err)
	}
	b := event.PolicyBundle{Hash: cfg.Hash, Files: map[string]string{}}
	for _, f := range cfg.Files {
		b.Files[f.Name] = string(f.Data)
	}
	s.view.Put(b)
	return event.PolicyActivation{Policy: "policy", Hash: cfg.Hash, Actor: "lea", Reason: "a test", At: start}
}

func (s *stage) activate(name string) {
	s.FeedAll(event.PolicyActivations, "policy", s.published(name))
}

func hired(id event.IdentityID, department string) *event.IdentityEvent {
	return &event.IdentityEvent{
		Meta: event.Meta{EventID: event.EventID("hire-" + id), Kind: event.Hire, IdentityID: id, Source: "hr", EffectiveAt: start, KnownAt: start, OccurredAt: start},
		Person: &event.Person{ID: id, Status: event.StatusActive, Start: start,
			Profile: event.Profile{EmployeeNumber: "12", GivenName: "Ada", FamilyName: "Novak", Department: department, WorkerType: "employee", Manager: "8"}},
	}
}

func kinds[T any, P interface {
	*T
	event.Transition
}](events []T) []event.Kind {
	var out []event.Kind
	for i := range events {
		out = append(out, P(&events[i]).EventMeta().Kind)
	}
	return out
}

func want[T any](t *testing.T, got, want []T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v\nwant %v", got, want)
	}
}

func TestAHireIsProvisionedAndItsCaseCloses(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.activate("corp")
	want(t, kinds(streamtest.Out[event.AccessEvent](s.Harness, event.AccessEvents)), slices.Repeat([]event.Kind{event.PolicyActivated}, streamtest.Partitions))
	s.Feed(event.IdentityEvents, "ada", hired("ada", "Finance"))
	desired := streamtest.Out[event.Desired](s.Harness, event.AccessDesired)
	if len(desired) != 2 || desired[0].Target != "chat" || desired[1].Target != "erp" || desired[1].Version != 1 {
		t.Fatalf("desired: %+v", desired)
	}
	want(t, streamtest.Out[event.Membership](s.Harness, event.AccessMembers)[0].Roles, []string{"ledger-reader", "staff"})
	for i, d := range desired {
		s.Restart() // what is not in the changelog is forgotten
		ended := start.Add(time.Duration(i+1) * time.Second)
		s.Feed(event.ProvisionEvents, "ada", &event.ProvisionEvent{Meta: event.Meta{EventID: "p", Kind: event.ProvisionApplied, IdentityID: "ada", Target: d.Target,
			Account: d.AccountName, OccurredAt: ended}, Version: d.Version, State: d.State, Changes: []event.Change{{Verb: "create"}}, CallEnded: ended})
	}
	cases := streamtest.Out[event.CaseEvent](s.Harness, event.CaseEvents)
	want(t, kinds(cases), []event.Kind{event.CaseOpened, event.CaseCompleted})
	if c := cases[1]; c.Changes != 2 || c.EventToAccessMS == nil || *c.EventToAccessMS != 2000 || c.Trigger != event.Hire {
		t.Fatalf("closed: %+v", c)
	}
}

func TestADesiredStateSaysWhoEmploysThePersonWhateverSourceLedToIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.activate("corp")
	s.Feed(event.IdentityEvents, "ada", hired("ada", "Finance"))
	moved := hired("ada", "Sales")
	moved.EventID, moved.Kind, moved.Source = "moved", event.DepartmentChange, "phones"
	s.Feed(event.IdentityEvents, "ada", moved)
	desired := streamtest.Out[event.Desired](s.Harness, event.AccessDesired)
	if last := desired[len(desired)-1]; desired[0].Source != "hr" || last.Source != "phones" || desired[0].PersonSource != "hr" || last.PersonSource != "hr" {
		t.Errorf("first %+v, last %+v", desired[0], last)
	}
}

func TestWhatConcernsAPersonStaysInTheirPartition(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.activate("corp")
	for i := range 20 {
		id := event.IdentityID(fmt.Sprintf("id-%d", i))
		s.Feed(event.IdentityEvents, string(id), hired(id, "Sales"))
	}
	for _, r := range s.Log {
		if key := string(r.Key); key != "policy" && r.Partition != stream.Partition(key, streamtest.Partitions) {
			t.Errorf("%s with key %s in partition %d", r.Topic, key, r.Partition)
		}
	}
}

func TestRecordsWaitForAPolicyAndAreHandledInOrder(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.Feed(event.IdentityEvents, "ada", hired("ada", "Finance"))
	s.Feed(event.AccessRequests, "ada", &event.AccessRequest{ID: "rq-1", Kind: event.RequestGrant, IdentityID: "ada", Role: "newsletter", Requester: "max", RequestedAt: start})
	if out := streamtest.Out[event.AccessEvent](s.Harness, event.AccessEvents); len(out) != 0 {
		t.Fatalf("decided without a policy: %v", kinds(out))
	}
	s.Restart()
	s.activate("corp")
	s.Advance(time.Second)
	want(t, kinds(streamtest.Out[event.AccessEvent](s.Harness, event.AccessEvents))[streamtest.Partitions:],
		[]event.Kind{event.AccessGranted, event.AccessGranted, event.AccessDesiredChanged, event.AccessDesiredChanged,
			event.AccessRequested, event.AccessGranted, event.AccessDesiredChanged})
}

func TestAMarkerWaitsForItsBundle(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	missing := event.PolicyActivation{Policy: "policy", Hash: "nowhere", At: start}
	if err := s.TryFeed(event.PolicyActivations, "policy", missing); !errors.Is(err, stream.ErrNotReady) {
		t.Fatalf("got %v, want ErrNotReady", err)
	}
}

func TestAPolicyThatDoesNotCompileGoesToTheDeadLettersAndTheOldOneStays(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.activate("corp")
	s.view.Put(event.PolicyBundle{Hash: "bad", Files: map[string]string{"policy/x.yaml": "kind: Nonsense"}})
	s.FeedAll(event.PolicyActivations, "policy", event.PolicyActivation{Policy: "policy", Hash: "bad", At: start})
	dead := streamtest.Out[event.DeadLetter](s.Harness, event.DeadLetters)
	if len(dead) != streamtest.Partitions || dead[0].Reason != "invalid" {
		t.Fatalf("dead letters: %+v", dead)
	}
	s.Feed(event.IdentityEvents, "ada", hired("ada", "Finance"))
	if d := streamtest.Out[event.Desired](s.Harness, event.AccessDesired); len(d) != 2 {
		t.Fatalf("desired: %+v", d)
	}
}

func TestAnActivationGoesThroughThePopulationInChunks(t *testing.T) {
	t.Parallel()
	const people = 700 // more than one chunk in each partition
	s := newStage(t)
	s.activate("corp")
	for i := range people {
		id := event.IdentityID(fmt.Sprintf("id-%d", i))
		s.Feed(event.IdentityEvents, string(id), hired(id, "Finance"))
	}
	streamtest.Out[event.Desired](s.Harness, event.AccessDesired)
	s.activate("strict")
	if d := streamtest.Out[event.Desired](s.Harness, event.AccessDesired); len(d) != 0 {
		t.Fatalf("%d accounts were decided with the marker itself", len(d))
	}
	s.Restart() // its tick does the first chunk of each partition, a second one is left
	first := streamtest.Out[event.Desired](s.Harness, event.AccessDesired)
	if n := len(first) / 2; n == 0 || n == people {
		t.Fatalf("%d people in the first chunks", n)
	}
	s.Feed(event.IdentityEvents, "id-0", hired("id-0", "Finance")) // decided by the new policy at once, and passed over later
	s.Advance(time.Second)
	rest := streamtest.Out[event.Desired](s.Harness, event.AccessDesired)
	if n := len(first) + len(rest); n != 2*people {
		t.Fatalf("%d desired states, want %d", n, 2*people)
	}
	for _, d := range append(first, rest...) {
		if d.Lane != event.LaneBulk && d.IdentityID != "id-0" {
			t.Fatalf("lane %s for %s", d.Lane, d.IdentityID)
		}
	}
}

func TestWhatIsDatedAheadComesInItsTime(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.activate("corp")
	e := hired("ada", "Finance")
	e.Person.Status, e.Person.Start = event.StatusPrehire, start.AddDate(0, 0, 10)
	s.Feed(event.IdentityEvents, "ada", e)
	s.Restart()
	s.Advance(6 * 24 * time.Hour)
	if d := streamtest.Out[event.Desired](s.Harness, event.AccessDesired); len(d) != 0 {
		t.Fatalf("too early: %+v", d)
	}
	s.Advance(24 * time.Hour)
	if d := streamtest.Out[event.Desired](s.Harness, event.AccessDesired); len(d) != 1 || d[0].State != event.AccountDisabled {
		t.Fatalf("three days before the start: %+v", d)
	}
}

func TestARequestGoesToItsApproversAndComesBackAsARole(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.activate("corp")
	s.Feed(event.IdentityEvents, "ada", hired("ada", "Finance"))
	s.Feed(event.AccessRequests, "ada", &event.AccessRequest{ID: "rq-1", Kind: event.RequestGrant, IdentityID: "ada", Role: "approver", Requester: "max", RequestedAt: start})
	asked := streamtest.Out[event.ApprovalRequest](s.Harness, event.ApprovalRequests)
	if len(asked) != 1 || len(asked[0].Stages) != 2 || asked[0].Stages[0].Approvers[0] != "max" || asked[0].Stages[1].Approvers[0] != "lea" {
		t.Fatalf("asked: %+v", asked)
	}
	until := start.AddDate(0, 0, 90)
	s.Feed(event.ApprovalEvents, "ada", &event.ApprovalEvent{Meta: event.Meta{EventID: "g", Kind: event.ApprovalGranted, IdentityID: "ada", OccurredAt: start}, RequestID: "rq-1",
		Proof: &event.Approval{RequestID: "rq-1", Role: "approver", Entitlements: asked[0].Entitlements, Policy: asked[0].Policy, ExpiresAt: until, Signature: []byte("s")}})
	desired := streamtest.Out[event.Desired](s.Harness, event.AccessDesired)
	last := desired[len(desired)-1]
	if !slices.Contains(last.Entitlements, "role/approver") || len(last.Approvals) != 1 || string(last.Approvals[0].Signature) != "s" {
		t.Fatalf("desired: %+v", last)
	}
	s.Restart()
	s.Advance(91 * 24 * time.Hour)
	if d := streamtest.Out[event.Desired](s.Harness, event.AccessDesired); len(d) != 1 || slices.Contains(d[0].Entitlements, "role/approver") {
		t.Fatalf("after it expired: %+v", d)
	}
}

func TestRecordsThatCanNeverBeHandledGoToTheDeadLetters(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.activate("corp")
	nobody := hired("ada", "Finance")
	nobody.Person = nil
	s.Feed(event.IdentityEvents, "ada", nobody)
	s.Feed(event.AccessRequests, "max", &event.AccessRequest{ID: "rq-1", Kind: event.RequestGrant, IdentityID: "ada", Role: "newsletter", RequestedAt: start})
	s.Feed(event.AccessRequests, "ada", &event.AccessRequest{ID: "rq-2", Kind: event.RequestGrant, IdentityID: "ada", RequestedAt: start})
	s.FeedRaw(event.ProvisionEvents, "ada", []byte("nonsense"))
	var classes []string
	for _, d := range streamtest.Out[event.DeadLetter](s.Harness, event.DeadLetters) {
		classes = append(classes, d.Reason)
	}
	want(t, classes, []string{"invalid", "key", "invalid", "framing"})
}

func TestWhatWaitsForApprovalMovesOnWhenTheApproverLeaves(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.activate("corp")
	s.dir.Put(event.DirectoryEntry{IdentityID: "max", EmployeeNumber: "8", Manager: "9"})
	s.dir.Put(event.DirectoryEntry{IdentityID: "eva", EmployeeNumber: "9"})
	s.Feed(event.IdentityEvents, "ada", hired("ada", "Finance"))
	s.Feed(event.AccessRequests, "ada", &event.AccessRequest{ID: "rq-1", Kind: event.RequestGrant, IdentityID: "ada", Role: "approver", Requester: "kim", RequestedAt: start})
	if asked := streamtest.Out[event.ApprovalRequest](s.Harness, event.ApprovalRequests); len(asked) != 1 || asked[0].Stages[0].Approvers[0] != "max" {
		t.Fatalf("asked: %+v", asked)
	}
	s.Advance(2 * time.Second)
	if again := streamtest.Out[event.ApprovalRequest](s.Harness, event.ApprovalRequests); len(again) != 0 {
		t.Fatalf("nobody has left, and yet: %+v", again)
	}
	s.Restart()
	s.dir.Put(event.DirectoryEntry{IdentityID: "max", EmployeeNumber: "8", Manager: "9", Status: event.StatusEnded})
	s.Advance(2 * time.Second)
	moved := streamtest.Out[event.ApprovalRequest](s.Harness, event.ApprovalRequests)
	if len(moved) != 1 || moved[0].RequestID != "rq-1" || moved[0].Stages[0].Approvers[0] != "eva" {
		t.Fatalf("moved on: %+v", moved)
	}
}

func TestAnEmergencyAskedForAndItsLiftBecomeFactsOfThePerson(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.activate("corp")
	s.Feed(event.IdentityEvents, "ada", hired("ada", "Finance"))
	s.Feed(event.AccessRequests, "ada", &event.AccessRequest{ID: "rq-1", Kind: event.RequestEmergency, IdentityID: "ada", Requester: "max", Reason: "stolen laptop", RequestedAt: start})
	facts := streamtest.Out[event.Fact](s.Harness, event.UrgentFacts)
	if len(facts) != 1 || facts[0].Record.Kind != event.Emergency || facts[0].IdentityID != "ada" || facts[0].Record.Reason != "stolen laptop" {
		t.Fatalf("facts: %+v", facts)
	}
	shut := hired("ada", "Finance")
	shut.Kind, shut.EventID, shut.Person.Emergency = event.EmergencyTermination, "e-2", true
	s.Feed(event.IdentityEvents, "ada", shut)
	s.Feed(event.AccessRequests, "ada", &event.AccessRequest{ID: "rq-2", Kind: event.RequestLift, IdentityID: "ada", Requester: "max", Reason: "found", RequestedAt: start})
	if facts := streamtest.Out[event.Fact](s.Harness, event.UrgentFacts); len(facts) != 0 {
		t.Fatalf("one person alone has lifted it: %+v", facts)
	}
	s.Feed(event.ApprovalEvents, "ada", &event.ApprovalEvent{Meta: event.Meta{EventID: "g", Kind: event.ApprovalGranted, IdentityID: "ada", OccurredAt: start}, RequestID: "rq-2"})
	if facts := streamtest.Out[event.Fact](s.Harness, event.UrgentFacts); len(facts) != 1 || facts[0].Record.Kind != event.EmergencyLift {
		t.Fatalf("facts: %+v", facts)
	}
}

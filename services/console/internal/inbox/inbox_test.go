package inbox_test

import (
	"reflect"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/inbox"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func step(id event.EventID, kind event.Kind, set func(*event.ApprovalEvent)) event.ApprovalEvent {
	e := event.ApprovalEvent{Meta: event.Meta{EventID: id, Kind: kind, IdentityID: "id-ana", Role: "payer", OccurredAt: start}, RequestID: "r-1", Requester: "id-cyn"}
	if set != nil {
		set(&e)
	}
	return e
}

func stage(name string, approvers ...event.IdentityID) func(*event.ApprovalEvent) {
	return func(e *event.ApprovalEvent) {
		e.Stage, e.Approvers, e.DueAt = name, approvers, start.Add(time.Hour)
	}
}

var request = event.ApprovalRequest{RequestID: "r-1", CaseID: "case-1", IdentityID: "id-ana", Role: "payer", Requester: "id-cyn", Reason: "quarter end", RequestedAt: start}

func get(t *testing.T, b *inbox.Inbox) inbox.Approval {
	t.Helper()
	a, _, ok := b.Get("r-1")
	if !ok {
		t.Fatal("the approval is not there")
	}
	return a
}

func TestAnApprovalMovesThroughItsStages(t *testing.T) {
	t.Parallel()
	b := inbox.New()
	b.Request(request)
	b.Event(step("e-1", event.ApprovalStageOpened, stage("manager", "id-boss")))
	if a := get(t, b); a.Stage != "manager" || !a.MayAct("id-boss") || a.MayAct("id-ana") || a.DueAt.IsZero() {
		t.Errorf("after the first stage opened: %+v", a)
	}
	b.Event(step("e-2", event.ApprovalApproved, func(e *event.ApprovalEvent) { e.Stage, e.Actor = "manager", "id-boss" }))
	b.Event(step("e-3", event.ApprovalStageOpened, stage("owner", "id-own")))
	if a := get(t, b); a.Stage != "owner" || a.MayAct("id-boss") || !a.MayAct("id-own") {
		t.Errorf("after the second stage opened: %+v", a)
	}
	b.Event(step("e-4", event.ApprovalReassigned, stage("owner", "id-else")))
	if a := get(t, b); a.MayAct("id-own") || !a.MayAct("id-else") {
		t.Errorf("after it was reassigned: %+v", a)
	}
	b.Event(step("e-5", event.ApprovalGranted, nil))
	if a := get(t, b); a.Status != inbox.Granted || len(a.Approvers) != 0 || a.MayAct("id-else") || len(a.Steps) != 5 {
		t.Errorf("after it was granted: %+v", a)
	}
}

func TestTheOrderOfTheTwoTopicsDoesNotMatter(t *testing.T) {
	t.Parallel()
	one, other := inbox.New(), inbox.New()
	e := step("e-1", event.ApprovalStageOpened, stage("manager", "id-boss"))
	one.Request(request)
	one.Event(e)
	other.Event(e)
	other.Request(request)
	if a, b := get(t, one), get(t, other); !reflect.DeepEqual(a, b) {
		t.Errorf("request first: %+v\nevent first:   %+v", a, b)
	}
}

func TestReadingTheTopicsAgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := inbox.New()
	replay := func() {
		b.Request(request)
		b.Event(step("e-1", event.ApprovalStageOpened, stage("manager", "id-boss")))
		b.Event(step("e-2", event.ApprovalRefused, nil))
	}
	replay()
	before := get(t, b)
	replay()
	if after := get(t, b); !reflect.DeepEqual(before, after) {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
}

func TestAWithdrawnRequestIsClosedUnlessItWasDecided(t *testing.T) {
	t.Parallel()
	cancelled := request
	cancelled.Cancelled = true
	b := inbox.New()
	b.Request(request)
	b.Request(cancelled)
	if a := get(t, b); a.Status != inbox.Cancelled || a.Reason != "quarter end" {
		t.Errorf("withdrawn: %+v", a)
	}
	b = inbox.New()
	b.Request(request)
	b.Event(step("e-1", event.ApprovalGranted, nil))
	b.Request(cancelled)
	if a := get(t, b); a.Status != inbox.Granted {
		t.Errorf("withdrawn after it was granted: %+v", a)
	}
}

func TestWhoWaitsForAChangeIsWoken(t *testing.T) {
	t.Parallel()
	b := inbox.New()
	b.Request(request)
	_, changed, _ := b.Get("r-1")
	select {
	case <-changed:
		t.Fatal("woken without a change")
	default:
	}
	b.Event(step("e-1", event.ApprovalExpired, nil))
	<-changed
	if a := get(t, b); a.Status != inbox.Expired {
		t.Errorf("after it expired: %+v", a)
	}
}

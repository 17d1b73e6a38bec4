package app_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/services/approval/app"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func open(t *testing.T) (*streamtest.Harness, approvalproof.Key) {
	t.Helper()
	key := approvalproof.NewKey(bytes.Repeat([]byte{7}, 32))
	h := streamtest.New(t, app.Topology(key), start)
	h.Feed(event.ApprovalRequests, "ada", &event.ApprovalRequest{RequestID: "rq-1", CaseID: "case-1", IdentityID: "ada", Role: "approver", Entitlements: []string{"erp:role/approver"},
		Requester: "max", Policy: "p1", DurationMS: 1000 * 3600, RequestedAt: start, Stages: []event.ApprovalStage{
			{Name: "manager", Approvers: []event.IdentityID{"eva"}, EscalateTo: []event.IdentityID{"pat"}, Quorum: 1, EscalateAfterMS: 24 * 3600_000, DenyAfterMS: 5 * 24 * 3600_000},
			{Name: "owner", Approvers: []event.IdentityID{"lea"}, Quorum: 1}}})
	return h, key
}

func vote(id string, kind event.VoteKind, actor event.IdentityID) *event.ApprovalCommand {
	return &event.ApprovalCommand{ID: id, Kind: kind, RequestID: "rq-1", IdentityID: "ada", Actor: actor, Reason: "a test", At: start}
}

func kinds(h *streamtest.Harness) (out []event.Kind) {
	for _, e := range streamtest.Out[event.ApprovalEvent](h, event.ApprovalEvents) {
		out = append(out, e.Kind)
	}
	return out
}

func want(t *testing.T, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v\nwant %v", got, want)
	}
}

func TestARequestIsDecidedStageByStageAndSigned(t *testing.T) {
	t.Parallel()
	h, key := open(t)
	want(t, kinds(h), []event.Kind{event.ApprovalRequested, event.ApprovalStageOpened})
	h.Restart()
	h.Feed(event.ApprovalCommands, "ada", vote("c-1", event.Approve, "eva"))
	h.Feed(event.ApprovalCommands, "ada", vote("c-1", event.Approve, "eva"))
	want(t, kinds(h), []event.Kind{event.ApprovalApproved, event.ApprovalStageOpened})
	h.Restart()
	h.Feed(event.ApprovalCommands, "ada", vote("c-2", event.Approve, "lea"))
	events := streamtest.Out[event.ApprovalEvent](h, event.ApprovalEvents)
	granted := events[len(events)-1]
	if granted.Kind != event.ApprovalGranted || granted.Proof == nil {
		t.Fatalf("last event: %+v", granted)
	}
	if err := approvalproof.Verify(key.Public(), "ada", *granted.Proof, start); err != nil { // after a way through Avro
		t.Fatal(err)
	}
}

func TestAnApprovalMovesOnByTimeAlone(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	kinds(h)
	h.Restart()
	h.Advance(24 * time.Hour)
	want(t, kinds(h), []event.Kind{event.ApprovalEscalated})
	h.Restart()
	h.Advance(4 * 24 * time.Hour)
	want(t, kinds(h), []event.Kind{event.ApprovalExpired})
	h.Feed(event.ApprovalCommands, "ada", vote("c-1", event.Approve, "eva"))
	want(t, kinds(h), []event.Kind{event.ApprovalVoteRefused})
	h.Advance(30 * 24 * time.Hour) // forgotten
	h.Feed(event.ApprovalCommands, "ada", vote("c-2", event.Approve, "eva"))
	want(t, kinds(h), []event.Kind{})
}

func TestCommandsThatCanNeverCountGoToTheDeadLetters(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	elsewhere := vote("c-1", event.Approve, "eva")
	h.Feed(event.ApprovalCommands, "max", elsewhere)
	unknown := vote("c-2", event.Approve, "eva")
	unknown.RequestID = "rq-9"
	h.Feed(event.ApprovalCommands, "ada", unknown)
	nobody := vote("c-3", event.Approve, "")
	h.Feed(event.ApprovalCommands, "ada", nobody)
	var classes []string
	for _, d := range streamtest.Out[event.DeadLetter](h, event.DeadLetters) {
		classes = append(classes, d.Reason)
	}
	want(t, classes, []string{"key", "invalid", "invalid"})
}

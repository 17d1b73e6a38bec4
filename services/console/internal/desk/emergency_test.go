package desk_test

import (
	"testing"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

func TestAnEmergencyIsARequestAndItsLiftTakesTwoPeople(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	w.Desk.Patience = 0
	cyn := desk.Actor{ID: "id-cyn"}
	got, err := w.Desk.Emergency(t.Context(), desk.Emergency{Person: "id-ana", Reason: "laptop stolen"}, operator)
	if err != nil || got.State != "written" {
		t.Fatalf("terminate: %+v, %v", got, err)
	}
	_, err = w.Desk.Emergency(t.Context(), desk.Emergency{Lift: true, Person: "id-ana", Reason: "found"}, operator)
	wantFault(t, err, desk.Forbidden, "--as")
	_, err = w.Desk.Emergency(t.Context(), desk.Emergency{Lift: true, Person: "id-ana", Reason: "found"}, desk.Actor{ID: "id-ana"})
	wantFault(t, err, desk.Forbidden, "their own")
	_, err = w.Desk.Emergency(t.Context(), desk.Emergency{Lift: true, Person: "id-ana"}, boss)
	wantFault(t, err, desk.Invalid, "reason")
	lift, err := w.Desk.Emergency(t.Context(), desk.Emergency{Lift: true, Person: "id-ana", Reason: "found"}, boss)
	if err != nil || lift.State != "waiting" {
		t.Fatalf("first: %+v, %v", lift, err)
	}
	w.Desk.Inbox.Request(event.ApprovalRequest{RequestID: lift.ID, IdentityID: "id-ana", Process: "emergency-lift", Requester: boss.ID, RequestedAt: desktest.Start})
	w.Desk.Inbox.Event(event.ApprovalEvent{Meta: event.Meta{EventID: "s", Kind: event.ApprovalStageOpened}, RequestID: lift.ID, Stage: "second-person", Approvers: []event.IdentityID{event.Anybody}})
	_, err = w.Desk.Emergency(t.Context(), desk.Emergency{Lift: true, Person: "id-ana", Reason: "found"}, boss)
	wantFault(t, err, desk.Forbidden, "request of their own")
	if second, err := w.Desk.Emergency(t.Context(), desk.Emergency{Lift: true, Person: "id-ana", Reason: "I saw it"}, cyn); err != nil || second.State != "agreed" || second.ID != lift.ID {
		t.Fatalf("second: %+v, %v", second, err)
	}
	var kinds []event.RequestKind
	for _, q := range desktest.Written[event.AccessRequest](t, w, event.AccessRequests) {
		kinds = append(kinds, q.Kind)
	}
	if len(kinds) != 2 || kinds[0] != event.RequestEmergency || kinds[1] != event.RequestLift {
		t.Errorf("requests: %v", kinds)
	}
	if votes := desktest.Written[event.ApprovalCommand](t, w, event.ApprovalCommands); len(votes) != 1 || votes[0].Actor != "id-cyn" || votes[0].Kind != event.Approve {
		t.Errorf("votes: %+v", votes)
	}
}

package access

import (
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// liftProcess is the approval process by which an emergency is lifted, where policy has one; else any second person may.
const liftProcess = "emergency-lift"

// liftPatience is how long a second person may take, without a process.
const liftPatience = 5 * 24 * time.Hour

// selfSource is the source of facts that people made by this pipeline's own means.
const selfSource = "joinery"

// emergency shuts the person out at once, or asks a second person to end that. Both become facts of the person, so that
// they hold whatever sources say.
func (w *Work) emergency(q event.AccessRequest) {
	c, p := w.State.caseOf(w.caseID), w.State.Person
	pending := slices.ContainsFunc(w.State.Requests, func(o Request) bool { return o.Kind == event.RequestLift })
	switch {
	case p == nil:
		w.refuse(c, "", q.ID, refusedAbsent, "Nobody is known by that id.")
	case q.Kind == event.RequestEmergency && p.Emergency:
		w.refuse(c, "", q.ID, refusedHeld, "An emergency stands already.")
	case q.Kind == event.RequestEmergency:
		w.signal(event.Emergency, q.ID, q.Reason)
	case !p.Emergency:
		w.refuse(c, "", q.ID, refusedNotHeld, "No emergency stands.")
	case q.Requester == w.ID: // of the two who lift it
		w.refuse(c, "", q.ID, refusedOwn, "Nobody lifts an emergency of their own.")
	case pending:
		w.refuse(c, "", q.ID, refusedPending, "The lift is being decided already.")
	default:
		w.askLift(q)
	}
}

func (w *Work) askLift(q event.AccessRequest) {
	c := w.State.caseOf(w.caseID)
	plan := Request{ID: q.ID, Kind: q.Kind, Case: w.caseID, Actor: q.Requester}
	stages := []event.ApprovalStage{{Name: "second-person", Approvers: []event.IdentityID{event.Anybody}, Quorum: 1, DenyAfterMS: liftPatience.Milliseconds()}}
	if len(w.Bundle.Stages(liftProcess)) > 0 {
		var err error
		plan.Process = liftProcess
		if stages, err = w.process(liftProcess); err != nil {
			w.refuse(c, "", q.ID, refusedApprovers, err.Error())
			return
		}
		plan.Asked = hashOf(stages)
	}
	w.out.Approvals = append(w.out.Approvals, &event.ApprovalRequest{RequestID: q.ID, CaseID: w.caseID, IdentityID: w.ID, Process: liftProcess,
		Requester: q.Requester, Reason: q.Reason, Policy: w.Bundle.Hash(), RequestedAt: w.Now, Stages: stages})
	w.State.Requests = append(w.State.Requests, plan)
	c.Request = q.ID
	w.tell(*c, event.CaseWaiting, event.CaseOpen, "approval")
}

// signal tells ingest a fact about the person.
func (w *Work) signal(kind event.RecordKind, id, reason string) {
	w.out.Facts = append(w.out.Facts, &event.Fact{ID: event.DeriveID("f", 0, selfSource, id), IdentityID: w.ID, Authority: "signal", Correlated: "identity_id",
		KnownAt: w.Now, Record: event.SourceRecord{ID: id, Source: selfSource, SourceKey: string(w.ID), RecordedAt: w.Now, Kind: kind, Reason: reason}})
}

// dropLift withdraws the request to lift an emergency that stands no more.
func (w *Work) dropLift() {
	if w.standing() == held {
		return
	}
	for _, q := range slices.Clone(w.State.Requests) {
		if q.Kind == event.RequestLift {
			w.withdraw(q, refusedNotHeld)
		}
	}
}

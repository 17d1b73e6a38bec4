package voting

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// Actor is who acts, in evidence, where no person does.
const Actor = "approval"

// Reasons of transitions.
const (
	reasonFallback   = "fallback" // none of the approvers may decide
	reasonEscalated  = "escalated"
	reasonDelegated  = "delegated"
	reasonDirectory  = "directory" // who may decide has changed
	reasonDenied     = "denied"
	reasonNoApprover = "no_approver"
	reasonTimeout    = "timeout"
	reasonWithdrawn  = "withdrawn"

	// of votes that do not count
	reasonOwn        = "own_request"
	reasonPrevious   = "previous_approver"
	reasonNotAsked   = "not_an_approver"
	reasonVoted      = "already_voted"
	reasonClosed     = "closed"
	reasonDelegate   = "not_delegable"
	reasonUnknownAct = "unknown_kind"
)

// Signer signs what was approved; approvalproof.Key is one. It gives the same bytes for the same approval.
type Signer interface {
	Sign(beneficiary event.IdentityID, a event.Approval) []byte
}

// Work is one decision about one approval. Set the exported fields and call one of the methods, once.
type Work struct {
	State  State
	Cause  string // id of the record that led here: event ids derive from it
	Now    time.Time
	Signer Signer

	by     string // what a transition is caused by
	events []*event.ApprovalEvent
}

// Decision is what follows. Everything in it is committed together.
type Decision struct {
	State  State
	Events []*event.ApprovalEvent
	WakeAt time.Time // zero: no timer
	Forget bool      // nothing is left to know: delete the state
}

// Requested takes a request for approval, or its withdrawal. One that is known already is passed over.
func (w Work) Requested(q event.ApprovalRequest) Decision {
	w.State, w.by = w.State.clone(), w.Cause
	switch {
	case q.Cancelled && w.State.known() && w.State.Closed == "":
		w.close(event.ApprovalExpired, Withdrawn, reasonWithdrawn, "The request was withdrawn; nobody decided.")
	case q.Cancelled || w.State.Closed != "":
	case w.State.known():
		w.reassign(q.Stages)
	default:
		w.State = State{Request: q}
		w.emit(event.ApprovalRequested, event.Meta{Actor: string(q.Requester), Outcome: "open", Message: q.Reason})
		w.openFirst()
	}
	return w.decide()
}

// reassign takes over who decides from now on: the directory has changed. What was decided stands. Where nobody is left
// to ask, the stage waits for its end: somebody may come.
func (w *Work) reassign(stages []event.ApprovalStage) {
	s := &w.State
	if len(stages) != len(s.Request.Stages) {
		return // the same request, said again
	}
	before := s.asked()
	s.Request.Stages = slices.Clone(stages)
	s.widen()
	if !s.enough() && s.dueAt().IsZero() {
		w.close(event.ApprovalRefused, Refused, reasonNoApprover, "Nobody is left who may decide.")
		return
	}
	if now := s.asked(); !slices.Equal(now, before) {
		w.emit(event.ApprovalReassigned, event.Meta{Outcome: "open", Reason: reasonDirectory, Message: "Who decides has changed."})
	}
}

// widen asks those to fall back on too where the approvers are too few, then those it would escalate to.
func (s *State) widen() (reason string) {
	if !s.enough() {
		s.Fallback, reason = true, reasonFallback
	}
	if !s.enough() {
		s.Escalated, reason = true, reasonEscalated
	}
	return reason
}

// openFirst opens the first stage. A request without stages is one that nobody could say no to: refused.
func (w *Work) openFirst() {
	if len(w.State.Request.Stages) == 0 {
		w.close(event.ApprovalRefused, Refused, reasonNoApprover, "The request names no stage.")
		return
	}
	w.openStage(0)
}

// openStage asks the people of a stage. Where they are too few, those to fall back on are asked too, then those it
// would escalate to; where even so the quorum cannot be reached, the request is refused rather than left to hang.
func (w *Work) openStage(i int) {
	s := &w.State
	if i >= len(s.Request.Stages) {
		w.grant()
		return
	}
	s.Stage, s.Opened, s.Delegated, s.Escalated, s.Fallback = i, w.Now, nil, false, false
	reason := s.widen()
	if !s.enough() {
		w.close(event.ApprovalRefused, Refused, reasonNoApprover, fmt.Sprintf("Stage %s needs %d to approve, and %d may.", s.stage().Name, s.quorum(), len(s.eligible())))
		return
	}
	w.emit(event.ApprovalStageOpened, event.Meta{Outcome: "open", Reason: reason})
}

func (w *Work) grant() {
	s := &w.State
	q := s.Request
	if q.Role == "" { // a task, or the lift of an emergency: nothing to prove
		w.close(event.ApprovalGranted, Granted, "", "")
		return
	}
	proof := event.Approval{RequestID: q.RequestID, Role: q.Role, Entitlements: slices.Sorted(slices.Values(q.Entitlements)), Policy: q.Policy,
		ExpiresAt: after(w.Now.Truncate(time.Millisecond), q.DurationMS)}
	proof.Signature = w.Signer.Sign(q.IdentityID, proof)
	w.close(event.ApprovalGranted, Granted, "", "")
	w.events[len(w.events)-1].Proof = &proof
}

// close ends the approval. What is kept answers late votes.
func (w *Work) close(kind event.Kind, outcome Outcome, reason, message string) {
	s := &w.State
	s.Closed, s.ClosedAt = outcome, w.Now
	e := w.emit(kind, event.Meta{Outcome: string(outcome), Reason: reason, Message: message})
	if reason == reasonTimeout && !s.Request.Task {
		e.Class = "approval_expired"
	}
	q := s.Request
	s.Request = event.ApprovalRequest{RequestID: q.RequestID, CaseID: q.CaseID, IdentityID: q.IdentityID, Role: q.Role, Requester: q.Requester, Policy: q.Policy}
	s.Stage, s.Delegated, s.Votes = 0, nil, nil
}

// Voted takes one person's act. The same command again is passed over; one that does not count is answered with
// approval.vote_refused, so that nobody's act vanishes.
func (w Work) Voted(c event.ApprovalCommand) Decision {
	w.State, w.by = w.State.clone(), c.ID
	s := &w.State
	if slices.Contains(s.Taken, c.ID) {
		return w.decide()
	}
	s.Taken = append(s.Taken, c.ID)
	if w.late(c) {
		w.expire()
	}
	if reason := w.objection(c); reason != "" {
		w.emit(event.ApprovalVoteRefused, event.Meta{Actor: string(c.Actor), Outcome: "refused", Reason: reason, Message: objections[reason]})
		return w.decide()
	}
	m := event.Meta{Actor: string(c.Actor), Message: c.Reason}
	switch c.Kind {
	case event.Deny:
		m.Outcome = "denied"
		w.emit(event.ApprovalDenied, m)
		w.close(event.ApprovalRefused, Refused, reasonDenied, "")
	case event.Delegate:
		s.Delegated = append(s.Delegated, Delegation{c.Actor, c.To})
		m.Outcome, m.Reason = "open", reasonDelegated
		w.emit(event.ApprovalReassigned, m)
	default:
		s.Votes = append(s.Votes, Vote{s.Stage, c.Actor})
		m.Outcome = "approved"
		w.emit(event.ApprovalApproved, m)
		if s.approvals() >= s.quorum() {
			w.openStage(s.Stage + 1)
		}
	}
	return w.decide()
}

// late says whether a command was given after the time to decide, though nothing has said yet that this is over. One given
// in time counts, however long it was on the way.
func (w *Work) late(c event.ApprovalCommand) bool {
	given := w.Now
	if !c.At.IsZero() && c.At.Before(given) {
		given = c.At
	}
	s := w.State
	return s.Closed == "" && !s.dueAt().IsZero() && !given.Before(s.dueAt())
}

func (w *Work) expire() {
	w.close(event.ApprovalExpired, Expired, reasonTimeout, "Nobody decided in time.")
}

// objection says why a command does not count; empty: it does.
func (w *Work) objection(c event.ApprovalCommand) string {
	s := w.State
	if s.Closed != "" {
		return reasonClosed
	}
	if why := s.barred(c.Actor); why != "" {
		return why
	}
	switch {
	case !s.mayDecide(c.Actor):
		return reasonNotAsked
	case s.voted(c.Actor):
		return reasonVoted
	case c.Kind == event.Delegate && (c.To == "" || s.barred(c.To) != "" || slices.Contains(s.eligible(), c.To)):
		return reasonDelegate
	case c.Kind != event.Approve && c.Kind != event.Deny && c.Kind != event.Delegate:
		return reasonUnknownAct
	}
	return ""
}

var objections = map[string]string{
	reasonOwn:        "Nobody decides on a request of their own or for themselves.",
	reasonPrevious:   "This stage is for somebody who has not decided an earlier one.",
	reasonNotAsked:   "The open stage is for others to decide.",
	reasonVoted:      "This person has approved the stage already.",
	reasonClosed:     "Nothing is left to decide.",
	reasonDelegate:   "A delegate is somebody who may decide and is not asked yet.",
	reasonUnknownAct: "An act is one of approve, deny and delegate.",
}

// Due does what time has made due.
func (w Work) Due() Decision {
	w.State, w.by = w.State.clone(), w.Cause
	for s := &w.State; ; {
		at := s.next()
		switch {
		case at.IsZero() || at.After(w.Now):
			return w.decide()
		case s.Closed != "":
			return Decision{Forget: true}
		case at.Equal(s.dueAt()):
			w.expire()
		default:
			s.Escalated = true
			w.emit(event.ApprovalEscalated, event.Meta{Outcome: "open", Reason: reasonTimeout})
		}
	}
}

func (w *Work) decide() Decision {
	return Decision{State: w.State, Events: w.events, WakeAt: w.State.next()}
}

// emit records a transition of the approval as it stands; what the caller sets in m counts, the rest is filled in.
func (w *Work) emit(kind event.Kind, m event.Meta) *event.ApprovalEvent {
	s := w.State
	q := s.Request
	m.EventID = event.EventID(event.DeriveID("pv", len(w.events), w.Cause, q.RequestID))
	m.Kind, m.IdentityID, m.CaseID, m.Role, m.Policy = kind, q.IdentityID, q.CaseID, q.Role, q.Policy
	m.CausationID, m.Actor = w.by, cmp.Or(m.Actor, Actor)
	m.EffectiveAt, m.KnownAt, m.OccurredAt = w.Now, w.Now, w.Now
	e := &event.ApprovalEvent{Meta: m, RequestID: q.RequestID, Requester: q.Requester}
	if len(q.Stages) > 0 && kind != event.ApprovalRequested {
		e.Stage = s.stage().Name
	}
	if s.Closed == "" && e.Stage != "" {
		e.Approvers, e.DueAt = s.asked(), s.dueAt()
	}
	w.events = append(w.events, e)
	return e
}

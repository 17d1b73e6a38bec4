package access

import (
	"fmt"
	"slices"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// Reasons of access.refused.
const (
	refusedUnknownRole = "unknown_role"
	refusedAbsent      = "not_employed"
	refusedHeld        = "already_held"
	refusedPending     = "already_requested"
	refusedNotHeld     = "not_held"
	refusedBirthright  = "birthright" // policy gives it; only policy takes it
	refusedCondition   = "not_eligible"
	refusedApprovers   = "approvers_unknown"
	refusedWithdrawn   = "withdrawn"
	refusedNoProof     = "no_proof"
	refusedKind        = "unknown_kind"
	refusedExpired     = "approval_expired"
	refusedOwn         = "own_request"
)

// Asked takes an access request. One that was taken already is passed over: it has its answer.
func (w Work) Asked(q event.AccessRequest) Decision {
	if slices.Contains(w.State.Asked, q.ID) {
		return w.decide()
	}
	w.begin(trigger{kind: event.AccessRequested, causation: w.Cause, effective: w.Now, known: w.Now, before: w.State.Person}, w.Now)
	s := &w.State
	s.Asked = append(s.Asked, q.ID)
	s.Asked = s.Asked[max(0, len(s.Asked)-askedMost):]
	w.open(event.CaseID(event.DeriveID("case", 0, w.Cause)), nil)
	info, known := w.Bundle.Role(q.Role)
	w.access(event.AccessEvent{Meta: event.Meta{Kind: event.AccessRequested, Role: q.Role, Actor: string(q.Requester), Reason: string(q.Kind), Message: q.Reason},
		RequestID: q.ID, Privilege: info.Privileged})
	if q.Kind == event.RequestEmergency || q.Kind == event.RequestLift {
		w.emergency(q)
		return w.decide()
	}
	reason, message := refusedUnknownRole, fmt.Sprintf("There is no role %q.", q.Role)
	if known {
		reason, message = w.refusal(q)
	}
	plan, waives := w.plan(q, info)
	if reason == classConflict && waives {
		reason = ""
	}
	w.answerFaults(q.Role)
	switch {
	case reason != "":
		w.refuse(s.caseOf(w.caseID), q.Role, q.ID, reason, message)
	case q.Kind == event.RequestRevoke:
		w.giveUp(q)
	case plan.Process != "" || waives:
		w.askApproval(q, plan)
	default:
		w.grant(Request{ID: q.ID, Kind: q.Kind, Role: q.Role, Case: w.caseID}, expires(w.Now, duration(q, info)), nil)
		w.review()
	}
	return w.decide()
}

// plan is how a request is decided: by the process of the role, and where it would break a separation of duties that may
// be waived, by that of the waiver too, for no longer than that allows.
func (w *Work) plan(q event.AccessRequest, info policy.RoleInfo) (plan Request, waives bool) {
	plan = Request{ID: q.ID, Kind: q.Kind, Role: q.Role, Case: w.caseID, Actor: q.Requester}
	if info.Requestable == nil {
		return plan, false
	}
	plan.Process, plan.Duration = info.Requestable.Approval, duration(q, info).Milliseconds()
	c, breaks := w.breaks(q.Role)
	if a, has := w.State.role(q.Role); has && a.Waiver != "" { // longer: to be waived once more
		c, breaks = w.conflict(a.Waiver)
	}
	if !breaks || c.Waiver == nil {
		return plan, false
	}
	plan.Waiver = c.Name
	if most := c.Waiver.MaxDuration.Milliseconds(); most > 0 && (plan.Duration == 0 || plan.Duration > most) {
		plan.Duration = most
	}
	return plan, true
}

// conflict is a separation of duties that what the person has breaks.
func (w *Work) conflict(name string) (policy.Conflict, bool) {
	for _, c := range w.Bundle.Conflicts(w.State.LiveRoles()) {
		if c.Name == name {
			return c, true
		}
	}
	return policy.Conflict{}, false
}

// refusal says why a request cannot be followed; an empty reason: it can.
func (w *Work) refusal(q event.AccessRequest) (reason, message string) {
	a, has := w.State.role(q.Role)
	pending := slices.ContainsFunc(w.State.Requests, func(o Request) bool { return o.Role == q.Role })
	switch {
	case q.Kind == event.RequestRevoke && pending:
		return "", ""
	case q.Kind != event.RequestGrant && q.Kind != event.RequestRevoke && q.Kind != event.RequestExtend:
		return refusedKind, "A request is one of grant, revoke and extend."
	case q.Kind != event.RequestGrant && !has:
		return refusedNotHeld, "The person does not have the role."
	case q.Kind != event.RequestGrant && a.Origin == Birthright:
		return refusedBirthright, "The role is a birthright: change the person's record or the policy."
	case q.Kind == event.RequestRevoke:
		return "", ""
	case w.standing() != present:
		return refusedAbsent, "The person has no employment now that gives access, or is held."
	case pending:
		return refusedPending, "The role is being decided already."
	case q.Kind == event.RequestGrant && has && a.Grace.IsZero():
		return refusedHeld, "The person has the role; ask to extend it."
	}
	return w.ineligible(q.Role, "")
}

// ineligible says why policy does not allow the role now, in any of the employments. waiver is a separation of duties
// that it may break.
func (w *Work) ineligible(role, waiver string) (reason, message string) {
	reason, message = refusedAbsent, "The person has no employment now that gives access, or is held."
	for _, job := range w.jobs() {
		may, why, err := w.Bundle.MayRequest(role, w.input(job))
		if may {
			reason = ""
			break
		}
		reason, message = refusedCondition, why
		if err != nil {
			reason, message = classInvalid, err.Error()
		}
	}
	if reason != "" {
		return reason, message
	}
	if conflict, breaks := w.breaks(role); breaks && conflict.Name != waiver {
		return classConflict, fmt.Sprintf("It would break the separation of duties %s.", conflict.Name)
	}
	return "", ""
}

// refuse answers a request with no; the case ends refused.
func (w *Work) refuse(c *Case, role, requestID, reason, message string) {
	m := event.Meta{Kind: event.AccessRefused, Role: role, Outcome: "refused", Reason: reason, Message: message}
	if c != nil {
		m.CaseID, c.Request, c.Refused = c.ID, "", true
	}
	w.access(event.AccessEvent{Meta: m, RequestID: requestID})
}

// giveUp revokes a requested role, or withdraws the request for it.
func (w *Work) giveUp(q event.AccessRequest) {
	for _, o := range slices.Clone(w.State.Requests) {
		if o.Role == q.Role {
			w.withdraw(o, refusedWithdrawn)
		}
	}
	if a, has := w.State.role(q.Role); has && a.Origin == Requested {
		w.revoke(*a, reasonRequested)
		w.review()
	}
}

// withdraw ends a request that waits for approval.
func (w *Work) withdraw(q Request, reason string) {
	w.cancel(q)
	w.refuse(w.State.caseOf(q.Case), q.Role, q.ID, reason, "The request was withdrawn.")
}

// cancel says that nobody need decide any more.
func (w *Work) cancel(q Request) {
	w.State.Requests = slices.DeleteFunc(w.State.Requests, func(o Request) bool { return o.ID == q.ID })
	w.out.Approvals = append(w.out.Approvals, &event.ApprovalRequest{RequestID: q.ID, CaseID: q.Case, IdentityID: w.ID, Role: q.Role,
		Requester: q.Actor, Policy: w.Bundle.Hash(), RequestedAt: w.Now, Cancelled: true})
}

// duration is how long a request is for: what is wanted, within what policy allows; 0: no end.
func duration(q event.AccessRequest, info policy.RoleInfo) time.Duration {
	wanted, most := time.Duration(q.DurationMS)*time.Millisecond, info.Requestable.MaxDuration
	if wanted <= 0 || (most > 0 && wanted > most) {
		return most
	}
	return wanted
}

func expires(from time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return from.Add(d)
}

// Answered takes how an approval ended. One that nobody waits for any more is passed over.
func (w Work) Answered(e event.ApprovalEvent) Decision {
	i := slices.IndexFunc(w.State.Requests, func(q Request) bool { return q.ID == e.RequestID })
	ended := e.Kind == event.ApprovalGranted || e.Kind == event.ApprovalRefused || e.Kind == event.ApprovalExpired
	if i < 0 || !ended {
		return w.decide()
	}
	q := w.State.Requests[i]
	w.begin(trigger{kind: event.AccessRequested, causation: string(e.EventID), effective: w.Now, known: w.Now, before: w.State.Person}, w.Now)
	if q.Kind == requestTask { // somebody has taken note, or nobody did
		w.State.Requests[i].Done = true
		return w.decide()
	}
	w.State.Requests = slices.Delete(w.State.Requests, i, i+1)
	w.caseID = q.Case
	c := w.State.caseOf(q.Case)
	reason, message := w.verdict(q, e)
	if reason == refusedExpired {
		w.overdue(q, message)
	}
	if reason != "" {
		w.refuse(c, q.Role, q.ID, reason, message)
		return w.decide()
	}
	if c != nil {
		c.Request = ""
	}
	if q.Kind == event.RequestLift {
		w.signal(event.EmergencyLift, q.ID, string(q.Kind))
		return w.decide()
	}
	w.grant(q, e.Proof.ExpiresAt, e.Proof)
	w.review()
	return w.decide()
}

// verdict says why an answer does not lead to what was asked for; an empty reason: it does.
func (w *Work) verdict(q Request, e event.ApprovalEvent) (reason, message string) {
	switch {
	case e.Kind == event.ApprovalRefused:
		return e.Reason, "The approvers said no."
	case e.Kind == event.ApprovalExpired:
		return refusedExpired, "Nobody decided in time."
	case q.Kind == event.RequestLift:
		return "", ""
	case e.Proof == nil:
		return refusedNoProof, "The approval carries no proof."
	}
	return w.ineligible(q.Role, q.Waiver)
}

// grant gives a role that was asked for, or gives it for longer.
func (w *Work) grant(q Request, until time.Time, proof *event.Approval) {
	kind, reason, since := event.AccessGranted, reasonRequested, w.at
	if a, has := w.State.role(q.Role); has {
		kind, since = event.AccessExtended, a.Since
	}
	if proof != nil {
		reason = reasonApproved
	}
	a := Assignment{Role: q.Role, Origin: Requested, Since: since, Expires: until, Case: q.Case, RequestID: q.ID, Proof: proof, Waiver: q.Waiver}
	w.State.give(a)
	w.roleEvent(kind, a, reason)
}

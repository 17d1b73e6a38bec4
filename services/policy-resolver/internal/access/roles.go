package access

import (
	"fmt"
	"slices"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// Reasons of access transitions: why a role was given, kept or taken.
const (
	reasonBirthright = "birthright" // by rule
	reasonRequested  = "requested"  // asked for, and nobody needs to approve
	reasonApproved   = "approved"
	reasonRestored   = "restored" // an end was taken back
	reasonReturned   = "returned" // back within the grace
	reasonMoved      = "moved"
	reasonPolicy     = "policy" // the policy of today does not give it
	reasonGraceEnded = "grace_ended"
	reasonDuration   = "duration" // what was asked for is over
	reasonEnded      = "ended"
	reasonEmergency  = "emergency"
	reasonNotStarted = "not_started" // the start was moved
)

const contractor = "contractor"

// decideRoles makes the roles what follows from the person and the policy.
func (w *Work) decideRoles() {
	s := &w.State
	s.Ahead = ""
	switch w.standing() {
	case gone:
		w.revokeAll(reasonEnded)
		return
	case held:
		w.revokeAll(reasonEmergency)
		return
	case ahead:
		s.Ahead = w.caseID
		w.revokeAll(reasonNotStarted)
		return
	}
	if w.lacksEnd() {
		w.find("contract-end", finding{class: classQuarantined, refused: true, message: "A contractor needs an end date before access is given."})
		w.letGo(w.keep(nil, false))
		return
	}
	rights, err := w.Bundle.Birthright(w.input())
	if err != nil { // what is had stays, until the rule can be decided
		w.find("birthright", finding{class: classInvalid, blocks: true, message: err.Error()})
		return
	}
	rights = slices.DeleteFunc(rights, func(d policy.RoleDecision) bool { return !d.Granted })
	lost := w.keep(rights, true)
	w.gain(rights)
	w.restore()
	w.letGo(lost)
	w.separate()
}

// lacksEnd says whether the person is a contractor whose end date is missing though policy wants one.
func (w *Work) lacksEnd() bool {
	p := w.State.Person
	return p.WorkerType == contractor && p.End.IsZero() && w.Bundle.Lifecycle().ContractorRequireEnd
}

// keep goes through what the person has: what they are entitled to lives on. What they are not entitled to any more is
// in its grace from now on, and returned: letGo says what becomes of it once it is known what is new.
func (w *Work) keep(rights []policy.RoleDecision, asked bool) (lost []Assignment) {
	for _, a := range slices.Clone(w.State.Roles) {
		entitled := slices.ContainsFunc(rights, func(d policy.RoleDecision) bool { return d.Role == a.Role }) ||
			(a.Origin == Requested && asked && w.mayHave(a.Role))
		switch {
		case entitled && !a.Grace.IsZero():
			a.Grace = time.Time{}
			w.State.give(a)
			w.roleEvent(event.AccessExtended, a, reasonReturned)
		case !entitled && a.Grace.IsZero():
			a.Grace, a.Case = w.base().Add(w.grace(a.Role)), w.caseID
			w.State.give(a)
			lost = append(lost, a)
		}
	}
	return lost
}

// mayHave says whether a role may still be had on request. A condition that cannot be decided takes nothing away.
func (w *Work) mayHave(role string) bool {
	may, _, err := w.Bundle.MayRequest(role, w.input())
	return may || err != nil
}

// grace is how long a role is kept that is being lost now. A change of policy takes at once.
func (w *Work) grace(role string) time.Duration {
	if w.by.kind == event.PolicyActivated {
		return 0
	}
	return w.Bundle.Grace(role)
}

// letGo starts the grace of roles that are lost, or takes them at once: those without a grace, and those that break a
// separation of duties with what is had for good.
func (w *Work) letGo(lost []Assignment) {
	reason := reasonMoved
	if w.by.kind == event.PolicyActivated {
		reason = reasonPolicy
	}
	for _, a := range lost {
		if w.grace(a.Role) <= 0 {
			w.revoke(a, reason)
		} else if _, breaks := w.breaks(a.Role); breaks {
			w.revoke(a, classConflict)
		} else {
			w.roleEvent(event.AccessGraceStarted, a, reason)
		}
	}
}

func (w *Work) revoke(a Assignment, reason string) {
	w.State.take(a.Role)
	a.Grace, a.Expires = time.Time{}, time.Time{}
	w.roleEvent(event.AccessRevoked, a, reason)
}

// gain gives the birthrights that are not had yet.
func (w *Work) gain(rights []policy.RoleDecision) {
	for _, d := range rights {
		if _, has := w.State.role(d.Role); has {
			continue
		}
		if conflict, breaks := w.breaks(d.Role); breaks {
			w.find("sod/"+conflict.Name+"/"+d.Role, finding{class: classConflict, role: d.Role, refused: true,
				message: fmt.Sprintf("Role %s is not given: it breaks the separation of duties %s.", d.Role, conflict.Name)})
			continue
		}
		a := Assignment{Role: d.Role, Origin: Birthright, Since: w.at, Case: w.caseID}
		w.State.give(a)
		e := w.roleEvent(event.AccessGranted, a, reasonBirthright)
		e.Rule, e.Values = fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column), d.Values
	}
}

// breaks says whether having the role too would break a separation of duties that refuses it.
func (w *Work) breaks(role string) (policy.Conflict, bool) {
	solid := w.State.solid()
	had := w.Bundle.Conflicts(solid)
	for _, c := range w.Bundle.Conflicts(append(solid, role)) {
		older := slices.ContainsFunc(had, func(o policy.Conflict) bool { return o.Name == c.Name && len(o.Roles) == len(c.Roles) })
		if c.OnConflict == "refuse" && !older {
			return c, true
		}
	}
	return policy.Conflict{}, false
}

// restore gives back what an end took, where the policy of today still allows it.
func (w *Work) restore() {
	former := w.State.Former
	w.State.Former = nil
	for _, a := range former {
		_, has := w.State.role(a.Role)
		over := !a.Expires.IsZero() && !w.at.Before(a.Expires)
		if _, breaks := w.breaks(a.Role); has || over || breaks || !w.mayHave(a.Role) {
			continue
		}
		a.Since, a.Case = w.at, w.caseID
		w.State.give(a)
		w.roleEvent(event.AccessGranted, a, reasonRestored)
	}
}

// separate takes at once what is only kept for a grace and breaks a separation of duties with what is had for good,
// and reports the conflicts that are left.
func (w *Work) separate() {
	for _, a := range slices.Clone(w.State.Roles) {
		if a.Grace.IsZero() {
			continue
		}
		if _, breaks := w.breaks(a.Role); breaks {
			w.revoke(a, classConflict)
		}
	}
	for _, c := range w.Bundle.Conflicts(w.State.LiveRoles()) {
		w.find("sod/"+c.Name, finding{class: classConflict,
			message: fmt.Sprintf("Roles %v together break the separation of duties %s.", c.Roles, c.Name)})
	}
}

// revokeAll takes every role at once, and withdraws what was asked for. What was requested and is not privileged is
// remembered, should the end be taken back.
func (w *Work) revokeAll(reason string) {
	for _, a := range slices.Clone(w.State.Roles) {
		w.revoke(a, reason)
		if info, _ := w.Bundle.Role(a.Role); a.Origin == Requested && !info.Privileged {
			a.Grace = time.Time{}
			w.State.Former = append(w.State.Former, a)
		}
	}
	for _, q := range slices.Clone(w.State.Requests) {
		w.withdraw(q, reason)
	}
}

// end takes the roles whose time is over.
func (w *Work) end() {
	for _, a := range slices.Clone(w.State.Roles) {
		switch {
		case !a.Expires.IsZero() && !w.at.Before(a.Expires):
			w.State.take(a.Role)
			w.roleEvent(event.AccessExpired, a, reasonDuration)
		case !a.Grace.IsZero() && !w.at.Before(a.Grace):
			w.revoke(a, reasonGraceEnded)
		}
	}
}

// roleEvent records a transition of a role.
func (w *Work) roleEvent(kind event.Kind, a Assignment, reason string) *event.AccessEvent {
	info, _ := w.Bundle.Role(a.Role)
	return w.access(event.AccessEvent{Meta: event.Meta{Kind: kind, Role: a.Role, Outcome: outcomes[kind], Reason: reason},
		Privilege: info.Privileged, Until: a.until(), RequestID: a.RequestID})
}

var outcomes = map[event.Kind]string{event.AccessGranted: "granted", event.AccessExtended: "granted", event.AccessGraceStarted: "grace",
	event.AccessRevoked: "revoked", event.AccessExpired: "expired"}

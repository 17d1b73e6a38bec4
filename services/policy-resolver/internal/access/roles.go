package access

import (
	"cmp"
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
	reasonJobEnded   = "job_ended"   // one of several employments, which alone gave it
	reasonMaxTerm    = "max_term"    // a contract lasts no longer, by policy
	reasonMerged     = "merged"      // the identity turned out to be another one, which has what the person has
)

// decideRoles makes the roles what follows from the person and the policy.
func (w *Work) decideRoles() {
	s := &w.State
	s.Ahead = ""
	switch w.standing() {
	case gone:
		w.revokeAll(w.ended())
		return
	case held:
		w.revokeAll(reasonEmergency)
		return
	case ahead:
		s.Ahead = w.caseID
		w.revokeAll(reasonNotStarted)
		return
	}
	w.findTerms()
	jobs := w.jobs()
	rights, err := w.rights(jobs)
	if err != nil { // what is had stays, until the rule can be decided
		w.find("birthright", finding{class: classInvalid, blocks: true, message: err.Error()})
		return
	}
	lost := w.keep(rights, jobs)
	w.gain(rights)
	if len(jobs) > 0 {
		w.restore()
	}
	w.letGo(lost)
	w.separate()
}

// ended is why somebody who is not here any more is not.
func (w *Work) ended() string {
	p := w.State.Person
	switch {
	case p != nil && p.MergedInto != "":
		return reasonMerged
	case p != nil && p.Status != event.StatusEnded:
		return reasonMaxTerm
	}
	return reasonEnded
}

// findTerms finds contracts without an end date, or with one too late.
func (w *Work) findTerms() {
	for _, job := range employments(*w.State.Person) {
		if w.stands(job) != present {
			continue
		}
		if limit := w.limit(job); !limit.IsZero() && job.End.After(limit) {
			w.find("max-term", finding{class: classInvalid, message: "The contract is longer than policy allows: access ends " + limit.UTC().Format(time.DateOnly) + "."})
		}
		if w.lacksEnd(job) {
			w.find("contract-end", finding{class: classQuarantined, refused: true, message: "A contractor needs an end date before access is given."})
		}
	}
}

// rights are the birthrights of all employments together, by role; the first that gives a role explains it.
func (w *Work) rights(jobs []event.Person) ([]policy.RoleDecision, error) {
	var out []policy.RoleDecision
	for _, job := range jobs {
		decided, err := w.Bundle.Birthright(w.input(job))
		if err != nil {
			return nil, fmt.Errorf("decide birthrights: %w", err)
		}
		for _, d := range decided {
			if d.Granted && !slices.ContainsFunc(out, func(o policy.RoleDecision) bool { return o.Role == d.Role }) {
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, func(a, b policy.RoleDecision) int { return cmp.Compare(a.Role, b.Role) })
	return out, nil
}

// keep goes through what the person has: what they are entitled to lives on. What they are not entitled to any more is
// in its grace from now on, and returned: letGo says what becomes of it once it is known what is new.
func (w *Work) keep(rights []policy.RoleDecision, jobs []event.Person) (lost []Assignment) {
	for _, a := range slices.Clone(w.State.Roles) {
		entitled := slices.ContainsFunc(rights, func(d policy.RoleDecision) bool { return d.Role == a.Role }) ||
			(a.Origin == Requested && w.mayHave(a.Role, jobs))
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
func (w *Work) mayHave(role string, jobs []event.Person) bool {
	return slices.ContainsFunc(jobs, func(job event.Person) bool {
		may, _, err := w.Bundle.MayRequest(role, w.input(job))
		return may || err != nil
	})
}

// grace is how long a role is kept that is being lost now. A change of policy takes at once, and so does the end of one of
// several employments.
func (w *Work) grace(role string) time.Duration {
	if w.by.kind == event.PolicyActivated || w.jobEnded() {
		return 0
	}
	return w.Bundle.Grace(role)
}

// letGo starts the grace of roles that are lost, or takes them at once: those without a grace, and those that break a
// separation of duties with what is had for good.
func (w *Work) letGo(lost []Assignment) {
	reason := reasonMoved
	switch {
	case w.by.kind == event.PolicyActivated:
		reason = reasonPolicy
	case w.jobEnded():
		reason = reasonJobEnded
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

// restore gives back what an end took, where the policy of today still allows it. What is privileged is asked for again.
func (w *Work) restore() {
	former := w.State.Former
	w.State.Former = nil
	for _, a := range former {
		_, has := w.State.role(a.Role)
		over := !a.Expires.IsZero() && !w.at.Before(a.Expires)
		if reason, _ := w.ineligible(a.Role, ""); has || over || reason != "" {
			continue
		}
		if info, _ := w.Bundle.Role(a.Role); info.Privileged {
			w.askBack(a, info)
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
		if w.State.waived(c.Name) {
			continue
		}
		w.find("sod/"+c.Name, finding{class: classConflict,
			message: fmt.Sprintf("Roles %v together break the separation of duties %s.", c.Roles, c.Name)})
	}
}

// revokeAll takes every role at once, and withdraws what was asked for. What was requested is remembered, should the end
// be taken back.
func (w *Work) revokeAll(reason string) {
	for _, a := range slices.Clone(w.State.Roles) {
		w.revoke(a, reason)
		if a.Origin == Requested {
			a.Grace, a.Waiver = time.Time{}, ""
			if info, _ := w.Bundle.Role(a.Role); info.Privileged {
				a.Proof = nil // it is not given on that again
			}
			w.State.Former = append(w.State.Former, a)
		}
	}
	for _, q := range slices.Clone(w.State.Requests) {
		if q.Role == "" {
			continue
		}
		if q.Actor == Actor { // it was asked for because of an end taken back, and will be again
			w.State.Former = append(w.State.Former, Assignment{Role: q.Role, Origin: Requested, Expires: expires(w.at, time.Duration(q.Duration)*time.Millisecond)})
		}
		w.withdraw(q, reason)
	}
}

// waived says whether somebody approved that the person breaks a separation of duties.
func (s State) waived(separation string) bool {
	return slices.ContainsFunc(s.Roles, func(a Assignment) bool { return a.Waiver == separation })
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

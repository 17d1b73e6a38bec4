package access

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// Actor is who decides, in evidence.
const Actor = "policy-resolver"

// Work is one decision about one person. Set the exported fields and call one of the methods, once.
type Work struct {
	State  State
	ID     event.IdentityID
	Bundle *policy.Bundle
	Dir    policy.Directory // who is whose manager, and who holds what: for approvers
	Cause  string           // id of the record that led here: event ids derive from it
	Now    time.Time

	by     trigger
	at     time.Time    // the moment decided about: Now, or when a timer was due
	caseID event.CaseID // that what follows belongs to; empty: none
	found  map[string]finding
	tasks  []task   // that are wanted, as of this review
	before []string // live roles at the start
	out    Decision
}

// Decision is what follows. Everything in it is committed together.
type Decision struct {
	State     State
	Events    []event.Transition // *event.AccessEvent and *event.CaseEvent, in order
	Desired   []*event.Desired
	Approvals []*event.ApprovalRequest
	Facts     []*event.Fact          // what ingest is told: an emergency, or its lift
	Handovers []*event.AccessRequest // accounts that go to another identity
	Released  []string               // targets of which nothing is said any more
	Members   *event.Membership      // nil: as before
	WakeAt    time.Time              // zero: no timer
}

// trigger is what made the work necessary.
type trigger struct {
	kind      event.Kind
	source    string
	reason    string
	causation string // event or record id
	effective time.Time
	known     time.Time
	before    *event.Person
	cause     event.CaseID // the case that scheduled this
}

// Opens says whether an identity event of the kind is about somebody's access.
func Opens(kind event.Kind) bool {
	switch kind {
	case event.DuplicateIgnored, event.StaleIgnored, event.Quarantined, event.SuspectAbsence, event.SignalObserved:
		return false
	}
	return strings.HasPrefix(string(kind), "identity.")
}

// Happened takes what happened to the person. e.Person is not nil and Opens(e.Kind) holds.
func (w Work) Happened(e event.IdentityEvent) Decision {
	w.begin(trigger{kind: e.Kind, source: e.Source, reason: e.Reason, causation: string(e.EventID), effective: e.EffectiveAt,
		known: e.KnownAt, before: e.Before}, w.Now)
	before, person := w.State.Person, e.Person.Clone()
	w.State.Person = &person
	if s, ok := w.Bundle.Source(e.Source); ok && s.Authority == config.AuthorityEmployment {
		w.State.Source = e.Source
	}
	w.open(event.CaseID(event.DeriveID("case", 0, string(e.EventID))), e.Changed)
	if e.Kind == event.Hire || e.Kind == event.Rehire {
		w.State.Former = nil // nothing is resurrected
		w.State.retire(w.Bundle.Lifecycle())
	}
	w.merge(e, before)
	w.review()
	return w.decide()
}

// Activation is the marker that made a policy the one in force.
type Activation struct {
	Event event.EventID // its policy.activated
	At    time.Time
}

// Republished decides again under a policy that has come into force. There is a case only if something follows.
func (w Work) Republished(a Activation) Decision {
	if w.State.Person == nil {
		return w.decide()
	}
	w.begin(trigger{kind: event.PolicyActivated, causation: string(a.Event), effective: a.At, known: a.At, before: w.State.Person}, w.Now)
	id := event.CaseID(event.DeriveID("case", 0, string(a.Event), string(w.ID)))
	w.open(id, nil)
	w.review()
	if len(w.out.Events) == 1 { // the case alone
		w.out.Events = nil
		w.State.Cases = slices.DeleteFunc(w.State.Cases, func(c Case) bool { return c.ID == id })
	}
	return w.decide()
}

// begin starts deciding because of by, as of at.
func (w *Work) begin(by trigger, at time.Time) {
	if w.found == nil { // the first of this call
		w.State = w.State.clone()
		w.before = w.State.LiveRoles()
	}
	w.by, w.at, w.found, w.tasks = by, at, map[string]finding{}, nil
}

// base is the moment graces and retentions count from: when the trigger took effect and was known, not the future.
func (w *Work) base() time.Time {
	at := later(w.by.effective, w.by.known)
	if at.IsZero() || at.After(w.at) {
		return w.at
	}
	return at
}

// review decides roles and accounts afresh, and who is asked about what is open.
func (w *Work) review() {
	w.decideRoles()
	w.level()
	w.dropLift()
	w.askAgain()
	w.remind()
	w.findOwnerless()
	w.findDoubles()
	w.settleTasks()
	w.settleFaults()
	w.State.Policy, w.State.Reviewed = w.Bundle.Hash(), w.at
}

func (w *Work) decide() Decision {
	if w.found == nil { // nothing was decided
		return Decision{State: w.State, WakeAt: w.wakeAt()}
	}
	w.settle()
	if live := w.State.LiveRoles(); !slices.Equal(live, w.before) {
		w.out.Members = &event.Membership{IdentityID: w.ID, Roles: live}
	}
	w.out.State, w.out.WakeAt = w.State, w.wakeAt()
	return w.out
}

func (w *Work) wakeAt() time.Time {
	d, _ := w.next()
	return d.at
}

// access records a transition of the person's access; what the caller sets on it counts, the rest is filled in.
func (w *Work) access(e event.AccessEvent) *event.AccessEvent {
	if e.EffectiveAt.IsZero() && w.by.effective.After(w.at) { // what is done about something to come holds from now on
		e.EffectiveAt = w.at
	}
	e.Meta = w.meta("ae", e.Meta)
	w.out.Events = append(w.out.Events, &e)
	return &e
}

func (w *Work) meta(prefix string, m event.Meta) event.Meta {
	m.EventID = event.EventID(event.DeriveID(prefix, len(w.out.Events), w.Cause, string(w.ID)))
	m.IdentityID, m.CaseID = w.ID, cmp.Or(m.CaseID, w.caseID)
	m.CausationID, m.Source = cmp.Or(m.CausationID, w.by.causation), cmp.Or(m.Source, w.by.source)
	m.Actor, m.Policy = cmp.Or(m.Actor, Actor), w.Bundle.Hash()
	if m.EffectiveAt.IsZero() {
		m.EffectiveAt = w.by.effective
	}
	if m.KnownAt.IsZero() {
		m.KnownAt = w.by.known
	}
	m.OccurredAt = w.Now
	return m
}

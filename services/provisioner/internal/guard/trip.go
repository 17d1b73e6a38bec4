package guard

import (
	"time"

	"joinery.internal/pkg/dualcontrol"
	"joinery.internal/pkg/event"
)

// Trip is a guard that holds work, as one partition knows it. Every partition takes every vote, for work of any may be
// held; one of them, Mine, tells.
//
//	tripped --vote of one--> tripped --vote alike of another--> released or cancelled
//
// Invariant: Decision is set once, and then two of Votes are of its kind, by different people.
type Trip struct {
	ID        string            `json:"i"`
	Mine      bool              `json:"m,omitempty"` // this partition told of the trip, and tells what becomes of it
	Guard     string            `json:"g,omitempty"` // empty: no work of this partition is held, only votes were seen
	Target    string            `json:"t,omitempty"` // if it is of one target
	Policy    string            `json:"p,omitempty"`
	At        time.Time         `json:"a,omitzero"`
	Votes     dualcontrol.Votes `json:"v,omitempty"`
	Decision  event.GuardAct    `json:"d,omitempty"` // empty: it holds
	DecidedAt time.Time         `json:"da,omitzero"`
}

// Tripped tells that a guard has begun to hold.
func (t Trip) Tripped(message string) []event.ProvisionEvent {
	e := t.event(event.GuardTripped, "tripped", message, t.At)
	opened := t.event(event.ExceptionOpened, "open", message, t.At)
	opened.CausationID = string(e.EventID)
	return []event.ProvisionEvent{e, opened}
}

// Take takes a person's release or cancellation; cause is the record it came in. The outcome of a guard.voted is what
// became of it.
func (t Trip) Take(c event.GuardCommand, cause string, now time.Time) (Trip, []event.ProvisionEvent) {
	var outcome string
	t.Votes, outcome = t.Votes.Take(t.Decision != "", dualcontrol.Vote{Kind: c.Kind, Actor: c.Actor})
	if outcome == dualcontrol.Decisive {
		t.Decision, t.DecidedAt = c.Kind, now
	}
	if !t.Mine {
		return t, nil
	}
	vote := t.event(event.GuardVoted, outcome, string(c.Kind)+": "+c.Reason, now)
	vote.EventID = event.EventID(event.DeriveID("ge", 0, cause))
	vote.Actor, vote.CausationID = string(c.Actor), c.ID
	events := []event.ProvisionEvent{vote}
	if outcome == dualcontrol.Decisive {
		events = append(events, t.decided(c, string(vote.EventID))...)
	}
	return t, events
}

// Withdrawn ends a trip for what it holds is gone.
func (t Trip) Withdrawn(c event.GuardCommand, cause string, now time.Time) (Trip, []event.ProvisionEvent) {
	t.Decision, t.DecidedAt = event.GuardCancel, now
	c.Kind = event.GuardCancel
	return t, t.decided(c, cause)
}

func (t Trip) decided(c event.GuardCommand, cause string) []event.ProvisionEvent {
	kind, outcome, resolution := event.GuardReleased, "released", "release"
	if c.Kind == event.GuardCancel {
		kind, outcome, resolution = event.GuardCancelled, "cancelled", "person"
	}
	e := t.event(kind, outcome, c.Reason, t.DecidedAt)
	e.EventID, e.Actor, e.CausationID = t.DecisionEvent(), string(c.Actor), cause
	resolved := t.event(event.ExceptionResolved, "resolved", "", t.DecidedAt)
	resolved.Actor, resolved.CausationID, resolved.Resolution = string(c.Actor), string(e.EventID), resolution
	return []event.ProvisionEvent{e, resolved}
}

// DecisionEvent is the id of the guard.released or guard.cancelled, whichever partition tells it.
func (t Trip) DecisionEvent() event.EventID {
	return event.EventID(event.DeriveID("ge", 0, t.ID, "decided"))
}

func (t Trip) event(kind event.Kind, outcome, message string, now time.Time) event.ProvisionEvent {
	return event.ProvisionEvent{Meta: event.Meta{EventID: event.EventID(event.DeriveID("ge", 0, t.ID, string(kind))), Kind: kind, Target: t.Target,
		Actor: "provisioner", Outcome: outcome, Reason: t.Guard, Message: message, Policy: t.Policy, EffectiveAt: now, KnownAt: now, OccurredAt: now},
		Exception: event.Exception{ExceptionID: t.ID, Class: "held", OpenedAt: t.At}}
}

package event

import (
	"errors"
	"time"
)

// Meta is what every transition carries, and the evidence columns of the same names (design: contract.md).
// Text that does not apply is empty. Times are UTC, in milliseconds; the zero time means "not applicable".
//
// Invariants, checked by Valid:
//  1. EventID and Kind are never empty.
//  2. OccurredAt is never zero.
type Meta struct {
	EventID     EventID    `avro:"event_id"`
	Kind        Kind       `avro:"kind"`
	IdentityID  IdentityID `avro:"identity_id"`
	CaseID      CaseID     `avro:"case_id"`
	CausationID string     `avro:"causation_id"` // the event or record that caused this one
	Source      string     `avro:"source"`
	Target      string     `avro:"target"`
	Account     string     `avro:"account"`
	Role        string     `avro:"role"`
	Entitlement string     `avro:"entitlement"`
	Actor       string     `avro:"actor"` // a person's identity id, or the service that decided
	Outcome     string     `avro:"outcome"`
	Reason      string     `avro:"reason"`  // a closed set per kind: what metrics and SQL group by
	Message     string     `avro:"message"` // one sentence for people; no personal data
	Policy      string     `avro:"policy"`  // bundle hash the decision rests on
	Attempt     int        `avro:"attempt"`
	EffectiveAt time.Time  `avro:"effective_at,omitzero"` // when it holds
	KnownAt     time.Time  `avro:"known_at,omitzero"`     // when we learnt it
	OccurredAt  time.Time  `avro:"occurred_at"`           // when the service acted
}

// EventMeta gives the runtime and the sink the common part of any transition.
func (m *Meta) EventMeta() *Meta { return m }

// Valid reports the first broken invariant.
func (m *Meta) Valid() error {
	switch {
	case m.EventID == "" || m.Kind == "":
		return errors.New("transition without event_id or kind")
	case m.OccurredAt.IsZero():
		return errors.New("transition without occurred_at")
	}
	return nil
}

// Transition is any record of an event topic.
type Transition interface{ EventMeta() *Meta }

// Exception is carried by transitions of kind exception.opened and exception.resolved: something a person may have
// to look at, until it is resolved. On guard.* events and on what a guard holds ExceptionID names the trip. Elsewhere
// only Class may be set, for the class of an error.
type Exception struct {
	ExceptionID string    `avro:"exception_id"`
	Class       string    `avro:"class"`      // dead_letter, retry_exhausted, denied, invalid, sod_conflict, held, drift, quarantined, approval_expired
	Resolution  string    `avro:"resolution"` // of exception.resolved: retry, replay, reconcile, release, person
	OpenedAt    time.Time `avro:"opened_at,omitzero"`
}

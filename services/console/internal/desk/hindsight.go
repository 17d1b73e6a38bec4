package desk

import (
	"cmp"
	"context"
	"slices"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// PastEvent is an identity event as the evidence has it.
type PastEvent struct {
	ID          event.EventID
	Kind        string
	Source      string
	Reason      string
	EffectiveAt time.Time
	OccurredAt  time.Time
	Person      event.Person // after it
}

// LookingBack asks what another policy would have decided of what has happened.
type LookingBack struct {
	Files []config.File
	Base  []config.File // compared with; none: the policy in force
	Since time.Time
}

// Hindsight is the answer. Nothing was changed.
type Hindsight struct {
	Events   int             `json:"events" doc:"since then"`
	Affected int             `json:"affected"`
	Items    []RevisitedFact `json:"items" doc:"those decided otherwise, oldest first"`
	Roles    []SimulatedRole `json:"roles" doc:"how often gained and lost, by role"`
}

// RevisitedFact is an event that the policy decides otherwise.
type RevisitedFact struct {
	ID     event.EventID `json:"id"`
	Kind   string        `json:"kind"`
	At     time.Time     `json:"at"`
	Person Named         `json:"person"`
	Gains  []string      `json:"gains" doc:"roles by birthright that the other policy does not give"`
	Loses  []string      `json:"loses"`
	Keeps  []string      `json:"keeps" doc:"roles that are kept for another time"`
	Fault  string        `json:"fault,omitempty" doc:"why it could not be decided"`
}

// LookBack decides every event since a time by another policy, as if it had been in force. Each is decided by itself: what
// the other policy would have given before does not count.
func (d *Desk) LookBack(ctx context.Context, q LookingBack) (Hindsight, error) {
	next, err := d.compiled(q.Files)
	if err != nil {
		return Hindsight{}, err
	}
	base, err := d.compared(q.Base)
	if err != nil {
		return Hindsight{}, err
	}
	out := Hindsight{Items: []RevisitedFact{}}
	roles := tally{}
	var before *event.Person
	err = d.Archive.Past(ctx, q.Since, func(e PastEvent) error {
		if before != nil && before.ID != e.Person.ID {
			before = nil
		}
		in := policy.Input{Person: e.Person, Before: before, Now: e.OccurredAt, Event: policy.EventInfo{Kind: e.Kind, Source: e.Source, Reason: e.Reason, EffectiveAt: e.EffectiveAt}}
		before = &e.Person
		if e.OccurredAt.Before(q.Since) {
			return nil
		}
		out.Events++
		turn, err := policy.Revisit(base, next, in)
		if err == nil && turn.Nothing() {
			return nil
		}
		f := RevisitedFact{ID: e.ID, Kind: e.Kind, At: e.OccurredAt, Person: d.named(e.Person.ID), Gains: some(turn.Gains), Loses: some(turn.Loses), Keeps: some(turn.Keeps)}
		if err != nil {
			f.Fault = err.Error()
		}
		roles.count(turn.Gains, turn.Loses)
		out.Items = append(out.Items, f)
		return nil
	})
	if err != nil {
		return Hindsight{}, unavailable("read the events from the evidence", err)
	}
	slices.SortStableFunc(out.Items, func(a, b RevisitedFact) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	out.Affected, out.Roles = len(out.Items), roles.sorted()
	return out, nil
}

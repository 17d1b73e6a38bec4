// Package history answers what was known of a person at one time about another, from the evidence alone.
//
// Two times make a question: at, the moment asked about, and known, the moment whose knowledge counts. Where both are the
// same the answer is what the pipeline held then; where known is later, what was learnt meanwhile about that moment counts
// too; where at is later, what was known to come has come.
//
// It owns that fold. It does not own how rows are read (archive). Pure.
//
//	person, ok := history.AsOf(events, at, known)
package history

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"joinery.internal/pkg/event"
)

// Event is an identity event as the evidence has it.
type Event struct {
	EffectiveAt, KnownAt, OccurredAt time.Time
	Changed                          []string // names of the attributes that differ
	Person                           json.RawMessage
}

// AsOf folds events, in the order they were decided. ok is false where nobody was known.
//
//	decided by at                          the person is as it says
//	decided later, about at or before      of the person, what it changed
//	decided later, about what comes after  nothing
func AsOf(events []Event, at, known time.Time) (p event.Person, ok bool, err error) {
	var state map[string]json.RawMessage
	for _, e := range events {
		if e.KnownAt.After(known) {
			continue
		}
		fields := map[string]json.RawMessage{}
		if err := json.Unmarshal(e.Person, &fields); err != nil {
			return p, false, fmt.Errorf("read the person of an identity event: %w", err)
		}
		switch {
		case !e.OccurredAt.After(at) || state == nil && !e.EffectiveAt.After(at):
			state = fields
		case !e.EffectiveAt.After(at):
			if err := overlay(state, fields, e.Changed); err != nil {
				return p, false, err
			}
		}
	}
	if state == nil {
		return p, false, nil
	}
	b, err := json.Marshal(state)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return p, false, fmt.Errorf("put a person together: %w", err)
	}
	p.Status = standing(p, at)
	return p, true, nil
}

// always are fields that every event speaks of.
var always = []string{"status", "start", "end", "emergency", "merged_into", "spells"}

const attributes = "attributes"

// overlay takes over what an event changed.
func overlay(state, from map[string]json.RawMessage, changed []string) error {
	for _, name := range append(append([]string{}, always...), changed...) {
		attribute, nested := strings.CutPrefix(name, attributes+".")
		if !nested {
			take(state, from, name)
			continue
		}
		was, is := map[string]json.RawMessage{}, map[string]json.RawMessage{}
		for _, side := range []struct {
			raw  json.RawMessage
			into *map[string]json.RawMessage
		}{{state[attributes], &was}, {from[attributes], &is}} {
			if len(side.raw) == 0 || string(side.raw) == "null" {
				continue
			}
			if err := json.Unmarshal(side.raw, side.into); err != nil {
				return fmt.Errorf("read the attributes of an identity event: %w", err)
			}
		}
		take(was, is, attribute)
		b, err := json.Marshal(was)
		if err != nil {
			return fmt.Errorf("write attributes: %w", err)
		}
		state[attributes] = b
	}
	return nil
}

func take(state, from map[string]json.RawMessage, name string) {
	if v, there := from[name]; there {
		state[name] = v
	} else {
		delete(state, name)
	}
}

// standing is the status once the dates that were known have come.
func standing(p event.Person, at time.Time) event.Status {
	switch {
	case p.Status == event.StatusEnded || !p.End.IsZero() && !at.Before(p.End):
		return event.StatusEnded
	case at.Before(p.Start):
		return event.StatusPrehire
	case p.Status == event.StatusPrehire:
		return event.StatusActive
	}
	return p.Status
}

package app

import (
	"errors"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/ingest/internal/calendar"
	"joinery.internal/services/ingest/internal/lifecycle"
)

// person is the state of one identity.
type person struct {
	lifecycle.State
	Timer int64 `json:"t,omitempty"` // as set, Unix milliseconds
}

var people = stream.NewTable[person]("person")

// Ingest turns facts into lifecycle events. One timer per person, keyed by the identity id, stands for the next
// moment at which they may come to differ.
func Ingest() stream.Topology {
	in := ingester{lifecycle.New(calendar.NewZones())}
	return stream.Topology{
		Name:    "ingest",
		Inputs:  []stream.Input{{Topic: event.IdentityFacts, Handle: in.handle}},
		Outputs: []stream.Output{{Topic: event.IdentityEvents}, {Topic: event.IdentityDirectory}},
		Timer:   in.timer,
	}
}

type ingester struct{ model lifecycle.Model }

func (in ingester) handle(tx *stream.Tx, r stream.Record) error {
	f, err := stream.Decode[event.Fact](tx, r)
	if err != nil {
		return err
	}
	if r.Key == "" || r.Key != string(f.IdentityID) {
		return stream.Poison("key", errors.New("the record key is not the identity_id of the fact"))
	}
	p, _ := people.Get(tx, r.Key)
	in.apply(tx, r.Key, p.Timer, in.model.Decide(p.State, f, r.ID(), tx.Now()))
	return nil
}

func (in ingester) timer(tx *stream.Tx, key string) error {
	p, ok := people.Get(tx, key)
	if !ok {
		return nil
	}
	in.apply(tx, key, 0, in.model.Due(p.State, event.IdentityID(key), tx.Cause().ID(), tx.Now()))
	return nil
}

// apply stages a decision. The timer in place is set anew only if it moves: most facts do not move it.
func (in ingester) apply(tx *stream.Tx, key string, timer int64, d lifecycle.Decision) {
	next := person{State: d.State}
	if !d.Next.IsZero() {
		next.Timer = d.Next.UnixMilli()
	}
	switch {
	case next.Timer == timer:
	case next.Timer == 0:
		tx.ClearTimer(key)
	default:
		tx.SetTimer(key, time.UnixMilli(next.Timer))
	}
	people.Put(tx, key, next)
	for _, e := range d.Events {
		tx.Emit(event.IdentityEvents, key, e)
	}
	if d.Entry != nil {
		tx.Emit(event.IdentityDirectory, key, *d.Entry)
	}
}

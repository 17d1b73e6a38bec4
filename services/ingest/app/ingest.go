package app

import (
	"encoding/binary"
	"errors"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/ingest/internal/calendar"
	"joinery.internal/services/ingest/internal/lifecycle"
)

// person is the state of one identity.
type person struct {
	facts lifecycle.State
	timer int64 // as set, Unix milliseconds; 0: none
}

// AppendBinary implements encoding.BinaryAppender.
func (p person) AppendBinary(b []byte) ([]byte, error) {
	return p.facts.AppendBinary(binary.AppendVarint(b, p.timer))
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (p *person) UnmarshalBinary(b []byte) error {
	timer, n := binary.Varint(b)
	if n <= 0 {
		return lifecycle.ErrUnreadable
	}
	p.timer = timer
	return p.facts.UnmarshalBinary(b[n:])
}

var people = stream.NewTable[person]("person")

// Ingest turns facts into lifecycle events. It is its own writer too: what is said of an identity that was merged into
// another, or split off, is sent on. One timer per person, keyed by the identity id, stands for the next
// moment at which they may come to differ.
func Ingest() stream.Topology {
	in := ingester{lifecycle.New(calendar.NewZones())}
	return stream.Topology{
		Name:   ingestName,
		Inputs: []stream.Input{{Topic: event.UrgentFacts, Handle: in.handle, Urgent: true}, {Topic: event.IdentityFacts, Handle: in.handle}},
		Outputs: []stream.Output{{Topic: event.IdentityEvents}, {Topic: event.IdentityDirectory},
			{Topic: event.IdentityFacts, Rekey: true}, {Topic: event.UrgentFacts, Rekey: true}},
		Timer: in.timer,
	}
}

const ingestName = "ingest"

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
	d, err := in.model.Decide(p.facts, f, r.ID(), tx.Now())
	if err != nil {
		return stream.Poison("invalid", err)
	}
	in.apply(tx, r.Key, p.timer, d)
	return nil
}

func (in ingester) timer(tx *stream.Tx, key string) error {
	p, ok := people.Get(tx, key)
	if !ok {
		return nil
	}
	in.apply(tx, key, 0, in.model.Due(p.facts, event.IdentityID(key), tx.Cause().ID(), tx.Now()))
	return nil
}

// apply stages a decision. The timer in place is set anew only if it moves: most facts do not move it.
func (in ingester) apply(tx *stream.Tx, key string, timer int64, d lifecycle.Decision) {
	next := person{facts: d.State}
	if !d.Next.IsZero() {
		next.timer = d.Next.UnixMilli()
	}
	switch {
	case next.timer == timer:
	case next.timer == 0:
		tx.ClearTimer(key)
	default:
		tx.SetTimer(key, time.UnixMilli(next.timer))
	}
	people.Put(tx, key, next)
	for _, e := range d.Events {
		tx.Emit(event.IdentityEvents, key, e)
	}
	for _, f := range d.Forward {
		emit(tx, f, f.Record.Overtakes())
	}
	if d.Entry != nil {
		tx.Emit(event.IdentityDirectory, key, *d.Entry)
	}
}

package app

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"joinery.internal/pkg/bundle/compiled"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/policy-resolver/internal/access"
)

// partition is which policy is in force, what waits for one, and how far the population has been gone through.
//
//	no policy --records wait--> activated --chunk by chunk--> nothing waits
//	policy A ------------------ activated --chunk by chunk--> everybody decided by policy B
type partition struct {
	Hash   string            `json:"h,omitempty"` // bundle in force; empty: none yet
	By     access.Activation `json:"b,omitzero"`
	Parked span              `json:"p,omitzero"` // records that wait for a policy
	Sweep  span              `json:"s,omitzero"` // chunks of people to be decided again
}

// span is a queue of numbered entries [First, Next).
type span struct {
	First int64 `json:"f,omitempty"`
	Next  int64 `json:"n,omitempty"`
}

func (s span) empty() bool { return s.First == s.Next }

// parked is a record that came before any policy.
type parked struct {
	Topic  event.Topic `json:"t"`
	Offset int64       `json:"o"`
	Key    string      `json:"k"`
	Value  []byte      `json:"v"`
}

var (
	people     = stream.NewTable[access.State]("person")
	partitions = stream.NewTable[partition]("partition")
	waiting    = stream.NewTable[parked]("parked")
	chunks     = stream.NewTable[[]event.IdentityID]("sweep")
)

const (
	perTick     = 200 // people decided again, or parked records handled, in one go
	timerSweep  = "sweep"
	timerParked = "parked"
	timerPerson = "person/"
	// retryAfter is when a timer is tried again while the policy in force cannot be used.
	retryAfter = time.Minute
)

func (s span) key() string { return fmt.Sprintf("%016d", s.First) }

func (s span) end() string { return fmt.Sprintf("%016d", s.Next) }

// activated switches the partition to a bundle.
func (r *resolver) activated(tx *stream.Tx, rec stream.Record) error {
	a, err := stream.Decode[event.PolicyActivation](tx, rec)
	if err != nil {
		return err
	}
	_, err = r.policies.Bundle(a.Hash)
	if errors.Is(err, compiled.ErrMissing) { // it was written before the marker, so it is on its way
		return fmt.Errorf("activate policy: %w: %w", stream.ErrNotReady, err)
	}
	if err != nil {
		return stream.Poison("invalid", err)
	}
	at := a.At
	if at.IsZero() || at.After(tx.Now()) {
		at = tx.Now()
	}
	e := &event.AccessEvent{Meta: event.Meta{EventID: event.EventID(event.DeriveID("ae", 0, rec.ID())), Kind: event.PolicyActivated, CausationID: rec.ID(),
		Actor: cmp.Or(a.Actor, access.Actor), Outcome: "activated", Message: a.Reason, Policy: a.Hash, EffectiveAt: at, KnownAt: at, OccurredAt: tx.Now()}}
	tx.Emit(event.AccessEvents, rec.Key, e)
	part, _ := partitions.Get(tx, "")
	before := part.Hash
	part.Hash, part.By = a.Hash, access.Activation{Event: e.EventID, At: at}
	if before != "" && before != a.Hash {
		part.Sweep = r.planSweep(tx, part)
	}
	if !part.Parked.empty() {
		tx.SetTimer(timerParked, tx.Now())
	}
	partitions.Put(tx, "", part)
	return nil
}

// planSweep lists the people of the partition in chunks; one that is not finished is started over.
func (r *resolver) planSweep(tx *stream.Tx, part partition) span {
	for ; !part.Sweep.empty(); part.Sweep.First++ {
		chunks.Delete(tx, part.Sweep.key())
	}
	var chunk []event.IdentityID
	flush := func() {
		if len(chunk) > 0 {
			chunks.Put(tx, part.Sweep.end(), chunk)
			part.Sweep.Next++
			chunk = nil
		}
	}
	for id, s := range people.All(tx) {
		if s.Person == nil || s.Policy == part.Hash {
			continue
		}
		if chunk = append(chunk, event.IdentityID(id)); len(chunk) == perTick {
			flush()
		}
	}
	flush()
	if !part.Sweep.empty() {
		tx.SetTimer(timerSweep, tx.Now())
	}
	return part.Sweep
}

// sweep decides one chunk of people again.
func (r *resolver) sweep(tx *stream.Tx) error {
	part, _ := partitions.Get(tx, "")
	bundle, err := r.inForce(part)
	if err != nil || bundle == nil || part.Sweep.empty() {
		return err
	}
	ids, _ := chunks.Get(tx, part.Sweep.key())
	for _, id := range ids {
		if s, known := people.Get(tx, string(id)); known && s.Policy != part.Hash {
			r.decide(tx, bundle, part.Hash+"/"+tx.Cause().ID(), id, func(w access.Work) access.Decision { return w.Republished(part.By) })
		}
	}
	chunks.Delete(tx, part.Sweep.key())
	part.Sweep.First++
	if !part.Sweep.empty() {
		tx.SetTimer(timerSweep, tx.Now())
	}
	partitions.Put(tx, "", part)
	return nil
}

// inForce is the policy of the partition; nil: there is none, or an earlier release took it and this one does not.
func (r *resolver) inForce(part partition) (*policy.Bundle, error) {
	if part.Hash == "" {
		return nil, nil
	}
	b, err := r.policies.Bundle(part.Hash)
	if errors.Is(err, compiled.ErrMissing) {
		return nil, fmt.Errorf("find policy in force: %w: %w", stream.ErrNotReady, err)
	}
	if err != nil {
		return nil, nil //nolint:nilerr // records wait for the next activation, which says what is wrong
	}
	return b, nil
}

// park keeps a record until there is a policy. A record that waits does not hold up the log: the activation that ends
// the wait comes in another topic of the same partition.
func (r *resolver) park(tx *stream.Tx, part partition, rec stream.Record) {
	waiting.Put(tx, part.Parked.end(), parked{rec.Topic, rec.Offset, rec.Key, rec.Value})
	part.Parked.Next++
	partitions.Put(tx, "", part)
}

// unpark handles the next records that waited, in the order they came.
func (r *resolver) unpark(tx *stream.Tx) error {
	part, _ := partitions.Get(tx, "")
	bundle, err := r.inForce(part)
	if err != nil || bundle == nil {
		return err
	}
	for range perTick {
		if part.Parked.empty() {
			break
		}
		p, _ := waiting.Get(tx, part.Parked.key())
		rec := stream.Record{Topic: p.Topic, Partition: tx.Partition(), Offset: p.Offset, Key: p.Key, Value: p.Value}
		id, decide, err := r.read(tx, rec)
		if err != nil {
			return fmt.Errorf("read a record that waited for a policy: %w", err)
		}
		if decide != nil {
			r.decide(tx, bundle, rec.ID(), id, decide)
		}
		waiting.Delete(tx, part.Parked.key())
		part.Parked.First++
	}
	if !part.Parked.empty() {
		tx.SetTimer(timerParked, tx.Now())
	}
	partitions.Put(tx, "", part)
	return nil
}

package app

import (
	"errors"
	"fmt"
	"strings"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/policy-resolver/internal/access"
)

// resolver adapts the core to the runtime.
type resolver struct {
	policies Policies
	dir      policy.Directory
	looked   map[int32]event.IdentityID // by partition: where revisit goes on
}

// decision is what a record asks of the core.
type decision func(access.Work) access.Decision

// take handles a record about a person, or lets it wait for a policy.
func (r *resolver) take(tx *stream.Tx, rec stream.Record) error {
	id, decide, err := r.read(tx, rec)
	if err != nil || decide == nil {
		return err
	}
	part, _ := partitions.Get(tx, "")
	bundle, err := r.inForce(part)
	if err != nil {
		return err
	}
	if bundle == nil || !part.Parked.empty() { // nothing overtakes what waits
		r.park(tx, part, rec)
		return nil
	}
	r.decide(tx, bundle, rec.ID(), id, decide)
	return nil
}

// read turns a record into what it asks; nil: nothing.
func (r *resolver) read(tx *stream.Tx, rec stream.Record) (event.IdentityID, decision, error) {
	switch rec.Topic {
	case event.IdentityEvents:
		return read(tx, rec, func(e event.IdentityEvent) (event.IdentityID, decision, error) {
			if !access.Opens(e.Kind) {
				return e.IdentityID, nil, nil
			}
			if e.Person == nil {
				return e.IdentityID, nil, stream.Poison("invalid", fmt.Errorf("%s %s says nothing of the person", e.Kind, e.EventID))
			}
			return e.IdentityID, func(w access.Work) access.Decision { return w.Happened(e) }, nil
		})
	case event.AccessRequests:
		return read(tx, rec, func(q event.AccessRequest) (event.IdentityID, decision, error) {
			if string(q.IdentityID) != rec.Key { // another partition would have to decide
				return q.IdentityID, nil, stream.Poison("key", fmt.Errorf("request %s is keyed %q: the key must be its identity_id", q.ID, rec.Key))
			}
			ofRole := q.Kind != event.RequestEmergency && q.Kind != event.RequestLift && q.Kind != event.RequestAdopt
			if q.ID == "" || ofRole && q.Role == "" {
				return q.IdentityID, nil, stream.Poison("invalid", errors.New("an access request needs an id and a role"))
			}
			if q.Kind == event.RequestAdopt {
				return q.IdentityID, func(w access.Work) access.Decision { return w.Adopted(q) }, nil
			}
			return q.IdentityID, func(w access.Work) access.Decision { return w.Asked(q) }, nil
		})
	case event.ApprovalEvents:
		return read(tx, rec, func(e event.ApprovalEvent) (event.IdentityID, decision, error) {
			return e.IdentityID, func(w access.Work) access.Decision { return w.Answered(e) }, nil
		})
	default:
		return read(tx, rec, func(e event.ProvisionEvent) (event.IdentityID, decision, error) {
			if e.Kind == event.ProvisionIntended {
				return e.IdentityID, nil, nil
			}
			return e.IdentityID, func(w access.Work) access.Decision { return w.Provisioned(e) }, nil
		})
	}
}

func read[T any](tx *stream.Tx, rec stream.Record, means func(T) (event.IdentityID, decision, error)) (event.IdentityID, decision, error) {
	v, err := stream.Decode[T](tx, rec)
	if err != nil {
		return "", nil, err
	}
	return means(v)
}

// decide makes one decision about one person and stages what follows.
func (r *resolver) decide(tx *stream.Tx, bundle *policy.Bundle, cause string, id event.IdentityID, decide decision) {
	state, _ := people.Get(tx, string(id))
	r.stage(tx, id, state.Asking(), decide(access.Work{State: state, ID: id, Bundle: bundle, Dir: r.dir, Cause: cause, Now: tx.Now()}))
}

// stage stages what follows from a decision; asking says whether something of that person waited before.
func (r *resolver) stage(tx *stream.Tx, id event.IdentityID, asking bool, d access.Decision) {
	key := string(id)
	for _, e := range d.Events {
		switch e := e.(type) {
		case *event.CaseEvent:
			tx.Emit(event.CaseEvents, key, e)
		case *event.AccessEvent:
			tx.Emit(event.AccessEvents, key, e)
		}
	}
	for _, q := range d.Approvals {
		tx.Emit(event.ApprovalRequests, key, q)
	}
	for _, f := range d.Facts {
		tx.Emit(event.UrgentFacts, key, f)
	}
	for _, q := range d.Handovers {
		tx.Emit(event.AccessRequests, string(q.IdentityID), q)
	}
	for _, target := range d.Released {
		tx.Emit(event.AccessDesired, key+"|"+target, nil)
	}
	for _, want := range d.Desired {
		tx.Emit(event.AccessDesired, key+"|"+want.Target, want)
	}
	if d.Members != nil {
		tx.Emit(event.AccessMembers, key, d.Members)
	}
	if d.State.Person != nil || len(d.State.Asked) > 0 || len(d.State.Merging.Arrived) > 0 {
		people.Put(tx, key, d.State)
	}
	if after := d.State.Asking(); after != asking {
		r.noteOpen(tx, id, after)
	}
	if d.WakeAt.IsZero() {
		tx.ClearTimer(timerPerson + key)
		return
	}
	tx.SetTimer(timerPerson+key, d.WakeAt)
}

// timer does what has come due.
func (r *resolver) timer(tx *stream.Tx, key string) error {
	switch key {
	case timerSweep:
		return r.sweep(tx)
	case timerParked:
		return r.unpark(tx)
	}
	part, _ := partitions.Get(tx, "")
	bundle, err := r.inForce(part)
	if err != nil {
		return err
	}
	if bundle == nil {
		tx.SetTimer(key, tx.Now().Add(retryAfter))
		return nil
	}
	id := strings.TrimPrefix(key, timerPerson)
	r.decide(tx, bundle, tx.Cause().ID()+"/"+id, event.IdentityID(id), func(w access.Work) access.Decision { return w.Due() })
	return nil
}

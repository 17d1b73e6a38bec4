package app

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/guard"
	"joinery.internal/services/provisioner/internal/shell/desk"
)

var (
	trips = stream.NewTable[guard.Trip]("trip") // by id: guards that hold, and what people said of them
	held  = stream.NewTable[string]("held")     // by account.Key: the trip that holds the account
)

const tripTimer = "trip/"

// tripKept is how long what people decided is kept: work that was under way may come to be held after they did, and the
// windows of guards end within it.
const tripKept = 30 * 24 * time.Hour

// decided tells the desk that a guard holds no more.
type decided struct{ trip string }

// command takes what people do about held work. Every partition takes it: work of any may be held, or come to be.
func (p provisioner) command(tx *stream.Tx, r stream.Record) error {
	c, err := stream.Decode[event.GuardCommand](tx, r)
	if err != nil {
		return err
	}
	if c.ID == "" || c.Actor == "" || strings.TrimSpace(c.Reason) == "" {
		return stream.Poison("invalid", errors.New("a guard command needs an id, an actor and a reason"))
	}
	if c.Kind == event.TargetPause || c.Kind == event.TargetResume {
		return p.halt(tx, c, r.ID())
	}
	if c.Kind == event.GuardTrip || c.Kind == event.GuardWithdraw {
		return p.file(tx, c, r.ID())
	}
	if _, ok := guard.ScopeOf(c.Hold); !ok || (c.Kind != event.GuardRelease && c.Kind != event.GuardCancel) {
		return stream.Poison("invalid", fmt.Errorf("guard command %s: kind %q of hold %q; release or cancel what a guard.tripped names as exception_id", c.ID, c.Kind, c.Hold))
	}
	before, _ := trips.Get(tx, c.Hold)
	before.ID = c.Hold
	t, events := before.Take(c, r.ID(), tx.Now())
	p.tell(tx, t, events)
	trips.Put(tx, t.ID, t)
	if t.Guard == "" || t.Decision != "" {
		tx.SetTimer(tripTimer+t.ID, tx.Now().Add(tripKept))
	}
	if before.Decision == "" && t.Decision != "" {
		tx.Effect(decided{t.ID})
		for key, trip := range held.All(tx) {
			if trip == t.ID {
				tx.SetTimer(accountTimer+key, tx.Now()) // a tick fires a bounded number of them
			}
		}
	}
	return nil
}

// file takes what an adapter tells of a file that it holds: a trip that holds no work here. The one partition that gets the
// record tells of it, and of what people say.
func (p provisioner) file(tx *stream.Tx, c event.GuardCommand, cause string) error {
	scope, ok := guard.ScopeOf(c.Hold)
	if !ok {
		return stream.Poison("invalid", fmt.Errorf("guard command %s: hold %q names no guard", c.ID, c.Hold))
	}
	t, _ := trips.Get(tx, c.Hold)
	switch {
	case c.Kind == event.GuardTrip && t.Guard == "":
		t.ID, t.Mine, t.At = c.Hold, true, tx.Now()
		t.Guard, _, _ = strings.Cut(string(scope), ":")
		p.tell(tx, t, t.Tripped(c.Reason))
		tx.ClearTimer(tripTimer + t.ID)
	case c.Kind == event.GuardWithdraw && t.Guard != "" && t.Decision == "":
		var events []event.ProvisionEvent
		t, events = t.Withdrawn(c, cause, tx.Now())
		p.tell(tx, t, events)
		tx.SetTimer(tripTimer+t.ID, tx.Now().Add(tripKept))
	default:
		return nil
	}
	trips.Put(tx, t.ID, t)
	return nil
}

func (p provisioner) tell(tx *stream.Tx, t guard.Trip, events []event.ProvisionEvent) {
	for _, e := range events {
		tx.Emit(event.ProvisionEvents, t.ID, &e)
	}
}

// tripped notes the trip that holds a call. The first call that it holds tells of it.
func (p provisioner) tripped(tx *stream.Tx, h account.Held) {
	t, _ := trips.Get(tx, h.Trip)
	if t.Guard != "" {
		return
	}
	t.ID, t.Mine, t.Guard, t.Target, t.Policy, t.At = h.Trip, h.First, h.Guard, h.Target, h.Policy, tx.Now()
	if t.Mine {
		p.tell(tx, t, t.Tripped(h.Message))
	}
	if t.Decision == "" {
		tx.ClearTimer(tripTimer + t.ID)
	}
	trips.Put(tx, t.ID, t)
}

// keepHeld lists the account among those that a guard holds, or takes it off the list. Work that comes to be held by a
// guard on which people have decided meanwhile goes the way they decided.
func (p provisioner) keepHeld(tx *stream.Tx, key string, s account.State) {
	if s.Wait != account.WaitHeld {
		held.Delete(tx, key)
		return
	}
	held.Put(tx, key, s.Hold)
	if t, _ := trips.Get(tx, s.Hold); t.Decision != "" {
		tx.SetTimer(accountTimer+key, tx.Now())
	}
}

// woken is the timer of an account.
func (p provisioner) woken(tx *stream.Tx, key string) {
	s, known := accounts.Get(tx, key)
	if !known {
		return
	}
	if s.Wait == account.WaitHeld {
		t, _ := trips.Get(tx, s.Hold)
		p.apply(tx, key, p.work(tx, s).Decided(t))
		return
	}
	p.apply(tx, key, p.work(tx, s).Woken())
}

// seat tells the desk what the guards have counted in the partition. It comes before any call of the partition.
func (p provisioner) seat(tx *stream.Tx) {
	seat := desk.Seat{Partition: tx.Partition(), Accounts: map[guard.Population]int{}, Counted: map[string][]guard.Count{}}
	since := map[guard.Scope]time.Time{} // counted before that: over
	for target := range pauses.All(tx) {
		seat.Paused = append(seat.Paused, target)
	}
	for id, t := range trips.All(tx) {
		scope, _ := guard.ScopeOf(id)
		switch {
		case t.Decision == "" && t.Guard != "":
			seat.Trips = append(seat.Trips, id)
		case t.DecidedAt.After(since[scope]):
			since[scope] = t.DecidedAt
		}
	}
	for key, s := range accounts.All(tx) {
		if s.Account != "" {
			seat.Accounts[guard.Population{Target: s.Want.Target, Source: s.Want.PersonSource}]++
		}
		for _, c := range s.Counted {
			if tx.Now().Before(c.Until) && c.At.After(since[c.Scope]) {
				seat.Counted[key] = append(seat.Counted[key], c)
			}
		}
	}
	tx.Effect(seat)
}

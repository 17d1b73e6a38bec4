package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/shell/desk"
)

// Name of the topology: its group, and the middle of its topics' names.
const Name = "provisioner"

var (
	accounts = stream.NewTable[account.State]("account") // by account.Key
	waiting  = stream.NewTable[waiter]("waiting")        // by account.Key: accounts that wait for their target
	holds    = stream.NewTable[hold]("hold")             // by target: it is asked every probeEvery whether it is back
)

// waiter is what is needed to choose whom to try first.
type waiter struct {
	Rank  int       `json:"r"`
	Tries int       `json:"t,omitempty"`
	Since time.Time `json:"s"`
}

// before orders waiters: those whose own calls have failed least, for they are not what is wrong; then by lane.
func (a waiter) before(b waiter) bool {
	switch {
	case a.Tries != b.Tries:
		return a.Tries < b.Tries
	case a.Rank != b.Rank:
		return a.Rank < b.Rank
	default:
		return a.Since.Before(b.Since)
	}
}

type hold struct {
	Since time.Time `json:"s"`
}

// probeEvery bounds how long after a target's return its work goes on.
const probeEvery = time.Second

// Timer keys.
const (
	accountTimer = "account/"
	targetTimer  = "target/"
)

// Desk makes the calls; desk.Desk is the real one.
type Desk interface {
	Do(ctx context.Context, c account.Call) (r account.Result, ok bool)
	Probe(ctx context.Context, target string) desk.Health
	Seat(ctx context.Context, s desk.Seat)
	Decided(trip string)
	Pause(target string, on bool)
	Overtake(target, key, intended string)
}

// probe asks for a target's health; probed is the answer.
type (
	probe  struct{ target string }
	probed struct {
		target string
		health desk.Health
	}
)

// overtaken tells the desk of a call that need not be made.
type overtaken struct{ key, intended string }

// Topology is the provisioner's processing:
//
//	desired, drift ---> account.Work ---> provision.intended + Call        (T1)
//	                                          Desk.Do                      (no transaction)
//	tick: result  ---> account.Work ---> outcome                           (T2)
//	tick: timer   ---> account.Work                                        (retries, alarms)
//	tick: timer   ---> probe ---> Desk.Probe ---> wake what waits for the target
//	command       ---> guard.Trip ---> wake what the guard holds
//	word on a ticket -> account.Work                                       (of targets that people change)
func Topology(instance string, d Desk) stream.Topology {
	p := provisioner{instance: instance}
	return stream.Topology{
		Name: Name,
		Inputs: []stream.Input{
			{Topic: event.AccessDesired, Handle: p.desired},
			{Topic: event.DriftEvents, Handle: p.drift},
			{Topic: event.GuardCommands, Handle: p.command, Entrance: true},
			{Topic: event.TicketCommands, Handle: p.ticket, Entrance: true},
		},
		Outputs:  []stream.Output{{Topic: event.ProvisionEvents}, {Topic: event.OpenTickets}},
		Timer:    p.timer,
		Perform:  func(ctx context.Context, effect any) any { return perform(ctx, d, effect) },
		Result:   p.result,
		Assigned: p.assigned,
	}
}

func perform(ctx context.Context, d Desk, effect any) any {
	switch e := effect.(type) {
	case account.Call:
		if r, ok := d.Do(ctx, e); ok {
			return r
		}
	case probe:
		return probed{e.target, d.Probe(ctx, e.target)}
	case desk.Seat:
		d.Seat(ctx, e)
	case decided:
		d.Decided(e.trip)
	case halted:
		d.Pause(e.target, e.on)
	case overtaken:
		d.Overtake(account.TargetOf(e.key), e.key, e.intended)
	}
	return nil
}

type provisioner struct{ instance string }

func (p provisioner) work(tx *stream.Tx, s account.State) account.Work {
	return account.Work{State: s, Cause: tx.Cause().ID(), Now: tx.Now(), Instance: p.instance}
}

func (p provisioner) desired(tx *stream.Tx, r stream.Record) error {
	if r.Value == nil { // nobody is there any more to want anything
		if s, _ := accounts.Get(tx, r.Key); s.Ticket() != nil {
			p.apply(tx, r.Key, p.work(tx, s).Dropped())
		}
		accounts.Delete(tx, r.Key)
		waiting.Delete(tx, r.Key)
		held.Delete(tx, r.Key)
		tx.ClearTimer(accountTimer + r.Key)
		return nil
	}
	d, err := stream.Decode[event.Desired](tx, r)
	if err != nil {
		return err
	}
	key := account.Key(d.IdentityID, d.Target)
	if key != r.Key || d.IdentityID == "" || d.Target == "" {
		return stream.Poison("key", fmt.Errorf("desired state of %q has the key %q; it must be identity_id|target", key, r.Key))
	}
	s, _ := accounts.Get(tx, key)
	p.apply(tx, key, p.work(tx, s).Wanted(d))
	return nil
}

// drift takes what the reconciler wants repaired; the rest of its topic is for others.
func (p provisioner) drift(tx *stream.Tx, r stream.Record) error {
	d, err := stream.Decode[event.DriftEvent](tx, r)
	if err != nil {
		return err
	}
	if d.Kind != event.DriftFound || (d.Action != "repair" && d.Action != "remove") {
		return nil
	}
	if d.Drift == "orphan" {
		if _, known := accounts.Get(tx, account.Key(d.IdentityID, d.Target)); known { // the sweep ran ahead of the desired state
			return nil
		}
		key := account.OrphanKey(d.Target, d.Account)
		s, _ := accounts.Get(tx, key)
		p.apply(tx, key, p.work(tx, s).Orphaned(d))
		return nil
	}
	key := account.Key(d.IdentityID, d.Target)
	if s, known := accounts.Get(tx, key); known {
		p.apply(tx, key, p.work(tx, s).Nudged(d))
	}
	return nil
}

func (p provisioner) timer(tx *stream.Tx, name string) error {
	if target, ok := strings.CutPrefix(name, targetTimer); ok {
		if _, held := holds.Get(tx, target); held {
			tx.Effect(probe{target})
		}
		return nil
	}
	if trip, ok := strings.CutPrefix(name, tripTimer); ok {
		trips.Delete(tx, trip)
		return nil
	}
	p.woken(tx, strings.TrimPrefix(name, accountTimer))
	return nil
}

func (p provisioner) result(tx *stream.Tx, result any) error {
	switch r := result.(type) {
	case account.Result:
		if r.Held != nil { // whatever has become of the account
			p.tripped(tx, *r.Held)
		}
		if s, known := accounts.Get(tx, r.Key); known {
			p.apply(tx, r.Key, p.work(tx, s).Answered(r))
		}
	case probed:
		p.probed(tx, r)
	}
	return nil
}

// assigned makes again the calls whose outcome is not known, asks again after targets that are down (the probe under way
// is lost), and gives what is parked another chance.
func (p provisioner) assigned(tx *stream.Tx) error {
	p.seat(tx)
	for target := range holds.All(tx) {
		tx.SetTimer(targetTimer+target, tx.Now().Add(probeEvery))
	}
	for key, s := range accounts.All(tx) {
		if c := account.Resumed(s); c != nil {
			s.Unsure = true // the call may have acted
			accounts.Put(tx, key, s)
			p.call(tx, *c)
			overtake(tx, key, s.Overtaken())
			continue
		}
		if s.Wait == account.WaitParked {
			p.apply(tx, key, p.work(tx, s).Reconsidered())
		}
	}
	return nil
}

// apply makes a decision part of the transaction.
func (p provisioner) apply(tx *stream.Tx, key string, d account.Decision) {
	for _, e := range d.Events {
		tx.Emit(event.ProvisionEvents, string(d.State.Want.IdentityID), &e)
	}
	if d.Forget {
		accounts.Delete(tx, key)
	} else {
		accounts.Put(tx, key, d.State)
	}
	if d.WakeAt.IsZero() {
		tx.ClearTimer(accountTimer + key)
	} else {
		tx.SetTimer(accountTimer+key, d.WakeAt)
	}
	showTicket(tx, key, d)
	p.keepWaiting(tx, key, d.State)
	p.keepHeld(tx, key, d.State)
	if d.Call != nil {
		p.call(tx, *d.Call)
	}
	overtake(tx, key, d.Overtaken)
}

func overtake(tx *stream.Tx, key, intended string) {
	if intended != "" {
		tx.Effect(overtaken{key, intended})
	}
}

func (p provisioner) call(tx *stream.Tx, c account.Call) {
	c.Partition = tx.Partition()
	tx.Effect(c)
}

// keepWaiting lists the account among those that wait for their target, or takes it off the list.
func (p provisioner) keepWaiting(tx *stream.Tx, key string, s account.State) {
	if s.Wait != account.WaitTarget {
		waiting.Delete(tx, key)
		return
	}
	waiting.Put(tx, key, waiter{Rank: account.Rank(s.Want.Lane), Tries: s.Tries, Since: s.Failing})
	if _, held := holds.Get(tx, s.Want.Target); !held {
		holds.Put(tx, s.Want.Target, hold{Since: tx.Now()})
		tx.SetTimer(targetTimer+s.Want.Target, tx.Now().Add(probeEvery))
	}
}

func (p provisioner) probed(tx *stream.Tx, r probed) {
	if _, held := holds.Get(tx, r.target); !held {
		return
	}
	if r.health == desk.Up {
		p.release(tx, r.target)
		return
	}
	first, any := firstWaiting(tx, r.target)
	if !any {
		p.drop(tx, r.target)
		return
	}
	if r.health == desk.Trial {
		s, _ := accounts.Get(tx, first)
		p.apply(tx, first, p.work(tx, s.Released(tx.Now())).Woken())
	}
	tx.SetTimer(targetTimer+r.target, tx.Now().Add(probeEvery))
}

// release wakes everything that waits for the target, by timers: a tick fires a bounded number of them.
func (p provisioner) release(tx *stream.Tx, target string) {
	for key := range waiting.All(tx) {
		if account.TargetOf(key) != target {
			continue
		}
		s, _ := accounts.Get(tx, key)
		accounts.Put(tx, key, s.Released(tx.Now()))
		waiting.Delete(tx, key)
		tx.SetTimer(accountTimer+key, tx.Now())
	}
	p.drop(tx, target)
}

func (p provisioner) drop(tx *stream.Tx, target string) {
	holds.Delete(tx, target)
	tx.ClearTimer(targetTimer + target)
}

func firstWaiting(tx *stream.Tx, target string) (first string, any bool) {
	var best waiter
	for key, w := range waiting.All(tx) {
		if account.TargetOf(key) == target && (!any || w.before(best)) {
			first, best, any = key, w, true
		}
	}
	return first, any
}

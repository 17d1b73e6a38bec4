package desk

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/guard"
)

// gate counts changes by the guards of the policy and holds what goes beyond; doc.go says how many may slip past.
//
// What was counted rests in the state of each account, and is given back by Seat when a partition is taken.
type gate struct {
	clock      stream.Clock
	rules      func() ([]guard.Rule, bool)
	partitions int

	mu      sync.Mutex
	seats   map[int32]*seated
	arrived chan struct{} // closed and replaced when a partition is seated
	changed time.Time     // when partitions last came or went
	windows map[guard.Scope]*window
	trips   map[guard.Scope][]string // that hold, oldest first
	paused  map[string]bool          // targets
}

// Seat is what a partition brings along when it is taken.
type Seat struct {
	Partition int32
	Accounts  map[guard.Population]int // that exist
	Counted   map[string][]guard.Count
	Trips     []string // that hold
	Paused    []string // targets that nothing is sent to
}

type seated struct{ accounts map[guard.Population]int }

// window is who was counted, in the order in which it ends.
type window struct {
	entries []entry
	in      map[string]bool // account keys
}

type entry struct {
	key       string
	partition int32
	until     time.Time
}

// settleGate is how long after partitions came or went no guard trips: the shares are still being dealt.
const settleGate = 2 * time.Second

func newGate(o Options) *gate {
	return &gate{clock: o.Clock, rules: o.Rules.Guards, partitions: max(1, o.Partitions), seats: map[int32]*seated{}, arrived: make(chan struct{}),
		windows: map[guard.Scope]*window{}, trips: map[guard.Scope][]string{}, paused: map[string]bool{}}
}

// Seat takes a partition into the count until ctx ends. No call of a partition is made before.
func (d *Desk) Seat(ctx context.Context, s Seat) {
	mine := d.gate.seat(s)
	d.share()
	context.AfterFunc(ctx, func() {
		d.gate.leave(s.Partition, mine)
		d.share()
	})
}

// share divides the limits of targets among instances by the partitions they have.
func (d *Desk) share() {
	share := d.gate.share()
	for _, t := range d.targets {
		t.pace.share(t.Rate * share)
		t.line.resize(max(1, int(math.Ceil(float64(t.Concurrency)*share))))
	}
}

// share is which part of the pipeline's partitions is seated here; all of it while none is.
func (g *gate) share() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.seats) == 0 {
		return 1
	}
	return min(1, float64(len(g.seats))/float64(g.partitions))
}

// Decided ends a trip: what follows is counted afresh.
func (d *Desk) Decided(trip string) { d.gate.decided(trip) }

// Pause has nothing sent to a target any more, or again.
func (d *Desk) Pause(target string, on bool) {
	d.gate.mu.Lock()
	defer d.gate.mu.Unlock()
	d.gate.paused[target] = on
}

func (g *gate) isPaused(target string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.paused[target]
}

func (g *gate) seat(s Seat) *seated {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, target := range s.Paused {
		g.paused[target] = true
	}
	g.remove(s.Partition)
	mine := &seated{accounts: s.Accounts}
	if mine.accounts == nil {
		mine.accounts = map[guard.Population]int{}
	}
	g.seats[s.Partition] = mine
	g.changed = g.clock.Now()
	for key, counts := range s.Counted {
		for _, c := range counts {
			g.window(c.Scope, g.changed).add(entry{key, s.Partition, c.Until})
		}
	}
	for _, trip := range s.Trips {
		if scope, ok := guard.ScopeOf(trip); ok && !slices.Contains(g.trips[scope], trip) {
			g.trips[scope] = append(g.trips[scope], trip)
		}
	}
	close(g.arrived)
	g.arrived = make(chan struct{})
	return mine
}

// leave forgets a partition, unless it has been taken again since.
func (g *gate) leave(partition int32, mine *seated) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seats[partition] == mine {
		g.remove(partition)
		g.changed = g.clock.Now()
	}
	if len(g.seats) == 0 { // what people decide from now on, nobody tells us: partitions bring it along
		clear(g.paused)
		clear(g.trips)
		clear(g.windows)
	}
}

func (g *gate) remove(partition int32) {
	delete(g.seats, partition)
	for _, w := range g.windows {
		w.entries = slices.DeleteFunc(w.entries, func(e entry) bool {
			if e.partition == partition {
				delete(w.in, e.key)
			}
			return e.partition == partition
		})
	}
}

// await blocks until the partition is seated; false: ctx ended first.
func (g *gate) await(ctx context.Context, partition int32) bool {
	for {
		g.mu.Lock()
		_, here := g.seats[partition]
		arrived := g.arrived
		g.mu.Unlock()
		if here {
			return true
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return false
		}
	}
}

// verdict is what the gate says of one change. Neither held nor wait: it may be made.
type verdict struct {
	counted []guard.Count
	held    *account.Held
	wait    time.Duration // ask again then
}

// ask is asked before every change.
func (g *gate) ask(c account.Call, op connector.Op) verdict {
	rules, known := g.rules()
	if !known && c.Want.Lane != event.LaneEmergency {
		return verdict{wait: settleGate}
	}
	item := ""
	if len(op.Want.Entitlements) > 0 && op.Verb != connector.Create {
		item = op.Want.Entitlements[0]
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.Now()
	var counted []guard.Count
	for _, r := range rules {
		if !r.Counts(c.Want.Lane, op.Verb) {
			continue
		}
		scope := r.Scope(c.Want.Target, c.Want.Source, item)
		if slices.Contains(c.Passed, scope) {
			continue
		}
		w := g.window(scope, now)
		if w.in[c.Key] { // a call is not cut in its middle, nor its next try
			continue
		}
		if open := g.trips[scope]; len(open) > 0 {
			return verdict{held: hold(r, c, open[0], "held with others by guard "+r.Name)}
		}
		if limit := r.Limit(r.Base(g.populations, c.Want.Target, c.Want.Source), float64(len(g.seats))/float64(g.partitions)); len(w.entries) >= limit {
			if wait := g.changed.Add(settleGate).Sub(now); wait > 0 {
				return verdict{wait: wait}
			}
			return verdict{held: g.trip(r, c, scope, limit)}
		}
		counted = append(counted, guard.Count{Scope: scope, At: now, Until: now.Add(r.Window)})
	}
	for _, n := range counted {
		g.window(n.Scope, now).add(entry{c.Key, c.Partition, n.Until})
	}
	return verdict{counted: counted}
}

func (g *gate) trip(r guard.Rule, c account.Call, scope guard.Scope, limit int) *account.Held {
	id := guard.TripID(scope, c.Intent.Event+"/"+c.Key)
	g.trips[scope] = []string{id}
	h := hold(r, c, id, fmt.Sprintf("guard %s holds every further %s: %d accounts in %s are as many as it lets through", r.Name, r.Action, limit, r.Window))
	h.First = true
	return h
}

func hold(r guard.Rule, c account.Call, trip, message string) *account.Held {
	h := &account.Held{Trip: trip, Guard: r.Name, Policy: c.Want.Policy, Message: message}
	if r.PerTarget() {
		h.Target = c.Want.Target
	}
	return h
}

func (g *gate) decided(trip string) {
	scope, ok := guard.ScopeOf(trip)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.trips[scope], trip) { // each partition says so
		return
	}
	g.trips[scope] = slices.DeleteFunc(g.trips[scope], func(t string) bool { return t == trip })
	if len(g.trips[scope]) == 0 {
		delete(g.trips, scope)
		delete(g.windows, scope)
	}
}

// note keeps the number of accounts by what a call found or made. Who has come to another employer is counted there when
// the partition is seated next.
func (g *gate) note(c account.Call, r account.Result) {
	by := 0
	switch {
	case c.Account == "" && r.Account != "":
		by = 1
	case c.Account != "" && r.State == event.AccountAbsent:
		by = -1
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.seats[c.Partition]; s != nil {
		s.accounts[guard.Population{Target: c.Want.Target, Source: c.Want.PersonSource}] += by
	}
}

// populations yields the accounts of each seat. The lock is held.
func (g *gate) populations(yield func(guard.Population, int) bool) {
	for _, s := range g.seats {
		for p, accounts := range s.accounts {
			if !yield(p, accounts) {
				return
			}
		}
	}
}

// window gives the scope's, without what has ended. The lock is held.
func (g *gate) window(s guard.Scope, now time.Time) *window {
	w := g.windows[s]
	if w == nil {
		w = &window{in: map[string]bool{}}
		g.windows[s] = w
	}
	over := 0
	for over < len(w.entries) && !now.Before(w.entries[over].until) {
		delete(w.in, w.entries[over].key)
		over++
	}
	w.entries = w.entries[over:]
	return w
}

func (w *window) add(e entry) {
	if w.in[e.key] {
		return
	}
	at := len(w.entries)
	for at > 0 && w.entries[at-1].until.After(e.until) {
		at--
	}
	w.entries = slices.Insert(w.entries, at, e)
	w.in[e.key] = true
}

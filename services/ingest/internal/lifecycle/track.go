package lifecycle

import (
	"math"
	"slices"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// track is what the facts of a feed come to, whatever the time is: the spells, and when what was said of each holds.
// A feed that may not hire has one spell without a start, to hold what it says.
type track struct {
	Zone   string  `json:"z,omitempty"` // last given
	Spells []spell `json:"s,omitempty"` // in the order they were begun
	Early  spell   `json:"e,omitzero"`  // what was said of an employment before any was known
	Holds  []dated `json:"h,omitempty"` // emergencies
	Lifts  []dated `json:"u,omitempty"` // of emergencies, by two people
}

// spell is one employment. The earliest of Contract, Termination and the start of the next spell ends it.
type spell struct {
	Start       dated    `json:"a"`
	Announced   int64    `json:"k"`          // when we first learnt of it
	Contract    dated    `json:"c,omitzero"` // the end_date of a snapshot
	Termination dated    `json:"t,omitzero"`
	Reversed    bool     `json:"r,omitempty"` // an end was taken back, and none said since
	Void        origin   `json:"v,omitzero"`  // rescinded by
	Slices      []slice  `json:"s"`           // by rank, then version
	Leaves      []leave  `json:"l,omitempty"`
	Carry       *sayings `json:"w"` // the carried attributes as last given
}

// dated is a moment and why; the zero value is none.
type dated struct {
	At calendar.Moment `json:"m,omitempty"`
	By origin          `json:"b,omitzero"`
}

// slice is what holds of the person from Rank on.
type slice struct {
	Rank int64    `json:"r"`
	Says *sayings `json:"p"`
	Was  *sayings `json:"d,omitempty"` // of a plan: only what differs between Was and Says is what it changes
	By   origin   `json:"b"`
}

// always is the rank of what holds from the first moment of the spell.
const always = math.MinInt64

// zoneName is the worker's time zone as last given, else the source's.
func (f *Feed) zoneName() string {
	for _, n := range slices.Backward(f.facts) {
		if n.Says != nil && n.Says.field[timezone] != "" {
			return n.Says.field[timezone]
		}
	}
	if f.base != nil && f.base.Track.Zone != "" {
		return f.base.Track.Zone
	}
	return f.Timezone
}

// walk folds the facts of the feed in version order.
func (f *Feed) walk(zone *time.Location) track {
	w := walker{zone: zone}
	if f.base != nil {
		w.track = f.base.Track.clone()
	}
	w.Zone = f.zoneName()
	for _, n := range f.facts {
		w.apply(f.Authority, n)
	}
	return w.track
}

type walker struct {
	track
	zone *time.Location
}

func (w *walker) apply(authority string, n fact) {
	switch n.Kind {
	case event.Emergency:
		w.Holds = append(w.Holds, dated{n.moment(), n.origin()})
		return
	case event.EmergencyLift:
		w.Lifts = append(w.Lifts, dated{n.moment(), n.origin()})
		return
	case event.Upsert:
		if authority == employing {
			w.snapshot(n)
		} else {
			w.profile(n)
		}
		return
	}
	if authority != employing {
		return
	}
	switch n.Kind {
	case event.Terminate, event.CorrectTermination:
		w.terminate(n)
	case event.ReverseTermination:
		w.reverse(n)
	case event.Rescind:
		if len(w.Spells) > 0 {
			w.last().Void = n.origin()
		}
	case event.Suspend, event.Resume:
		sp := w.last()
		if len(w.Spells) > 0 {
			sp = &w.Spells[w.on(n)]
		}
		sp.Leaves = insertLeave(sp.Leaves, leave{n.rank(w.zone), n.Kind == event.Suspend, n.origin()}, n.position)
	}
}

// snapshot applies an upsert of a source that may hire.
func (w *walker) snapshot(n fact) {
	own := calendar.Moment(n.Says.field[startDate])
	sp := w.spellOf(own, n)
	if own == "" {
		own = sp.Start.At
	}
	switch end := calendar.Moment(n.Says.field[endDate]); {
	case end == "" && sp.Carry.changedBy(n.Says, workerType) && !n.moment().Begin(w.zone).After(sp.Contract.At.End(w.zone)):
		sp.Contract = dated{} // the end of the old contract
	case end != "" && end != sp.Contract.At:
		if sp.oneEnd(w.zone) {
			sp.Termination = dated{}
		}
		sp.Contract, sp.Reversed = dated{end, n.origin()}, false
	}
	sl := slice{Rank: n.rank(w.zone), Says: n.Says, By: n.origin()}
	if len(sp.Slices) == 0 || sl.Rank <= own.Begin(w.zone).UnixMilli() {
		sl.Rank = always
	}
	if was, ok := sp.top(sl.Rank); ok {
		sl.Says = sl.Says.carry(was.Says)
		if sl.Rank > n.position {
			sl.Was = was.Says
		}
	} else {
		sl.Says = sl.Says.carry(sp.Carry)
	}
	sp.Carry = silence.carry(n.Says).carry(sp.Carry)
	sp.Slices = insertSlice(sp.Slices, sl)
}

// profile applies an upsert of a source that sets attributes only.
func (w *walker) profile(n fact) {
	if len(w.Spells) == 0 {
		w.Spells = []spell{{Carry: silence}}
	}
	sp := &w.Spells[0]
	sp.Slices = insertSlice(sp.Slices, slice{Rank: n.rank(w.zone), Says: n.Says, By: n.origin()})
}

// spellOf finds the spell that a snapshot with this start date speaks of, or begins it.
func (w *walker) spellOf(start calendar.Moment, n fact) *spell {
	if len(w.Spells) == 0 {
		if start == "" {
			start = calendar.Day(n.moment().Begin(w.zone), w.zone)
		}
		return w.begin(start, n, silence)
	}
	last := &w.Spells[len(w.Spells)-1]
	if start == "" {
		if day := w.on(n); w.end(day, w.zone).after(n.moment().Begin(w.zone)) {
			return &w.Spells[day]
		}
		return last
	}
	for i := range slices.Backward(w.Spells) {
		if w.Spells[i].Start.At == start {
			return &w.Spells[i]
		}
	}
	if (last.Void != origin{}) || last.followed(n, start, w.zone) {
		return w.begin(start, n, last.Carry)
	}
	last.Start = dated{start, n.origin()}
	return last
}

// followed says whether a snapshot with another start is of a spell that follows this one: once this one has begun, from its
// last day on, or earlier if it is of another type; before, only if this one was ended before it could begin. Else this
// one is put off, however short it was to be.
func (sp *spell) followed(n fact, start calendar.Moment, zone *time.Location) bool {
	begins, started, end := start.Begin(zone), sp.Start.At.Begin(zone), sp.ends(zone).at
	if started.UnixMilli() > n.position {
		return !sp.runs(zone) && !begins.Before(end)
	}
	lastDay := calendar.Day(end.Add(-time.Nanosecond), zone).Begin(zone)
	return !end.IsZero() && !begins.Before(lastDay) || begins.After(started) && sp.Carry.changedBy(n.Says, workerType)
}

// begin begins a spell, with what was said of it before it was known.
func (w *walker) begin(start calendar.Moment, n fact, before *sayings) *spell {
	sp := w.Early
	sp.Start, sp.Announced, sp.Carry = dated{start, n.origin()}, n.Known, before
	if at := sp.Termination.At; at != "" && !at.End(w.zone).After(start.Begin(w.zone)) {
		sp.Termination = dated{} // of an employment that was before
	}
	w.Spells, w.Early = append(w.Spells, sp), spell{}
	return &w.Spells[len(w.Spells)-1]
}

// insertSlice keeps slices by rank; of equal ranks the newer version stands later.
func insertSlice(in []slice, s slice) []slice {
	i := len(in)
	for i > 0 && in[i-1].Rank > s.Rank {
		i--
	}
	return slices.Insert(in, i, s)
}

// top is what is said at t: the newest snapshot that holds, else the first, and the plans that came due since.
func (sp *spell) top(t int64) (slice, bool) {
	if len(sp.Slices) == 0 {
		return slice{}, false
	}
	top := sp.Slices[0]
	for _, s := range sp.Slices[1:] {
		if s.Rank > t {
			break
		}
		top = top.then(s)
	}
	return top, true
}

// then is what holds once next does too.
func (s slice) then(next slice) slice {
	if next.Was != nil {
		next.Says, next.Was = s.Says.with(next.Was.to(next.Says)), nil
	}
	return next
}

// forget drops what no look after now can show: slices and leaves under one that holds; and of spells and holds all
// but the newest few.
func (t *track) forget(now int64) {
	const few = 4
	t.Spells = slices.Clone(t.Spells[max(0, len(t.Spells)-few):])
	t.Holds = slices.Clone(t.Holds[max(0, len(t.Holds)-few):])
	t.Lifts = slices.Clone(t.Lifts[max(0, len(t.Lifts)-few):])
	for i := range t.Spells {
		sp := &t.Spells[i]
		for len(sp.Slices) > 1 && sp.Slices[1].Rank <= now {
			sp.Slices[1] = sp.Slices[0].then(sp.Slices[1])
			sp.Slices = sp.Slices[1:]
		}
		for len(sp.Leaves) > 1 && sp.Leaves[1].Rank <= now {
			sp.Leaves = sp.Leaves[1:]
		}
	}
}

// clone copies what walking changes; sayings are never changed once made.
func (t track) clone() track {
	t.Spells = slices.Clone(t.Spells)
	for i := range t.Spells {
		sp := &t.Spells[i]
		sp.Slices, sp.Leaves = slices.Clone(sp.Slices), slices.Clone(sp.Leaves)
	}
	t.Early.Leaves = slices.Clone(t.Early.Leaves)
	t.Holds, t.Lifts = slices.Clone(t.Holds), slices.Clone(t.Lifts)
	return t
}

package lifecycle

import (
	"cmp"
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// State is everything remembered of one person. The zero State knows nothing.
type State struct {
	At    int64            // the last look, Unix milliseconds
	Feeds []Feed           // by (source, key)
	Into  event.IdentityID // set: this identity turned out to be that one, and what is said of it is sent on
	Gone  []gone           // feeds that turned out to be another identity's
	Moves []string         // ids of the newest facts about merges and splits
}

// gone says where the facts of a feed go from now on.
type gone struct {
	Source, Key string
	To          event.IdentityID
}

// Feed is what one source said of one worker. Authority and Timezone are those of the fact that opened it.
type Feed struct {
	Source    string
	Key       string
	Authority string
	Timezone  string             // the source's, for a worker without one
	From      []event.IdentityID // the identities it was merged out of, the latest last

	facts []fact // in version order
	base  *base  // what older facts came to; nil: there are none
}

// base stands for the facts up to its mark.
type base struct {
	Track    track  `json:"t"`
	Sequence *int64 `json:"n,omitempty"` // highest folded
	Position int64  `json:"r"`           // of the newest folded
}

const (
	maxFacts  = 32 // kept as they came
	foldFacts = 16 // folded into the base when there are more
)

// covers says whether f is older than what the base stands for. An alarm is never too old, nor is its lift.
func (b *base) covers(f fact) bool {
	switch {
	case b == nil, f.Kind == event.Emergency, f.Kind == event.EmergencyLift:
		return false
	case f.Sequence != nil && b.Sequence != nil:
		return *f.Sequence <= *b.Sequence
	}
	return f.Recorded <= b.Position
}

// lacks says whether f is an end that counts though it is older: of the last employment, of whose end snapshots alone spoke.
func (b *base) lacks(f fact, zone *time.Location) bool {
	if f.Kind != event.Terminate && f.Kind != event.CorrectTermination || len(b.Track.Spells) == 0 {
		return false
	}
	w := walker{b.Track, zone}
	last := w.last()
	return w.on(f) == len(w.Spells)-1 && last.Termination.At == "" && !last.Reversed
}

// feed finds or opens the feed that f belongs to.
func (s *State) feed(f event.Fact) *Feed {
	i, found := s.find(f.Record.Source, f.Record.SourceKey)
	if !found {
		s.Feeds = slices.Insert(s.Feeds, i, Feed{Source: f.Record.Source, Key: f.Record.SourceKey, Authority: f.Authority, Timezone: f.Timezone})
	}
	return &s.Feeds[i]
}

// find is where the feed of a worker stands, or would.
func (s *State) find(source, key string) (int, bool) {
	return slices.BinarySearchFunc(s.Feeds, source, func(have Feed, source string) int {
		return cmp.Or(cmp.Compare(have.Source, source), cmp.Compare(have.Key, key))
	})
}

func (f *Feed) seen(id string) bool {
	return slices.ContainsFunc(f.facts, func(have fact) bool { return have.ID == id }) ||
		f.base != nil && slices.ContainsFunc(f.base.Track.Holds, func(h dated) bool { return h.By.Fact == id })
}

// insert puts a fact at its place in the version order.
func (f *Feed) insert(n fact) {
	f.facts = append(slices.Clip(f.facts), n)
	slices.SortStableFunc(f.facts, func(a, b fact) int { return cmp.Or(bySequence(a, b), byTime(a, b)) })
	f.place()
	slices.SortStableFunc(f.facts, func(a, b fact) int {
		unnumbered := func(f fact) int {
			if f.Sequence == nil {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.position, b.position), cmp.Compare(unnumbered(a), unnumbered(b)), bySequence(a, b), byTime(a, b))
	})
}

// bySequence puts numbered facts first.
func bySequence(a, b fact) int {
	switch {
	case a.Sequence != nil && b.Sequence != nil:
		return cmp.Compare(*a.Sequence, *b.Sequence)
	case a.Sequence != nil:
		return -1
	case b.Sequence != nil:
		return 1
	}
	return 0
}

// byTime leaves what was recorded and learnt at the same moment in the order it came in.
func byTime(a, b fact) int {
	return cmp.Or(cmp.Compare(a.Recorded, b.Recorded), cmp.Compare(a.Known, b.Known))
}

// place computes the positions: along the sequence they never go back, whatever the source's clock did.
func (f *Feed) place() {
	var high int64
	if f.base != nil {
		high = f.base.Position
	}
	for i := range f.facts {
		n := &f.facts[i]
		n.position = n.Recorded
		if n.Sequence != nil {
			high = max(high, n.Recorded)
			n.position = high
		}
	}
}

// compact folds the oldest facts into the base when there are too many.
func (f *Feed) compact(zone *time.Location, now int64) {
	if len(f.facts) <= maxFacts {
		return
	}
	older := *f
	older.facts = f.facts[:foldFacts]
	folded := &base{Track: older.walk(zone)}
	folded.Track.forget(now)
	if f.base != nil {
		folded.Sequence = f.base.Sequence
	}
	for _, n := range older.facts {
		folded.Position = max(folded.Position, n.position)
		if n.Sequence != nil {
			folded.Sequence = n.Sequence
		}
	}
	f.base, f.facts = folded, slices.Clone(f.facts[foldFacts:])
	f.place()
}

package lifecycle

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// State is everything remembered of one person. The zero State knows nothing.
type State struct {
	At    int64  `json:"at"` // the last look, Unix milliseconds
	Feeds []Feed `json:"f"`  // by (source, key)
}

// Feed is what one source said of one worker. Authority and Timezone are those of the fact that opened it.
type Feed struct {
	Source    string
	Key       string
	Authority string
	Timezone  string // the source's, for a worker without one

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

// covers says whether f is older than what the base stands for.
func (b *base) covers(f fact) bool {
	switch {
	case b == nil:
		return false
	case f.Sequence != nil && b.Sequence != nil:
		return *f.Sequence <= *b.Sequence
	}
	return f.Recorded <= b.Position
}

// feed finds or opens the feed that f belongs to.
func (s *State) feed(f event.Fact) *Feed {
	i, found := slices.BinarySearchFunc(s.Feeds, f.Record, func(have Feed, want event.SourceRecord) int {
		return cmp.Or(cmp.Compare(have.Source, want.Source), cmp.Compare(have.Key, want.SourceKey))
	})
	if !found {
		s.Feeds = slices.Insert(s.Feeds, i, Feed{Source: f.Record.Source, Key: f.Record.SourceKey, Authority: f.Authority, Timezone: f.Timezone})
	}
	return &s.Feeds[i]
}

func (f *Feed) seen(id string) bool {
	return slices.ContainsFunc(f.facts, func(have fact) bool { return have.ID == id })
}

// insert puts a fact at its place in the version order.
func (f *Feed) insert(n fact) {
	f.facts = append(slices.Clone(f.facts), n)
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

func byTime(a, b fact) int {
	return cmp.Or(cmp.Compare(a.Recorded, b.Recorded), cmp.Compare(a.ID, b.ID))
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

// feedJSON is a Feed in the changelog. Each upsert holds its difference to the one before it: "" is no longer said.
type feedJSON struct {
	Source    string `json:"s"`
	Key       string `json:"k"`
	Authority string `json:"a"`
	Timezone  string `json:"z,omitempty"`
	Facts     []fact `json:"f,omitempty"`
	Base      *base  `json:"b,omitempty"`
}

// MarshalJSON writes the feed as feedJSON.
func (f Feed) MarshalJSON() ([]byte, error) {
	out := feedJSON{Source: f.Source, Key: f.Key, Authority: f.Authority, Timezone: f.Timezone, Facts: slices.Clone(f.facts), Base: f.base}
	var before sayings
	for i, n := range f.facts {
		if n.Kind != "" {
			continue
		}
		out.Facts[i].Says, before = before.to(n.Says), n.Says
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (f *Feed) UnmarshalJSON(b []byte) error {
	var in feedJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*f = Feed{Source: in.Source, Key: in.Key, Authority: in.Authority, Timezone: in.Timezone, facts: in.Facts, base: in.Base}
	says := sayings{}
	for i, n := range f.facts {
		if n.Kind != "" {
			continue
		}
		says = says.with(n.Says)
		f.facts[i].Says = says
	}
	f.place()
	return nil
}

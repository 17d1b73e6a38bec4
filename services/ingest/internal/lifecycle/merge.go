package lifecycle

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// Merge and split move feeds between identities; nothing else of an identity moves, for all else follows from its feeds.
//
//	merge of B into A        B: Into = A --feeds, then all later facts of its workers--> A: feeds with From = [... B]
//	split of B's worker off  A: Gone = those feeds --feeds, then later facts of them---> B: Into = nobody
//
// The first fact of each arrow comes from intake and only asks; it goes to whoever holds the feed. The second one brings
// the feeds, as they are in the state, and by the same partition all that follows them. An identity that was never
// merged but whose worker is split off (a strong key had misled) becomes a new one. Facts about moves are remembered by
// id; said again they do nothing. A hold put on the two while they were one stands for both when they part.

const (
	maxMoves = 8 // remembered
	maxHops  = 8 // of one fact, should people merge in circles; then it stays where it is
)

// Reasons of merges and splits that do nothing.
const (
	reasonOne     = "one_already" // duplicate_ignored: the two are one
	reasonNotOne  = "not_one"     // stale_ignored: the worker is not of this person, or the only one
	reasonMerging = "merging"     // stale_ignored: nobody is known of that identity
)

// elsewhere says to whom a fact that has come here belongs.
func (s State) elsewhere(f event.Fact) (event.IdentityID, bool) {
	switch {
	case f.Hops >= maxHops:
		return "", false
	case len(f.Feeds) > 0 && f.Related == s.Into:
		// What comes back of whom this one went into stays. Of two that went into each other at once, the lesser id does.
		return s.Into, f.Record.Kind == event.Merge && f.IdentityID > f.Related
	case f.Record.Kind == event.Merge && f.Related == s.Into: // asked before
		return "", false
	case s.Into != "":
		return s.Into, true
	case moves(f.Record.Kind):
		return "", false
	}
	for _, g := range s.Gone {
		if g.Source == f.Record.Source && g.Key == f.Record.SourceKey {
			return g.To, true
		}
	}
	return "", false
}

func moves(kind event.RecordKind) bool { return kind == event.Merge || kind == event.SplitOff }

// sendOn is a fact for another identity.
func (d *deciding) sendOn(f event.Fact, to event.IdentityID) {
	f.IdentityID = to
	f.Hops++
	d.forward = append(d.forward, f)
}

// move takes a fact about a merge or a split.
func (d *deciding) move(f event.Fact, before view) (Decision, error) {
	d.resolve(f)
	if slices.Contains(d.state.Moves, f.ID) {
		d.ignore(event.DuplicateIgnored, reasonSeen, f)
		return d.finish(before), nil
	}
	d.state.Moves = append(slices.Clone(d.state.Moves[max(0, len(d.state.Moves)-maxMoves+1):]), f.ID)
	switch {
	case len(f.Feeds) > 0:
		return d.take(f, before)
	case f.Record.Kind == event.Merge:
		return d.goInto(f, before)
	}
	return d.letGo(f, before)
}

// goInto hands all feeds over to the identity that this one turned out to be.
func (d *deciding) goInto(f event.Fact, before view) (Decision, error) {
	switch {
	case f.Related == d.id, f.Related == d.state.Into:
		d.ignore(event.DuplicateIgnored, reasonOne, f)
		return d.finish(before), nil
	case !before.known():
		d.ignore(event.StaleIgnored, reasonMerging, f)
		return d.finish(before), nil
	}
	if err := d.handOver(f, f.Related, d.state.Feeds); err != nil {
		return Decision{}, err
	}
	d.state.Feeds, d.state.Into, d.state.Gone = nil, f.Related, nil
	e := d.moved(event.Merged, f, f.Related)
	e.Before, e.Person = before.person(d.id), before.person(d.id)
	e.Person.MergedInto = f.Related
	e.Message = fmt.Sprintf("This identity is %s; all that was said of it is said of that one now.", f.Related)
	d.tracks = nil
	out := d.finish(look(nil, d.state.At))
	out.Entry = &event.DirectoryEntry{IdentityID: d.id, Status: event.StatusMerged}
	return out, nil
}

// letGo hands over the feed of a worker who turned out to be somebody else, and what had come with it.
func (d *deciding) letGo(f event.Fact, before view) (Decision, error) {
	i, found := d.state.find(f.Record.Source, f.Record.RelatedKey)
	if !found {
		d.ignore(event.StaleIgnored, reasonNotOne, f)
		return d.finish(before), nil
	}
	to := event.IdentityID(event.DeriveID("p", 0, "split", f.Record.Source, f.Record.RelatedKey))
	from := d.state.Feeds[i].from()
	to = cmp.Or(from, to)
	var stay, parting []Feed
	for j, feed := range d.state.Feeds {
		switch {
		case i == j, from != "" && feed.from() == from:
			feed.From = feed.From[:max(0, len(feed.From)-1)]
			parting = append(parting, feed)
		default:
			stay = append(stay, feed)
			if feed.Authority == signal {
				parting = append(parting, feed) // it stands for both
			}
		}
	}
	if !slices.ContainsFunc(stay, func(f Feed) bool { return f.Authority == employing }) {
		d.ignore(event.StaleIgnored, reasonNotOne, f)
		return d.finish(before), nil
	}
	if err := d.handOver(f, to, parting); err != nil {
		return Decision{}, err
	}
	d.state.Feeds = stay
	for _, feed := range parting {
		if feed.Authority != signal {
			d.state.Gone = append(slices.Clone(d.state.Gone), gone{feed.Source, feed.Key, to})
		}
	}
	return d.rearranged(event.Split, f, to, before, fmt.Sprintf("A worker of this person is %s.", to)), nil
}

// take makes feeds that are handed over this identity's.
func (d *deciding) take(f event.Fact, before view) (Decision, error) {
	feeds, err := readFeeds(f.Feeds)
	if err != nil {
		return Decision{}, err
	}
	for _, feed := range feeds {
		if f.Record.Kind == event.Merge {
			feed.From = append(slices.Clip(feed.From), f.Related)
		}
		d.state.put(feed)
	}
	if d.state.Into == f.Related {
		d.state.Into = ""
	}
	kind, text := event.Merged, fmt.Sprintf("%s is this person; all that was said of it is said of this one now.", f.Related)
	if f.Record.Kind == event.SplitOff {
		kind, text = event.Split, fmt.Sprintf("This person is not %s.", f.Related)
	}
	return d.rearranged(kind, f, f.Related, before, text), nil
}

// put adds a feed, or what it knows to the one that is there.
func (s *State) put(f Feed) {
	s.Gone = slices.DeleteFunc(slices.Clone(s.Gone), func(g gone) bool { return g.Source == f.Source && g.Key == f.Key })
	i, found := s.find(f.Source, f.Key)
	if !found {
		s.Feeds = slices.Insert(s.Feeds, i, f)
		return
	}
	have := s.Feeds[i]
	f.base = f.base.with(have.base)
	facts := slices.Concat(f.facts, have.facts)
	f.facts = nil
	for _, n := range facts {
		if folded := f.base.covers(n) && f.Authority != signal; !folded && !f.seen(n.ID) { // an alarm is never too old
			f.insert(n)
		}
	}
	s.Feeds[i] = f
}

// with is a base that stands for what either does, of one worker: the newer knows the spells, and holds and lifts are of
// both.
func (b *base) with(other *base) *base {
	switch {
	case b == nil:
		return other
	case other == nil:
		return b
	case b.Position < other.Position:
		b, other = other, b
	}
	out := *b
	out.Track = b.Track.clone()
	out.Track.Holds, out.Track.Lifts = either(b.Track.Holds, other.Track.Holds), either(b.Track.Lifts, other.Track.Lifts)
	if out.Sequence == nil || other.Sequence != nil && *other.Sequence > *out.Sequence {
		out.Sequence = other.Sequence
	}
	return &out
}

// either lists what is in one of two lists, in the order it became known.
func either(a, b []dated) []dated {
	out := slices.Concat(a, b)
	slices.SortFunc(out, func(a, b dated) int {
		return cmp.Or(cmp.Compare(a.By.Known, b.By.Known), cmp.Compare(a.By.Fact, b.By.Fact))
	})
	return slices.CompactFunc(out, func(a, b dated) bool { return a.By.Fact == b.By.Fact })
}

// from is the identity that the feed was last merged out of.
func (f Feed) from() event.IdentityID {
	if len(f.From) == 0 {
		return ""
	}
	return f.From[len(f.From)-1]
}

// rearranged looks at the person again with other feeds, and names all that differs by one transition.
func (d *deciding) rearranged(kind event.Kind, f event.Fact, other event.IdentityID, before view, text string) Decision {
	d.tracks = d.model.tracks(d.state)
	after := look(d.tracks, d.state.At)
	e := d.moved(kind, f, other)
	e.Before, e.Person, e.Message = before.person(d.id), after.person(d.id), text
	if after.known() {
		e.Changed = differing(before, after)
	}
	return d.finish(after)
}

func (d *deciding) moved(kind event.Kind, f event.Fact, other event.IdentityID) *event.IdentityEvent {
	e := d.about(kind, f)
	e.Related, e.Reason = other, f.Record.Reason
	return e
}

// handOver sends feeds to another identity, with the fact that asked for it.
func (d *deciding) handOver(f event.Fact, to event.IdentityID, feeds []Feed) error {
	b, err := appendFeeds(nil, feeds)
	if err != nil {
		return err
	}
	f.IdentityID, f.Related, f.Feeds, f.Hops = to, d.id, b, 0
	f.ID = event.DeriveID("f", 1, f.ID, string(d.id))
	f.Parked, f.ParkedAt = "", time.Time{} // what waited is answered here
	d.forward = append(d.forward, f)
	return nil
}

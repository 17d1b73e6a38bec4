package lifecycle

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/pack"
	"joinery.internal/services/ingest/internal/calendar"
)

// A state in the changelog, and feeds on their way to another identity, are bytes of our own: ten facts about a worker
// take some 700 bytes, and reading them is a few hundred nanoseconds. Each upsert holds only its difference to the
// one before it. Only a base, which few people have, is JSON.
const codecVersion = 1

// ErrUnreadable says that bytes are not a state of this version.
var ErrUnreadable = errors.New("not a state that this version of ingest wrote")

// AppendBinary implements encoding.BinaryAppender.
func (s State) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, codecVersion)
	b = binary.AppendVarint(b, s.At)
	b = appendText(b, string(s.Into))
	b = binary.AppendUvarint(b, uint64(len(s.Gone)))
	for _, g := range s.Gone {
		b = appendText(b, g.Source)
		b = appendText(b, g.Key)
		b = appendText(b, string(g.To))
	}
	b = binary.AppendUvarint(b, uint64(len(s.Moves)))
	for _, id := range s.Moves {
		b = appendText(b, id)
	}
	return appendFeeds(b, s.Feeds)
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (s *State) UnmarshalBinary(b []byte) error {
	r := reader{pack.NewReader(b)}
	if r.Byte() != codecVersion {
		return fmt.Errorf("read state: %w", ErrUnreadable)
	}
	s.At = r.Varint()
	s.Into = event.IdentityID(r.text())
	for range r.Count() {
		s.Gone = append(s.Gone, gone{r.text(), r.text(), event.IdentityID(r.text())})
	}
	for range r.Count() {
		s.Moves = append(s.Moves, r.text())
	}
	s.Feeds = r.feeds()
	return r.end("state")
}

func appendFeeds(b []byte, feeds []Feed) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(feeds)))
	for i := range feeds {
		var err error
		if b, err = feeds[i].append(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func readFeeds(b []byte) ([]Feed, error) {
	r := reader{pack.NewReader(b)}
	feeds := r.feeds()
	return feeds, r.end("feeds handed over")
}

func (f *Feed) append(b []byte) ([]byte, error) {
	for _, text := range [...]string{f.Source, f.Key, f.Authority, f.Timezone} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(f.From)))
	for _, id := range f.From {
		b = appendText(b, string(id))
	}
	var folded []byte
	if f.base != nil {
		var err error
		if folded, err = json.Marshal(f.base); err != nil {
			return nil, fmt.Errorf("write base of a feed: %w", err)
		}
	}
	b = append(binary.AppendUvarint(b, uint64(len(folded))), folded...)
	b = binary.AppendUvarint(b, uint64(len(f.facts)))
	var last fact
	says := silence
	for _, n := range f.facts {
		b = n.append(b, &last, says)
		if last = n; n.Says != nil {
			says = n.Says
		}
	}
	return b, nil
}

func (r reader) feeds() []Feed {
	n := r.Count()
	if n == 0 {
		return nil
	}
	feeds := make([]Feed, n)
	for i := range feeds {
		r.feed(&feeds[i])
	}
	return feeds
}

func (r reader) feed(f *Feed) {
	f.Source, f.Key, f.Authority, f.Timezone = r.text(), r.text(), r.text(), r.text()
	for range r.Count() {
		f.From = append(f.From, event.IdentityID(r.text()))
	}
	if folded := r.Take(r.Uvarint()); folded != "" {
		f.base = new(base)
		if err := json.Unmarshal([]byte(folded), f.base); err != nil || !f.base.whole() {
			r.Fail()
		}
	}
	f.facts = make([]fact, r.Count())
	sequences := make([]int64, len(f.facts)) // one allocation for all
	var last fact
	says := silence
	for i := range f.facts {
		n := &f.facts[i]
		r.fact(n, &last, says, &sequences[i])
		if last = *n; n.Says != nil {
			says = n.Says
		}
	}
	f.place()
}

// whole says that nothing is missing that is always there.
func (b *base) whole() bool {
	return !slices.ContainsFunc(b.Track.Spells, func(sp spell) bool {
		return sp.Carry == nil || slices.ContainsFunc(sp.Slices, func(s slice) bool { return s.Says == nil })
	})
}

// What a fact in bytes has, as flags.
const (
	hasSequence = 1 << iota
	hasEffective
	hasReason
	hasPerson
)

func (f *fact) append(b []byte, last *fact, says *sayings) []byte {
	var flags byte
	if f.Sequence != nil {
		flags |= hasSequence
	}
	if f.Effective != "" {
		flags |= hasEffective
	}
	if f.Reason != "" {
		flags |= hasReason
	}
	if f.Says != nil {
		flags |= hasPerson
	}
	b = appendText(append(b, flags), f.ID)
	b = binary.AppendVarint(b, f.Recorded-last.Recorded)
	b = binary.AppendVarint(b, f.Known-f.Recorded)
	if flags&hasPerson == 0 {
		b = appendText(b, string(f.Kind))
	}
	if f.Sequence != nil {
		b = binary.AppendVarint(b, *f.Sequence-last.sequence())
	}
	if f.Effective != "" {
		b = appendText(b, string(f.Effective))
	}
	if f.Reason != "" {
		b = appendText(b, f.Reason)
	}
	if f.Says != nil {
		b = says.to(f.Says).append(b)
	}
	return b
}

func (f *fact) sequence() int64 {
	if f.Sequence == nil {
		return 0
	}
	return *f.Sequence
}

func (r reader) fact(f, last *fact, says *sayings, sequence *int64) {
	flags := r.Byte()
	f.ID = r.text()
	f.Recorded = last.Recorded + r.Varint()
	f.Known = f.Recorded + r.Varint()
	f.Kind = event.Upsert
	if flags&hasPerson == 0 {
		if f.Kind = event.RecordKind(r.text()); f.Kind == event.Upsert {
			r.Fail()
		}
	}
	if flags&hasSequence != 0 {
		*sequence = last.sequence() + r.Varint()
		f.Sequence = sequence
	}
	if flags&hasEffective != 0 {
		f.Effective = calendar.Moment(r.text())
	}
	if flags&hasReason != 0 {
		f.Reason = r.text()
	}
	if flags&hasPerson != 0 {
		f.Says = says.with(r.delta())
	}
}

func (d delta) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(d.mask))
	for a := range attributes {
		if d.mask&(1<<a) != 0 {
			b = appendText(b, d.field[a])
		}
	}
	b = binary.AppendUvarint(b, uint64(len(d.extra)))
	for _, e := range d.extra {
		b = appendText(appendText(b, e.name), e.value)
	}
	return b
}

func (r reader) delta() delta {
	d := delta{mask: uint32(r.Uvarint())}
	for a := range attributes {
		if d.mask&(1<<a) != 0 {
			d.field[a] = r.text()
		}
	}
	if n := r.Count(); n > 0 {
		d.extra = make([]pair, n)
	}
	for i := range d.extra {
		d.extra[i] = pair{r.text(), r.text()}
	}
	return d
}

// derivedLen is how long ids of event.DeriveID with a prefix of one letter are; they take 12 bytes here.
const derivedLen = 22

// appendText writes a text with its length; a derived id in half its length.
func appendText(b []byte, s string) []byte {
	if len(s) == derivedLen && s[1] == '-' {
		var raw [10]byte
		if _, err := hex.Decode(raw[:], []byte(s[2:])); err == nil && hex.EncodeToString(raw[:]) == s[2:] {
			return append(append(b, 1, s[0]), raw[:]...)
		}
	}
	return append(binary.AppendUvarint(b, uint64(len(s))<<1), s...)
}

func (r reader) text() string {
	n := r.Uvarint()
	if n&1 == 0 {
		return r.Take(n >> 1)
	}
	raw := r.Take(11)
	if len(raw) != 11 {
		return ""
	}
	id := make([]byte, derivedLen)
	id[0], id[1] = raw[0], '-'
	hex.Encode(id[2:], []byte(raw[1:]))
	return string(id)
}

// reader reads what the append functions wrote; its texts may be derived ids.
type reader struct{ *pack.Reader }

func (r reader) end(what string) error {
	if err := r.End(); err != nil {
		return fmt.Errorf("read %s: %w", what, ErrUnreadable)
	}
	return nil
}

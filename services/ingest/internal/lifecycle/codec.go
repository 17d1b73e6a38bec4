package lifecycle

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"joinery.internal/pkg/event"
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
	r := reader{rest: string(b)}
	if r.byte() != codecVersion {
		return fmt.Errorf("read state: %w", ErrUnreadable)
	}
	s.At = r.varint()
	s.Into = event.IdentityID(r.text())
	for range r.count() {
		s.Gone = append(s.Gone, gone{r.text(), r.text(), event.IdentityID(r.text())})
	}
	for range r.count() {
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
	r := reader{rest: string(b)}
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

func (r *reader) feeds() []Feed {
	n := r.count()
	if n == 0 {
		return nil
	}
	feeds := make([]Feed, n)
	for i := range feeds {
		r.feed(&feeds[i])
	}
	return feeds
}

func (r *reader) feed(f *Feed) {
	f.Source, f.Key, f.Authority, f.Timezone = r.text(), r.text(), r.text(), r.text()
	for range r.count() {
		f.From = append(f.From, event.IdentityID(r.text()))
	}
	if folded := r.take(r.uvarint()); folded != "" {
		f.base = new(base)
		if err := json.Unmarshal([]byte(folded), f.base); err != nil || !f.base.whole() {
			r.fail()
		}
	}
	f.facts = make([]fact, r.count())
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

func (r *reader) fact(f, last *fact, says *sayings, sequence *int64) {
	flags := r.byte()
	f.ID = r.text()
	f.Recorded = last.Recorded + r.varint()
	f.Known = f.Recorded + r.varint()
	f.Kind = event.Upsert
	if flags&hasPerson == 0 {
		if f.Kind = event.RecordKind(r.text()); f.Kind == event.Upsert {
			r.fail()
		}
	}
	if flags&hasSequence != 0 {
		*sequence = last.sequence() + r.varint()
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

func (r *reader) delta() delta {
	d := delta{mask: uint32(r.uvarint())}
	for a := range attributes {
		if d.mask&(1<<a) != 0 {
			d.field[a] = r.text()
		}
	}
	if n := r.count(); n > 0 {
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

func (r *reader) text() string {
	n := r.uvarint()
	if n&1 == 0 {
		return r.take(n >> 1)
	}
	raw := r.take(11)
	if len(raw) != 11 {
		return ""
	}
	id := make([]byte, derivedLen)
	id[0], id[1] = raw[0], '-'
	hex.Encode(id[2:], []byte(raw[1:]))
	return string(id)
}

// reader reads what the append functions wrote. After a fault it reads zeros; end says so.
type reader struct {
	rest string
	err  error
}

func (r *reader) fail() { r.rest, r.err = "", ErrUnreadable }

func (r *reader) end(what string) error {
	if r.err == nil && r.rest != "" {
		r.fail()
	}
	if r.err != nil {
		return fmt.Errorf("read %s: %w", what, r.err)
	}
	return nil
}

func (r *reader) take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	var s string
	s, r.rest = r.rest[:n], r.rest[n:]
	return s
}

func (r *reader) byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (r *reader) uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail()
	return 0
}

func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// count is how many of something follow: no more than there are bytes left, for each takes one at least.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

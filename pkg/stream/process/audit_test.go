//go:build process

package process_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/stream/process"
)

// Keys of the runtime's own in a changelog.
const (
	clockKey   = "\x00now"
	chainTable = "\x00chain/"
)

// audit is all that was read and written, as committed. faults judges it by the inputs alone.
type audit struct {
	inputs, events, copies, dead, changelog []*kgo.Record
	kept                                    int // values that the state began with

	out []string // what is wrong
}

func (a *audit) fault(format string, args ...any) {
	a.out = append(a.out, fmt.Sprintf(format, args...))
}

// place is what stream.Record.ID says.
func place(r *kgo.Record) string { return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset) }

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// expected is what must come of the inputs.
type expected struct {
	due    map[string]*kgo.Record          // input by place; each leads to one event and one copy
	poison map[string]*kgo.Record          // input by place; each leads to one dead letter
	state  map[int32]map[string][]byte     // of each partition, at rest
	clock  map[int32]time.Time             // no earlier than this must the partition's time be
	heads  map[int32]map[event.Topic]*link // of the chains
}

type link struct {
	seq  uint64
	hash []byte
}

func expect(inputs []*kgo.Record) expected {
	e := expected{due: map[string]*kgo.Record{}, poison: map[string]*kgo.Record{}, state: map[int32]map[string][]byte{},
		clock: map[int32]time.Time{}, heads: map[int32]map[event.Topic]*link{}}
	counts := map[string]int{}
	for _, r := range inputs {
		if e.state[r.Partition] == nil {
			e.state[r.Partition], e.heads[r.Partition] = map[string][]byte{}, map[event.Topic]*link{}
		}
		if !json.Valid(r.Value) {
			e.poison[place(r)] = r
			continue
		}
		e.due[place(r)] = r
		counts[string(r.Key)]++
		e.state[r.Partition]["count/"+string(r.Key)] = strconv.AppendInt(nil, int64(counts[string(r.Key)]), 10)
	}
	return e
}

// faults says what differs from what must be.
func (a *audit) faults() []string {
	e := expect(a.inputs)
	a.checkEvents(e)
	a.checkCopies(e)
	a.checkDead(e)
	a.checkState(e)
	return a.out
}

// checkEvents demands one event of each input, byte for byte, counted by key without a gap, those written at once in the
// order of the inputs, in a whole chain, in time that never goes back.
func (a *audit) checkEvents(e expected) {
	done, counts, last := map[string]bool{}, map[string]int{}, map[int32]int64{}
	for _, r := range a.events {
		var got process.Counted
		if err := json.Unmarshal(r.Value, &got); err != nil {
			a.fault("event %s: %v", place(r), err)
			continue
		}
		in := e.due[got.CausationID]
		switch {
		case in == nil:
			a.fault("event %s of no input: %s", place(r), got.CausationID)
			continue
		case done[got.CausationID]:
			a.fault("input %s doubled", got.CausationID)
		case in.Partition != r.Partition:
			a.fault("input %s: its event is in partition %d", got.CausationID, r.Partition)
		}
		done[got.CausationID] = true
		counts[string(in.Key)]++
		want, err := json.Marshal(process.Event(string(in.Key), got.CausationID, counts[string(in.Key)], got.OccurredAt))
		if err != nil || !bytes.Equal(r.Value, want) || !bytes.Equal(r.Key, in.Key) {
			a.fault("event %s is %s: %s, want %s: %s (%v)", place(r), r.Key, r.Value, in.Key, want, err)
		}
		if string(in.Value) == `"`+process.Count+`"` {
			if in.Offset < last[in.Partition] {
				a.fault("input %s out of order", got.CausationID)
			}
			last[in.Partition] = in.Offset
		}
		a.checkTime(e, r, got.OccurredAt)
		a.checkLink(e, r)
	}
	for id, in := range e.due {
		if !done[id] {
			a.fault("input %s (%s %s) lost", id, in.Key, in.Value)
		}
	}
}

func (a *audit) checkTime(e expected, r *kgo.Record, at time.Time) {
	if at.Before(e.clock[r.Partition]) {
		a.fault("%s: time went back from %s to %s", place(r), e.clock[r.Partition], at)
	}
	e.clock[r.Partition] = at
	if stamp := header(r, stream.HeaderTime); len(stamp) != 8 || int64(binary.BigEndian.Uint64([]byte(stamp))) != at.UnixMicro() {
		a.fault("%s: header of time %x, record says %s", place(r), stamp, at)
	}
}

func (a *audit) checkLink(e expected, r *kgo.Record) {
	heads := e.heads[r.Partition]
	head := heads[event.Topic(r.Topic)]
	if head == nil {
		head = &link{}
	}
	next := &link{seq: head.seq + 1, hash: stream.LinkHash(head.hash, head.seq+1, r.Key, r.Value)}
	if got := header(r, stream.HeaderSeq); got != strconv.FormatUint(next.seq, 10) {
		a.fault("%s: seq %s, want %d", place(r), got, next.seq)
	}
	if header(r, stream.HeaderPrev) != string(head.hash) || header(r, stream.HeaderHash) != string(next.hash) {
		a.fault("%s: the chain is broken", place(r))
	}
	heads[event.Topic(r.Topic)] = next
}

// checkCopies demands one copy of each input, where its key belongs, in the order of the inputs' partition.
func (a *audit) checkCopies(e expected) {
	done, last := map[string]bool{}, map[[2]int32]int64{}
	for _, r := range a.copies {
		var got process.Copy
		if err := json.Unmarshal(r.Value, &got); err != nil {
			a.fault("copy %s: %v", place(r), err)
			continue
		}
		in := e.due[got.Of]
		if in == nil || done[got.Of] {
			a.fault("copy of %s: no input, or a second time", got.Of)
			continue
		}
		done[got.Of] = true
		key := process.CopyKey(got.Of)
		if string(r.Key) != key || r.Partition != stream.Partition(key, partitions) {
			a.fault("copy of %s has key %s in partition %d", got.Of, r.Key, r.Partition)
		}
		way := [2]int32{in.Partition, r.Partition}
		if in.Offset < last[way] {
			a.fault("copy of %s out of order", got.Of)
		}
		last[way] = in.Offset
	}
	if len(done) != len(e.due) {
		a.fault("%d copies of %d inputs", len(done), len(e.due))
	}
}

// checkDead demands one dead letter of each poison, with its bytes, in a whole chain.
func (a *audit) checkDead(e expected) {
	left := len(e.poison)
	for _, r := range a.dead {
		var got event.DeadLetter
		if err := json.Unmarshal(r.Value, &got); err != nil {
			a.fault("dead letter %s: %v", place(r), err)
			continue
		}
		in := e.poison[got.CausationID]
		if in == nil {
			a.fault("dead letter of %s: no poison, or a second time", got.CausationID)
			continue
		}
		delete(e.poison, got.CausationID)
		left--
		if got.Reason != "decode" || !bytes.Equal(got.Value, in.Value) || !bytes.Equal(got.Key, in.Key) || r.Partition != in.Partition {
			a.fault("dead letter of %s: %+v", got.CausationID, got)
		}
		a.checkLink(e, r)
	}
	if left > 0 {
		a.fault("%d poisoned inputs without a dead letter", left)
	}
}

// checkState compares the changelog with what the state must be at rest, byte for byte.
func (a *audit) checkState(e expected) {
	got := map[int32]map[string][]byte{}
	for _, r := range a.changelog {
		if got[r.Partition] == nil {
			got[r.Partition] = map[string][]byte{}
		}
		if r.Value == nil {
			delete(got[r.Partition], string(r.Key))
		} else {
			got[r.Partition][string(r.Key)] = r.Value
		}
	}
	defer func() {
		if a.kept != 0 {
			a.fault("%d kept values are missing", a.kept)
		}
	}()
	for p, want := range e.state {
		for topic, head := range e.heads[p] {
			want[chainTable+string(topic)] = append(binary.BigEndian.AppendUint64(nil, head.seq), head.hash...)
		}
		if now := got[p][clockKey]; len(now) != 8 || int64(binary.BigEndian.Uint64(now)) < e.clock[p].UnixMicro() {
			a.fault("partition %d: its time is %x, its last event of %s", p, now, e.clock[p])
		}
		delete(got[p], clockKey)
		for key, v := range want {
			if !bytes.Equal(got[p][key], v) {
				a.fault("partition %d: state %q is %q, want %q", p, key, got[p][key], v)
			}
			delete(got[p], key)
		}
		for key, v := range got[p] {
			if name, kept := strings.CutPrefix(key, "kept/"); kept && bytes.Equal(v, process.Kept(name)) {
				a.kept--
				continue
			}
			a.fault("partition %d: state %q is %q, want none", p, key, v)
		}
	}
}

// TestTheVerdictSeesEveryKindOfDamage: a gate that cannot fail proves nothing.
func TestTheVerdictSeesEveryKindOfDamage(t *testing.T) {
	t.Parallel()
	if faults := sound(t).faults(); len(faults) > 0 {
		t.Fatalf("a sound world is said to have faults: %q", faults)
	}
	swap := func(rs []*kgo.Record) { rs[0], rs[1] = rs[1], rs[0] }
	for name, damage := range map[string]func(a *audit){
		"an event lost":    func(a *audit) { a.events = a.events[1:] },
		"an event doubled": func(a *audit) { a.events = append(a.events, a.events[0]) },
		"events swapped":   func(a *audit) { swap(a.events) },
		"an event changed": func(a *audit) {
			a.events[0].Value = bytes.Replace(a.events[0].Value, []byte(`"N":1`), []byte(`"N":2`), 1)
		},
		"a copy lost":        func(a *audit) { a.copies = a.copies[1:] },
		"a copy doubled":     func(a *audit) { a.copies = append(a.copies, a.copies[0]) },
		"a dead letter lost": func(a *audit) { a.dead = nil },
		"state behind":       func(a *audit) { a.changelog = a.changelog[:len(a.changelog)-1] },
		"state of no input": func(a *audit) {
			a.changelog = append(a.changelog, &kgo.Record{Key: []byte("call/x"), Value: []byte("1")})
		},
		"a link of no record": func(a *audit) { change(a.events[1], stream.HeaderPrev, bytes.Repeat([]byte{7}, sha256.Size)) },
	} {
		a := sound(t)
		damage(a)
		if len(a.faults()) == 0 {
			t.Errorf("%s: not seen", name)
		}
	}
}

func change(r *kgo.Record, header string, value []byte) {
	for i := range r.Headers {
		if r.Headers[i].Key == header {
			r.Headers[i].Value = value
		}
	}
}

// sound is what comes of a few inputs without any fault: the topics by the runtime, the changelog as it must be.
func sound(t *testing.T) *audit {
	t.Helper()
	now := time.UnixMilli(1e12).UTC()
	m, err := stream.NewMemory(process.Topology(func(string) {}), process.Codec{}, 1, now)
	if err != nil {
		t.Fatal(err)
	}
	a := &audit{}
	for n, value := range []string{`"count"`, `"count"`, "poison", `"effect"`} {
		a.inputs = append(a.inputs, &kgo.Record{Topic: string(process.Inputs), Offset: int64(n), Key: []byte("k"), Value: []byte(value)})
		if err := m.Feed(process.Inputs, "k", []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Perform(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range m.Log {
		switch event.Topic(r.Topic) {
		case process.Copies:
			r.Partition = stream.Partition(string(r.Key), partitions)
			a.copies = append(a.copies, r)
		case event.DeadLetters:
			a.dead = append(a.dead, r)
		default:
			a.events = append(a.events, r)
		}
	}
	a.changelog = []*kgo.Record{{Key: []byte(clockKey), Value: binary.BigEndian.AppendUint64(nil, uint64(now.UnixMicro()))},
		{Key: []byte("count/k"), Value: []byte("2")}, {Key: []byte("call/x"), Value: []byte("{}")}, {Key: []byte("call/x")}, {Key: []byte("count/k"), Value: []byte("3")}}
	for topic, records := range map[event.Topic][]*kgo.Record{event.IdentityEvents: a.events, event.DeadLetters: a.dead} {
		last := records[len(records)-1]
		a.changelog = slices.Insert(a.changelog, 0, &kgo.Record{Key: []byte(chainTable + string(topic)),
			Value: append(binary.BigEndian.AppendUint64(nil, uint64(len(records))), header(last, stream.HeaderHash)...)})
	}
	return a
}

// Package streamtest runs a topology in memory for tests of services: the real engine, a clock of its own, no Kafka.
package streamtest

import (
	"sync"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/wire"
)

// Partitions of the harness: more than one, so that a test notices what lands in the wrong one.
const Partitions = 3

// Harness feeds records to a topology and shows what it emits. Every fault fails the test at once.
type Harness struct {
	*stream.Memory
	t     testing.TB
	codec *wire.Serde
	seen  map[event.Topic]int
}

// embedded is one codec for all harnesses: it reads and compiles each schema once.
var embedded = sync.OnceValue(func() *wire.Serde { return wire.New(wire.Static()) })

// New starts a topology at a moment, with the embedded schemas.
func New(t testing.TB, topology stream.Topology, start time.Time) *Harness {
	t.Helper()
	codec := embedded()
	m, err := stream.NewMemory(topology, codec, Partitions, start)
	if err != nil {
		t.Fatalf("start %s: %v", topology.Name, err)
	}
	return &Harness{Memory: m, t: t, codec: codec, seen: map[event.Topic]int{}}
}

// Feed encodes v as a record of topic and handles it.
func (h *Harness) Feed(topic event.Topic, key string, v any) {
	h.t.Helper()
	b, err := h.codec.AppendEncode(nil, string(topic), v)
	if err != nil {
		h.t.Fatalf("encode for %s: %v", topic, err)
	}
	h.FeedRaw(topic, key, b)
}

// FeedRaw handles a record with these bytes.
func (h *Harness) FeedRaw(topic event.Topic, key string, value []byte) {
	h.t.Helper()
	h.must(h.Memory.Feed(topic, key, value))
}

// TryFeed is Feed that returns what the handler says.
func (h *Harness) TryFeed(topic event.Topic, key string, v any) error {
	h.t.Helper()
	b, err := h.codec.AppendEncode(nil, string(topic), v)
	if err != nil {
		h.t.Fatalf("encode for %s: %v", topic, err)
	}
	return h.Memory.Feed(topic, key, b)
}

// FeedAll encodes v and handles it in every partition, as markers and sweep commands come.
func (h *Harness) FeedAll(topic event.Topic, key string, v any) {
	h.t.Helper()
	b, err := h.codec.AppendEncode(nil, string(topic), v)
	if err != nil {
		h.t.Fatalf("encode for %s: %v", topic, err)
	}
	for p := range int32(Partitions) {
		h.must(h.FeedAt(p, topic, key, b))
	}
}

// Advance moves the clock through all timers due.
func (h *Harness) Advance(d time.Duration) { h.t.Helper(); h.must(h.Memory.Advance(d)) }

// Perform runs pending effects and hands over their results until none is left.
func (h *Harness) Perform() { h.t.Helper(); h.must(h.Memory.Perform(h.t.Context())) }

// Restart forgets everything but committed state.
func (h *Harness) Restart() { h.t.Helper(); h.must(h.Memory.Restart()) }

func (h *Harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// Out decodes what was emitted to topic since the last call for it. Tombstones come as zero values.
func Out[T any](h *Harness, topic event.Topic) []T {
	h.t.Helper()
	var out []T
	n := 0
	for _, r := range h.Log {
		if r.Topic != string(topic) {
			continue
		}
		if n++; n <= h.seen[topic] {
			continue
		}
		var v T
		if r.Value != nil {
			if err := h.codec.Decode(r.Value, r.Topic, &v); err != nil {
				h.t.Fatalf("decode %s: %v", topic, err)
			}
		}
		out = append(out, v)
	}
	h.seen[topic] = n
	return out
}

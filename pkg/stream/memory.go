package stream

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// Memory runs a topology without Kafka, one record a transaction: what service tests stand on (package streamtest
// wraps it). It is the same engine as in production; only the log is a slice.
type Memory struct {
	Log []*kgo.Record // everything committed, in order; partitions as they would be

	eng     *engine
	states  map[int32]map[string][]byte // as restored from the changelog
	offsets map[string]int64
	effects []effect
	now     time.Time
}

// NewMemory makes an instance that owns all n partitions.
func NewMemory(t Topology, codec Codec, n int32, now time.Time) (*Memory, error) {
	m := &Memory{eng: newEngine(t, codec, n), states: map[int32]map[string][]byte{}, offsets: map[string]int64{}, now: now}
	return m, m.Restart()
}

// Now is the time of the next record.
func (m *Memory) Now() time.Time { return m.now }

// Restart forgets everything that was not committed, as a crash does, and runs Assigned in every partition.
func (m *Memory) Restart() error {
	m.effects = nil
	m.eng = newEngine(m.eng.topo, m.eng.codec, m.eng.nparts)
	for id := range m.eng.nparts {
		if err := m.eng.take(context.Background(), id, maps.Clone(m.states[id])); err != nil {
			return err
		}
		if m.eng.parts[id].live == nil {
			m.eng.parts[id].live = map[string][]byte{}
		}
	}
	return m.Tick()
}

// Feed handles one record in a transaction of its own.
func (m *Memory) Feed(topic event.Topic, key string, value []byte) error {
	return m.feed(Record{Topic: topic, Partition: Partition(key, m.eng.nparts), Key: key, Value: value})
}

// FeedWith is Feed of a record with headers.
func (m *Memory) FeedWith(headers map[string][]byte, topic event.Topic, key string, value []byte) error {
	return m.feed(Record{Topic: topic, Partition: Partition(key, m.eng.nparts), Key: key, Value: value, Headers: headers})
}

// FeedAt is Feed to a partition that is not the key's.
func (m *Memory) FeedAt(partition int32, topic event.Topic, key string, value []byte) error {
	return m.feed(Record{Topic: topic, Partition: partition, Key: key, Value: value})
}

// Tick gives every partition a tick: timers due fire, results are handed over.
func (m *Memory) Tick() error {
	for id := range m.eng.nparts {
		if err := m.feed(Record{Topic: event.Topic(tickTopic(m.eng.topo.Name)), Partition: id, Key: "tick", Value: []byte{1}}); err != nil {
			return err
		}
	}
	return nil
}

// Advance moves time to each timer in turn, and to the end of d.
func (m *Memory) Advance(d time.Duration) error {
	for end := m.now.Add(d); ; {
		next := end
		for _, p := range m.eng.parts {
			if at := p.timers.next(); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if next.After(m.now) {
			m.now = next
		}
		if err := m.Tick(); err != nil || !next.Before(end) {
			return err
		}
	}
}

// Effects are asked for and not yet performed.
func (m *Memory) Effects() []any {
	out := make([]any, len(m.effects))
	for i, e := range m.effects {
		out[i] = e.v
	}
	return out
}

// Perform runs the pending effects in order and hands over their results, until none is left.
func (m *Memory) Perform(ctx context.Context) error {
	for len(m.effects) > 0 {
		e := m.effects[0]
		m.effects = m.effects[1:]
		if result := m.eng.topo.Perform(ctx, e.v); result != nil {
			e.part.deliver(result)
		}
		if err := m.Tick(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) feed(r Record) error {
	place := fmt.Sprintf("%s/%d", r.Topic, r.Partition)
	r.Offset = m.offsets[place]
	tx := m.eng.begin()
	if err := m.eng.handle(tx, r, m.now); err != nil {
		m.eng.abort(tx)
		return err
	}
	m.offsets[place]++
	m.Log = append(m.Log, tx.records...)
	for _, r := range tx.changelog() {
		if m.states[r.Partition] == nil {
			m.states[r.Partition] = map[string][]byte{}
		}
		fold(m.states[r.Partition], r.Key, r.Value)
	}
	m.effects = append(m.effects, m.eng.commit(tx)...)
	return nil
}

package stream

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ticker writes tick records: once per interval for an idle partition, at once for a waiting result, and when a timer
// falls due. A transaction without a consumed offset would not be fenced, so whatever does not come from an input
// enters by consuming a tick of the very partition it concerns.
//
// At most one tick asked for is under way per partition: results that arrive meanwhile ride on the next.
type ticker struct {
	topic  string
	clock  Clock
	every  time.Duration
	client *kgo.Client
	kick   chan struct{} // capacity 1: something changed, look again

	mu    sync.Mutex
	parts map[int32]*tickState
}

type tickState struct {
	asked    bool      // a result waits
	underway bool      // a tick is produced and not yet consumed
	sent     time.Time // machine time of the last tick
	due      time.Time // pipeline time of the next timer; zero: none
}

func newTicker(name string, o Options) (*ticker, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(5 * time.Second)}, o.Dialer...)...)
	if err != nil {
		return nil, fmt.Errorf("open client for ticks: %w", err)
	}
	return &ticker{topic: tickTopic(name), clock: o.Clock, every: o.TickEvery, client: client,
		kick: make(chan struct{}, 1), parts: map[int32]*tickState{}}, nil
}

func (t *ticker) own(id int32) { t.change(id, func(*tickState) {}, true) }

func (t *ticker) disown(id int32) {
	t.mu.Lock()
	delete(t.parts, id)
	t.mu.Unlock()
}

// ask wants a tick now: a result waits in the partition.
func (t *ticker) ask(id int32) { t.change(id, func(s *tickState) { s.asked = true }, false) }

// due says when the partition's next timer falls due, in pipeline time.
func (t *ticker) due(id int32, at time.Time) { t.settled(id, false, at) }

// settled says that a transaction with the partition is over, whether a tick of it was consumed, and when its next timer
// falls due. A result that came after the tick's were taken has asked again, and is served now.
func (t *ticker) settled(id int32, ticked bool, due time.Time) {
	t.mu.Lock()
	s := t.parts[id]
	changed := s != nil && (ticked || !s.due.Equal(due))
	if changed {
		s.underway, s.due = s.underway && !ticked, due
	}
	t.mu.Unlock()
	if changed {
		t.wake()
	}
}

func (t *ticker) change(id int32, f func(*tickState), create bool) {
	t.mu.Lock()
	s := t.parts[id]
	if s == nil && create {
		s = &tickState{}
		t.parts[id] = s
	}
	if s != nil {
		f(s)
	}
	t.mu.Unlock()
	if s != nil {
		t.wake()
	}
}

func (t *ticker) wake() {
	select {
	case t.kick <- struct{}{}:
	default: // one is waiting already, and will see everything
	}
}

func (t *ticker) run(ctx context.Context) error {
	defer t.client.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-t.kick:
		}
		records, wait := t.plan()
		for _, r := range records {
			t.client.Produce(ctx, r, t.sent)
		}
		timer.Reset(wait)
	}
}

// sent notes a tick that did not reach the log, so that it is tried again.
func (t *ticker) sent(r *kgo.Record, err error) {
	if err != nil {
		t.change(r.Partition, func(s *tickState) { s.underway, s.asked = false, true }, false)
	}
}

// plan gives the ticks to write now and how long to wait for the next.
func (t *ticker) plan() (records []*kgo.Record, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, wall := t.clock.Now(), time.Now()
	wait = t.every
	for id, s := range t.parts {
		fired := !s.due.IsZero() && !s.due.After(now)
		idle := wall.Sub(s.sent) >= t.every
		if idle || ((s.asked || fired) && !s.underway) {
			s.asked, s.underway, s.sent = false, true, wall
			records = append(records, &kgo.Record{Topic: t.topic, Partition: id, Key: []byte("tick"), Value: []byte{1}, Headers: []kgo.RecordHeader{timeHeader(now)}})
			continue
		}
		wait = min(wait, t.every-wall.Sub(s.sent))
		if !s.due.IsZero() && !s.underway {
			wait = min(wait, max(s.due.Sub(now), time.Millisecond))
		}
	}
	return records, wait
}

package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/event"
)

// Run processes the topology until ctx ends, and returns nil then. It outlives brokers: after a fault of the session
// it closes everything, restores, and goes on. It returns an error for what no retry mends: a wrong topology, missing
// or unfit topics, a broker too old.
func Run(ctx context.Context, t Topology, o Options) error {
	o.defaults()
	if err := Validate(t, o); err != nil {
		return fmt.Errorf("run %s: %w", t.Name, err)
	}
	m := newMetrics(t.Name, o.Metrics)
	backoff := minBackoff
	for {
		began := time.Now()
		err := runSession(ctx, t, o, m)
		if ctx.Err() != nil {
			return nil
		}
		var unfit *UnfitError
		if errors.As(err, &unfit) {
			return fmt.Errorf("run %s: %w", t.Name, err)
		}
		if time.Since(began) > maxBackoff {
			backoff = minBackoff
		}
		m.restarts.Inc()
		o.Log.Warn("session ended, starting again", "topology", t.Name, "after", backoff, "err", err)
		if !pause(ctx, backoff) {
			return nil
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// session is one life of a member: from joining the group to the first error that ends it.
//
//	kgo group goroutine          loop goroutine                 effects           ticker goroutine
//	assigned -> restore, take    poll -> handle -> produce+End   Perform           idle, timer due, result waiting
//	revoked  -> drop             commit -> fold, start effects   -> deliver, ask   -> produce a tick
//
// Rebalances are blocked from poll to AllowRebalance. The callbacks never touch the engine: they queue what changed,
// and the loop applies it before it handles anything. Locks: mu (the queue), partition.mu, ticker.mu; none is held
// while another is taken, and nothing is awaited under any of them.
type session struct {
	opts    Options
	metrics *metrics
	client  *kgo.GroupTransactSession
	ticker  *ticker
	eng     *engine         // of the loop goroutine
	ctx     context.Context // of the session: the parent of every partition's
	effects sync.WaitGroup

	mu     sync.Mutex
	queue  []assignment
	losers map[int32]context.CancelFunc
}

// assignment is one partition taken, with its restored state, or lost.
type assignment struct {
	id    int32
	lost  bool
	ctx   context.Context // ends when it is lost again
	state map[string][]byte
	fault error // the restore failed: ends the session
}

func runSession(ctx context.Context, t Topology, o Options, m *metrics) error {
	nparts, err := checkTopics(ctx, t, o)
	if err != nil {
		return err
	}
	if err := fence(ctx, t, o); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &session{opts: o, metrics: m, ctx: ctx, eng: newEngine(t, o.Codec, nparts), losers: map[int32]context.CancelFunc{}}
	defer s.effects.Wait() // the next session reads what the calls have done: they have ended by then
	defer cancel()
	if s.ticker, err = newTicker(t.Name, o); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.ticker.run(ctx) })
	if s.client, err = kgo.NewGroupTransactSession(s.clientOptions(t)...); err != nil {
		cancel()
		return errors.Join(fmt.Errorf("open session: %w", err), group.Wait())
	}
	group.Go(func() error { return s.loop(ctx) })
	err = group.Wait()
	s.client.CloseAllowingRebalance()
	return err
}

func transactionalID(t Topology, o Options) string { return "joinery-" + t.Name + "-" + o.Instance }

// fence takes over the transactional id before joining the group: what the last life left open is aborted now
// instead of by its time-out, which would hold back every reader of committed records.
func fence(ctx context.Context, t Topology, o Options) error {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.TransactionalID(transactionalID(t, o))}, o.Dialer...)...)
	if err != nil {
		return fmt.Errorf("open client to fence: %w", err)
	}
	defer cl.Close()
	if _, _, err := cl.ProducerID(ctx); err != nil {
		return fmt.Errorf("fence the last owner of %s: %w", transactionalID(t, o), err)
	}
	return nil
}

func (s *session) clientOptions(t Topology) []kgo.Opt {
	topics := []string{tickTopic(t.Name)}
	for _, in := range t.Inputs {
		topics = append(topics, string(in.Topic))
	}
	return append([]kgo.Opt{
		kgo.SeedBrokers(s.opts.Seeds...),
		kgo.ConsumerGroup(t.Name), kgo.InstanceID(s.opts.Instance), kgo.ConsumeTopics(topics...),
		kgo.Balancers(kgo.RangeBalancer()), // gives partition p of every topic to one member
		kgo.SessionTimeout(s.opts.SessionTimeout), kgo.RebalanceTimeout(60 * time.Second),
		kgo.TransactionalID(transactionalID(t, s.opts)), kgo.TransactionTimeout(s.opts.SessionTimeout / 2),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.BlockRebalanceOnPoll(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.OnPartitionsAssigned(func(ctx context.Context, _ *kgo.Client, got map[string][]int32) {
			s.assigned(ctx, got[tickTopic(t.Name)])
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { s.revoked(lost[tickTopic(t.Name)]) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { s.revoked(lost[tickTopic(t.Name)]) }),
	}, s.opts.Dialer...)
}

// assigned restores the state of each partition before any of its records is handled.
func (s *session) assigned(ctx context.Context, ids []int32) {
	if len(ids) == 0 {
		return
	}
	began := time.Now()
	states, err := restore(ctx, stateTopic(s.eng.topo.Name), ids, s.opts)
	took := time.Since(began)
	s.metrics.restoreSeconds.Set(took.Seconds())
	s.opts.Log.Info("partitions assigned", "topology", s.eng.topo.Name, "partitions", ids, "took", took)
	s.mu.Lock()
	for _, id := range ids {
		ctx, lose := context.WithCancel(s.ctx)
		s.losers[id] = lose
		s.queue = append(s.queue, assignment{id: id, ctx: ctx, state: states[id], fault: err})
	}
	s.mu.Unlock()
	for _, id := range ids {
		s.ticker.own(id) // the first tick wakes the loop, which runs Assigned
	}
}

func (s *session) revoked(ids []int32) {
	if len(ids) == 0 {
		return
	}
	s.opts.Log.Info("partitions revoked", "topology", s.eng.topo.Name, "partitions", ids)
	for _, id := range ids {
		s.ticker.disown(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if lose := s.losers[id]; lose != nil {
			lose()
			delete(s.losers, id)
		}
		s.queue = append(s.queue, assignment{id: id, lost: true})
	}
}

// apply brings the engine up to what the group has decided.
func (s *session) apply() error {
	s.mu.Lock()
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	for _, a := range queue {
		if a.fault != nil {
			return a.fault
		}
		s.eng.drop(a.id)
		if a.lost {
			continue
		}
		if err := s.eng.take(a.ctx, a.id, a.state); err != nil {
			return err
		}
		s.ticker.due(a.id, s.eng.parts[a.id].timers.next())
	}
	if len(queue) > 0 {
		s.metrics.partitions.Set(float64(len(s.eng.parts)))
		if s.opts.OnReady != nil && len(s.eng.parts) > 0 {
			s.opts.OnReady()
		}
	}
	return nil
}

func (s *session) loop(ctx context.Context) error {
	backoff := minBackoff
	for {
		fetches := s.client.PollRecords(ctx, s.opts.MaxBatch)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return ctx.Err()
		}
		if err := fetchError(fetches); err != nil {
			return err
		}
		again, err := s.process(fetches)
		s.client.AllowRebalance()
		if err != nil {
			return err
		}
		if !again {
			backoff = minBackoff
			continue
		}
		if !pause(ctx, backoff) {
			return ctx.Err()
		}
		backoff = min(2*backoff, time.Second)
	}
}

// process runs one poll as one transaction. again says that a handler asked to be tried later.
func (s *session) process(fetches kgo.Fetches) (again bool, err error) {
	if err := s.apply(); err != nil {
		return false, err
	}
	began := time.Now()
	tx := s.eng.begin()
	if err := s.handleAll(tx, fetches); err != nil {
		s.eng.abort(tx)
		s.metrics.retries.Inc()
		s.opts.Log.Debug("handler asked to retry", "topology", s.eng.topo.Name, "err", err)
		if !errors.Is(err, ErrNotReady) {
			s.opts.Log.Warn("transaction aborted, trying again", "topology", s.eng.topo.Name, "err", err)
		}
		return true, s.rewind()
	}
	if tx.empty() { // ticks that found nothing to do: their offsets go with the next transaction
		return false, nil
	}
	committed, err := s.publish(tx)
	if err != nil {
		s.eng.abort(tx)
		return false, err
	}
	if !committed {
		s.eng.abort(tx)
		s.metrics.aborts.Inc()
		return false, nil
	}
	s.start(s.eng.commit(tx))
	s.wake()
	s.metrics.committed(tx, time.Since(began))
	return false, nil
}

func (s *session) handleAll(tx *staged, fetches kgo.Fetches) (err error) {
	ticks := tickTopic(s.eng.topo.Name)
	now := s.opts.Clock.Now()
	fetches.EachRecord(func(r *kgo.Record) {
		if err != nil || s.eng.parts[r.Partition] == nil {
			return
		}
		rec := record(r)
		at := rec.time(r.Timestamp)
		if r.Topic == ticks {
			s.ticker.consumed(r.Partition)
		} else if s.eng.inputs[rec.Topic].Entrance {
			at = now
		}
		err = s.eng.handle(tx, rec, at)
	})
	return err
}

// publish makes a transaction durable: outputs, changelog, offsets, all or none. Only then may anything of it be
// seen in memory. The context of End is not the session's: cutting End off leaves the outcome unknown.
func (s *session) publish(tx *staged) (committed bool, err error) {
	if err := s.client.Begin(); err != nil {
		return false, fmt.Errorf("begin transaction: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), s.opts.SessionTimeout)
	defer cancel()
	var first kgo.FirstErrPromise
	for _, r := range slices.Concat(tx.records, tx.changelog()) {
		s.client.Produce(ctx, r, first.Promise())
	}
	if err := first.Err(); err != nil { // waits for every record
		_, aborted := s.client.End(ctx, kgo.TryAbort)
		return false, errors.Join(fmt.Errorf("produce: %w", err), aborted)
	}
	committed, err = s.client.End(ctx, kgo.TryCommit)
	if err != nil {
		return false, fmt.Errorf("end transaction: %w", err)
	}
	return committed, nil
}

// rewind goes back to the committed offsets: an aborted transaction does just that.
func (s *session) rewind() error {
	if err := s.client.Begin(); err != nil {
		return fmt.Errorf("begin transaction to rewind: %w", err)
	}
	if _, err := s.client.End(context.WithoutCancel(s.ctx), kgo.TryAbort); err != nil {
		return fmt.Errorf("rewind: %w", err)
	}
	return nil
}

// start performs effects whose transaction has committed, each in a goroutine that the session waits for.
func (s *session) start(effects []effect) {
	for _, e := range effects {
		s.effects.Add(1)
		go func() {
			defer s.effects.Done()
			result := s.eng.topo.Perform(e.part.ctx, e.v)
			if result == nil || e.part.ctx.Err() != nil {
				return
			}
			e.part.deliver(result)
			s.ticker.ask(e.part.id)
		}()
	}
}

// wake tells the ticker when the next timer of each partition is due.
func (s *session) wake() {
	for _, id := range slices.Sorted(maps.Keys(s.eng.parts)) {
		s.ticker.due(id, s.eng.parts[id].timers.next())
	}
}

func record(r *kgo.Record) Record {
	rec := Record{Topic: event.Topic(r.Topic), Partition: r.Partition, Offset: r.Offset, Key: string(r.Key), Value: r.Value}
	if len(r.Headers) > 0 {
		rec.Headers = make(map[string][]byte, len(r.Headers))
		for _, h := range r.Headers {
			rec.Headers[h.Key] = h.Value
		}
	}
	return rec
}

// time is when the pipeline wrote the record; of a record from elsewhere, what its producer says.
func (r Record) time(otherwise time.Time) time.Time {
	if b := r.Headers[HeaderTime]; len(b) == 8 {
		return time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	}
	return otherwise.UTC()
}

func fetchError(fetches kgo.Fetches) (err error) {
	fetches.EachError(func(topic string, p int32, e error) {
		if err == nil && e != nil {
			err = fmt.Errorf("fetch %s/%d: %w", topic, p, e)
		}
	})
	return err
}

// pause waits, and says whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

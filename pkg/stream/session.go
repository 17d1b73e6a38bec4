package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
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
	c := openCache(t, o)
	defer c.close()
	backoff, fit := minBackoff, time.Now()
	for {
		began := time.Now()
		err := runSession(ctx, t, o, m, c)
		if ctx.Err() != nil {
			return nil
		}
		var unfit *UnfitError
		switch {
		case !errors.As(err, &unfit):
			fit = time.Now()
		case time.Since(fit) > unfitPatience:
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

// unfitPatience is how long a cluster may lack topics: it answers that they are made before every broker shows them.
const unfitPatience = 3 * time.Second

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
// and the loop applies it before it handles anything. DESIGN.md has the locks.
type session struct {
	opts    Options
	metrics *metrics
	client  *kgo.GroupTransactSession
	ticker  *ticker
	cache   *cache          // nil: none
	log     changelog       // where the state is
	eng     *engine         // of the loop goroutine
	pace    pace            // of the loop goroutine
	ended   time.Time       // of the loop goroutine: when the last transaction ended
	full    bool            // of the loop goroutine: too many effects run
	yields  bool            // of the loop goroutine: inputs that are not urgent are to wait
	paused  []string        // of the loop goroutine: inputs that are
	ctx     context.Context // of the session: the parent of every partition's
	fault   chan error      // of a callback: ends the session; capacity 1, the first counts

	effects sync.WaitGroup // and whatever else outlives a turn of the loop
	running atomic.Int64   // effects started and not ended

	mu     sync.Mutex
	queue  []assignment
	losers map[int32]context.CancelFunc // of what is held, as the group sees it
}

// assignment is one partition taken, with its restored state, or lost.
type assignment struct {
	id    int32
	lost  bool
	ctx   context.Context // ends when it is lost again
	state map[string][]byte
}

func runSession(ctx context.Context, t Topology, o Options, m *metrics, c *cache) error {
	fit, err := prepare(ctx, t, o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &session{opts: o, metrics: m, cache: c, log: fit.log, ctx: ctx, eng: newEngine(t, o.Codec, fit.partitions), fault: make(chan error, 1), losers: map[int32]context.CancelFunc{}}
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
	group.Go(func() error {
		select {
		case err := <-s.fault:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	err = group.Wait()
	cancel() // before the client closes: that waits for a restore under way
	s.client.CloseAllowingRebalance()
	return err
}

// prepare looks whether the cluster is fit, and fences the last life meanwhile: a restart waits for the longer of the two.
func prepare(ctx context.Context, t Topology, o Options) (fit fitness, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		fit, err = checkTopics(ctx, t, o)
		return err
	})
	group.Go(func() error { return fence(ctx, t, o) })
	return fit, group.Wait()
}

func transactionalID(t Topology, o Options) string { return "joinery-" + t.Name + "-" + o.Instance }

// fence takes over the transactional id before joining the group: what the last life left open is aborted now
// instead of by its time-out, which would hold back every reader of committed records.
func fence(ctx context.Context, t Topology, o Options) error {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.TransactionalID(transactionalID(t, o)),
		kgo.TransactionTimeout(o.SessionTimeout / 2), kgo.RequestTimeoutOverhead(answerWithin)}, o.Dialer...)...)
	if err != nil {
		return fmt.Errorf("open client to fence: %w", err)
	}
	defer cl.Close()
	if _, _, err := cl.ProducerID(ctx); err != nil {
		return fmt.Errorf("fence the last owner of %s: %w", transactionalID(t, o), err)
	}
	return nil
}

// fetchWait bounds how long a fetch may wait for records. A broker has one fetch of a client at a time, so a partition
// that becomes known while one waits is not read before it returns: with the client's 5 s, a restart took 5 s.
const fetchWait = 250 * time.Millisecond

const fetchBytes = 50 << 20 // of all partitions, as the client's default

func (s *session) clientOptions(t Topology) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(s.opts.Seeds...),
		kgo.ConsumerGroup(t.Name), kgo.InstanceID(s.opts.Instance), kgo.ConsumeTopics(t.consumes()...),
		kgo.Balancers(kgo.RangeBalancer()), // gives partition p of every topic to one member
		kgo.SessionTimeout(s.opts.SessionTimeout), kgo.HeartbeatInterval(s.opts.SessionTimeout / 6), kgo.RebalanceTimeout(60 * time.Second),
		kgo.TransactionalID(transactionalID(t, s.opts)), kgo.TransactionTimeout(s.opts.SessionTimeout / 2),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.BlockRebalanceOnPoll(), kgo.FetchMaxWait(fetchWait), kgo.FetchMaxBytes(fetchBytes), kgo.FetchMaxPartitionBytes(s.pace.ahead()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), // not ManualFlushing: what a flush cut off leaves is never settled
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) { s.assigned(got) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { s.lost(lost[tickTopic(t.Name)]) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { s.lost(lost[tickTopic(t.Name)]) }),
	}, s.opts.Dialer...)
}

// assigned restores the state of each partition before any of its records is fetched. The assignor is eager: got is
// all that this member now has.
func (s *session) assigned(got map[string][]int32) {
	s.lost(s.held()) // kgo swallows a second revocation when no transaction has ended since the first
	ids := got[tickTopic(s.eng.topo.Name)]
	if err := s.coPartitioned(got); err != nil {
		s.fail(err)
		return
	}
	if len(ids) == 0 {
		return
	}
	began := time.Now()
	parts, read, err := restore(s.ctx, s.log, ids, s.opts, s.cache)
	if err != nil {
		s.fail(err)
		return
	}
	beginnings := map[int32]*beginning{}
	s.mu.Lock()
	for _, id := range ids {
		ctx, lose := context.WithCancel(s.ctx)
		s.losers[id] = lose
		s.queue = append(s.queue, assignment{id: id, ctx: ctx, state: parts[id].state})
		if s.cache != nil {
			beginnings[id] = parts[id].begin(cacheHeader(s.log.topic, s.log.id, id, s.opts.Instance))
		}
	}
	s.mu.Unlock()
	s.cache.begin(beginnings)
	took := time.Since(began)
	s.metrics.restored(took, read)
	s.opts.Log.Info("partitions assigned", "topology", s.eng.topo.Name, "partitions", ids, "took", took, "records", read)
	for _, id := range ids {
		s.ticker.own(id) // the first tick wakes the loop, which runs Assigned
	}
}

// coPartitioned checks that partition p of all topics came to one member. The range assignor sees to that as long as
// all members subscribe alike; while an upgrade that adds an input is under way they do not.
func (s *session) coPartitioned(got map[string][]int32) error {
	want := slices.Sorted(slices.Values(got[tickTopic(s.eng.topo.Name)]))
	for _, topic := range s.eng.topo.consumes() {
		if have := slices.Sorted(slices.Values(got[topic])); !slices.Equal(have, want) {
			return fmt.Errorf("assigned partitions %v of %s but %v of %s: another member of group %s consumes other topics; let all instances run the same version",
				have, topic, want, tickTopic(s.eng.topo.Name), s.eng.topo.Name)
		}
	}
	return nil
}

// fail ends the session from a callback.
func (s *session) fail(err error) {
	select {
	case s.fault <- err:
	default: // it ends already
	}
}

func (s *session) held() []int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.losers))
}

// lost ends what goes on for the partitions at once; their state goes when the loop comes to it.
func (s *session) lost(ids []int32) {
	if len(ids) == 0 {
		return
	}
	s.opts.Log.Info("partitions lost", "topology", s.eng.topo.Name, "partitions", ids)
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

// apply brings the engine up to what the group has decided, and says whether anything was lost.
func (s *session) apply() (lost bool, err error) {
	s.mu.Lock()
	queue := s.queue
	s.queue = nil
	s.mu.Unlock()
	for _, a := range queue {
		s.eng.drop(a.id)
		if a.lost {
			lost = true
			continue
		}
		if err := s.eng.take(a.ctx, a.id, a.state); err != nil {
			return lost, err
		}
		s.ticker.due(a.id, s.eng.parts[a.id].timers.next())
	}
	if len(queue) > 0 {
		s.metrics.partitions.Set(float64(len(s.eng.parts)))
		if s.opts.OnReady != nil && len(s.eng.parts) > 0 {
			s.opts.OnReady()
		}
	}
	return lost, s.reach("applied")
}

func record(r *kgo.Record) Record {
	rec := Record{Topic: event.Topic(r.Topic), Partition: r.Partition, Offset: r.Offset, Key: string(r.Key), Value: r.Value}
	for _, h := range r.Headers {
		if h.Key == HeaderTime {
			rec.sent = h.Value
			continue
		}
		if rec.Headers == nil {
			rec.Headers = make(map[string][]byte, len(r.Headers))
		}
		rec.Headers[h.Key] = h.Value
	}
	return rec
}

// time is when the pipeline wrote the record; what comes from elsewhere is dated by the pipeline's clock.
func (r Record) time(otherwise time.Time) time.Time {
	if len(r.sent) == 8 {
		return time.UnixMicro(int64(binary.BigEndian.Uint64(r.sent))).UTC()
	}
	return otherwise
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

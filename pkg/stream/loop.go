package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// idleCommit is how long ticks that found nothing to do may stay uncommitted: a restart reads them again.
const idleCommit = time.Minute

func (s *session) loop(ctx context.Context) error {
	backoff := minBackoff
	last := 0 // records of the last poll
	s.ended = time.Now()
	for {
		s.throttle()
		if rest := s.pace.rest(time.Since(s.ended), last); rest > 0 {
			s.metrics.rests.Inc()
			if !pause(ctx, rest) {
				return ctx.Err()
			}
		}
		fetches := s.poll(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.yields && errors.Is(fetches.Err(), context.DeadlineExceeded) { // there was nothing but what waits
			s.client.AllowRebalance()
			continue
		}
		if err := fetchError(fetches); err != nil { // a closed client too
			return err
		}
		last = fetches.NumRecords()
		refused, err := s.process(fetches)
		s.client.AllowRebalance()
		switch {
		case err != nil:
			return err
		case !refused:
			backoff = minBackoff
			continue
		}
		if !pause(ctx, backoff) {
			return ctx.Err()
		}
		backoff = min(2*backoff, time.Second)
	}
}

// yieldPoll is how long a poll may wait for records while inputs yield: then they are asked again.
const yieldPoll = 20 * time.Millisecond

func (s *session) poll(ctx context.Context) kgo.Fetches {
	if s.yields {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, yieldPoll)
		defer cancel()
	}
	return s.client.PollRecords(ctx, s.pace.batch(s.opts.MaxBatch))
}

// throttle pauses the inputs, not the ticks, while too many effects run: their results make room. It pauses those that
// are not urgent while they are to yield.
func (s *session) throttle() {
	running := int(s.running.Load())
	switch {
	case !s.full && running >= s.opts.MaxEffects:
		s.full = true
	case s.full && running <= s.opts.MaxEffects/2:
		s.full = false
	}
	s.yields = s.opts.Yield != nil && s.opts.Yield()
	wait := s.eng.topo.waiting(s.full, s.yields)
	if !slices.Equal(wait, s.paused) {
		s.client.Client().ResumeFetchTopics(s.paused...)
		s.client.Client().PauseFetchTopics(wait...)
		s.paused = wait
	}
}

// process runs one poll as one transaction. refused says that the broker did not commit it.
func (s *session) process(fetches kgo.Fetches) (refused bool, err error) {
	lost, err := s.apply()
	if err != nil {
		return false, err
	}
	if lost { // start afresh: it clears the client's mark of the revocation, or it would abort the next transaction
		return false, s.rewind()
	}
	began := time.Now()
	tx := s.eng.begin()
	defer s.settle(tx)
	if id, err := s.handleAll(tx, fetches); err != nil {
		s.eng.abort(tx)
		return false, s.retry(id, err)
	}
	if tx.empty() && time.Since(s.ended) < idleCommit { // ticks that found nothing to do: their offsets go with the next transaction
		s.eng.commit(tx)
		return false, nil
	}
	if err := s.reach("before begin"); err != nil {
		return false, err
	}
	committed, err := s.publish(tx)
	if err == nil && !committed {
		err = s.confirmAborted()
	}
	if err != nil || !committed {
		s.eng.abort(tx)
		s.metrics.aborts.Inc()
		return true, err
	}
	if err := s.reach("after end"); err != nil {
		return false, err
	}
	s.cache.add(tx.changes)
	effects := s.eng.commit(tx)
	if err := s.reach("after fold"); err != nil {
		return false, err
	}
	s.start(effects)
	took := time.Since(began)
	s.pace.fit(fetches.NumRecords(), waiting(fetches), paceMost(s.eng.topo, s.opts.MaxBatch), took)
	s.client.Client().UpdateFetchMaxBytes(fetchBytes, s.pace.ahead())
	s.metrics.committed(tx, took)
	return false, nil
}

// waiting gives how many records are in the log beyond those fetched, of the same partitions.
func waiting(fetches kgo.Fetches) (n int) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if last := len(p.Records) - 1; last >= 0 {
			n += max(0, int(p.LastStableOffset-p.Records[last].Offset)-1)
		}
	})
	return n
}

func (s *session) handleAll(tx *staged, fetches kgo.Fetches) (id int32, err error) {
	now := s.opts.Clock.Now().Truncate(time.Microsecond)
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		entrance := s.eng.inputs[event.Topic(p.Topic)].Entrance
		for _, r := range p.Records {
			if err != nil {
				return
			}
			rec := record(r)
			at := now
			if !entrance {
				at = rec.time(now)
			}
			id, err = r.Partition, s.eng.handle(tx, rec, at)
		}
	})
	return id, err
}

// retry goes back to the committed offsets and leaves the partition alone for a while; the others go on.
func (s *session) retry(id int32, why error) error {
	if errors.Is(why, errStranger) { // passing it over would commit its offset
		return why
	}
	s.metrics.retries.Inc()
	if errors.Is(why, ErrNotReady) {
		s.opts.Log.Debug("not ready, trying again", "topology", s.eng.topo.Name, "err", why)
	} else {
		s.opts.Log.Warn("transaction aborted, trying again", "topology", s.eng.topo.Name, "err", why)
	}
	p := s.eng.parts[id]
	backoff := min(minBackoff<<min(p.retries, 10), time.Second)
	p.retries++
	held := map[string][]int32{}
	for _, topic := range s.eng.topo.consumes() {
		held[topic] = []int32{id}
	}
	s.client.Client().PauseFetchPartitions(held)
	s.effects.Go(func() {
		if pause(s.ctx, backoff) {
			s.client.Client().ResumeFetchPartitions(held)
		}
	})
	return s.rewind()
}

// rewind goes back to the committed offsets. End without a transaction does just that, on the client alone.
func (s *session) rewind() error {
	ctx, cancel := s.endContext()
	defer cancel()
	if _, err := s.client.End(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("rewind: %w", err)
	}
	return nil
}

// endContext is not the session's: cutting End off leaves the outcome unknown.
func (s *session) endContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(s.ctx), s.opts.SessionTimeout)
}

// publish makes a transaction durable: outputs, changelog, offsets, all or none. Only then may anything of it be
// seen in memory.
func (s *session) publish(tx *staged) (committed bool, err error) {
	began := time.Now()
	if err := s.client.Begin(); err != nil {
		return false, fmt.Errorf("begin transaction: %w", err)
	}
	ctx, cancel := s.endContext()
	defer cancel()
	tx.changes = tx.changelog()
	first, err := s.produce(ctx, tx.records, tx.changes)
	if err != nil {
		_, aborted := s.client.End(ctx, kgo.TryAbort)
		return false, errors.Join(fmt.Errorf("produce: %w", err), aborted)
	}
	if err := s.reach("before end"); err != nil {
		return false, err
	}
	ending := time.Now()
	committed, err = s.client.End(ctx, kgo.TryCommit)
	if err != nil {
		return false, fmt.Errorf("end transaction: %w", err)
	}
	if !first.IsZero() && tx.consumed <= paceBatch {
		s.pace.learn(began.Sub(s.ended), first.Sub(began)+time.Since(ending))
	}
	s.ended = time.Now()
	return committed, nil
}

// produce writes the records and waits until all are in the log; first is when the first was. A record that fails, say
// for its size, does not by itself fail a transaction: its error is looked at here, before End.
func (s *session) produce(ctx context.Context, outputs, changelog []*kgo.Record) (first time.Time, err error) {
	var acked sync.WaitGroup
	var mu sync.Mutex
	var fault error
	var when time.Time // not the result: a crash of a test leaves before it is known
	acked.Add(len(outputs) + len(changelog))
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			mu.Lock()
			fault = cmp.Or(fault, err)
			mu.Unlock()
		}
		acked.Done()
	}
	dated := func(r *kgo.Record, err error) {
		when = time.Now()
		promise(r, err)
	}
	for _, records := range [][]*kgo.Record{outputs, changelog} {
		for _, r := range records {
			s.client.Produce(ctx, r, dated)
			dated = promise // the first only
		}
	}
	if err := s.reach("after produce"); err != nil {
		return time.Time{}, err
	}
	acked.Wait()
	return when, fault
}

// reach is where a test may end the session, as a crash would.
func (s *session) reach(point string) error {
	if s.opts.failpoint == nil {
		return nil
	}
	return s.opts.failpoint(s, point)
}

// confirmAborted asks the group whether a transaction that End calls aborted was: of an EndTxn that the broker answers
// with UNKNOWN_SERVER_ERROR, the client assumes so. An error means: who knows; restore.
func (s *session) confirmAborted() error {
	ctx, cancel := s.endContext()
	defer cancel()
	there, err := kadm.NewClient(s.client.Client()).FetchOffsets(kadm.RequireStable(ctx), s.eng.topo.Name)
	if err != nil {
		return fmt.Errorf("confirm that the transaction was aborted: %w", err)
	}
	for topic, partitions := range s.client.Client().CommittedOffsets() {
		for id, here := range partitions {
			if o, ok := there.Lookup(topic, id); ok && o.At > 0 && o.At != here.Offset {
				return fmt.Errorf("the outcome of the last transaction is in doubt: %s/%d is committed at %d, expected %d", topic, id, o.At, here.Offset)
			}
		}
	}
	return nil
}

// start performs effects whose transaction has committed, each in a goroutine that the session waits for.
func (s *session) start(effects []effect) {
	for _, e := range effects {
		if e.part.ctx.Err() != nil { // lost since: its next owner performs them
			continue
		}
		s.running.Add(1)
		s.effects.Go(func() {
			result := s.eng.topo.Perform(e.part.ctx, e.v)
			s.running.Add(-1)
			if result == nil || e.part.ctx.Err() != nil {
				return
			}
			e.part.deliver(result)
			s.ticker.ask(e.part.id)
		})
	}
}

// settle tells the ticker, whatever became of the transaction, which ticks have arrived and when the next are due.
func (s *session) settle(tx *staged) {
	for _, id := range slices.Sorted(maps.Keys(tx.shares)) {
		if p := s.eng.parts[id]; p != nil {
			s.ticker.settled(id, tx.shares[id].ticked, p.timers.next())
		}
	}
}

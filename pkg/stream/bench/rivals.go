package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// job is what each rival does: read in, count per key, write each record to out and, with each transaction, the count
// of each key it has touched to a changelog. Only what is committed is read.
type job struct {
	id    string // of the group and the producer; names the state as well
	in    string
	out   string
	state []string // topics of the rival's own
}

// rival is one way of doing the job.
type rival struct {
	name  string
	run   func(ctx context.Context, w *world, j job) error // until ctx ends
	state func(id string) []string                         // topics it wants for itself
	spent func() (time.Duration, error)                    // processor time of its process
}

// bare is the loop that one writes by hand on the client.
func bare(batch int) *rival {
	return &rival{name: fmt.Sprintf("bare loop, at most %d a transaction", batch), spent: processor,
		state: func(id string) []string { return []string{id + "-changelog"} },
		run: func(ctx context.Context, w *world, j job) error {
			s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(w.addr), kgo.ConsumerGroup(j.id), kgo.ConsumeTopics(j.in), kgo.TransactionalID(j.id),
				kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
				kgo.BlockRebalanceOnPoll(), kgo.Balancers(kgo.RangeBalancer()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
			if err != nil {
				return err
			}
			defer s.CloseAllowingRebalance()
			counts := map[string]int64{}
			for {
				fetches := s.PollRecords(ctx, batch)
				if ctx.Err() != nil {
					return nil
				}
				if err := fetches.Err(); err != nil {
					return err
				}
				if err := transact(context.WithoutCancel(ctx), s, fetches, counts, j.out, j.state[0]); err != nil {
					return err
				}
			}
		}}
}

// transact does the job for what one poll brought.
func transact(ctx context.Context, s *kgo.GroupTransactSession, fetches kgo.Fetches, counts map[string]int64, out, changelog string) error {
	if err := s.Begin(); err != nil {
		return err
	}
	var first kgo.FirstErrPromise
	touched := map[string]int32{}
	fetches.EachRecord(func(r *kgo.Record) {
		key := string(r.Key)
		counts[key]++
		touched[key] = r.Partition
		s.Produce(ctx, &kgo.Record{Topic: out, Key: r.Key, Value: r.Value, Partition: r.Partition}, first.Promise())
	})
	for key, p := range touched {
		count := binary.BigEndian.AppendUint64(nil, uint64(counts[key]))
		s.Produce(ctx, &kgo.Record{Topic: changelog, Key: []byte(key), Value: count, Partition: p}, first.Promise())
	}
	if err := first.Err(); err != nil {
		return err
	}
	_, err := s.End(ctx, kgo.TryCommit)
	s.AllowRebalance()
	return err
}

// ours is the runtime, package stream. batch 0 leaves the size of transactions to it.
func ours(batch int) *rival {
	name := "runtime"
	if batch > 0 {
		name = fmt.Sprintf("runtime, at most %d a transaction", batch)
	}
	return &rival{name: name, spent: processor,
		state: func(id string) []string {
			return []string{"jml." + id + ".state.v1", "jml." + id + ".tick.v1", string(event.DeadLetters)}
		},
		run: func(ctx context.Context, w *world, j job) error {
			return stream.Run(ctx, counting(j), stream.Options{Seeds: []string{w.addr}, Codec: rawCodec{}, MaxBatch: batch})
		}}
}

func counting(j job) stream.Topology {
	counts := stream.NewTable[int64]("count")
	return stream.Topology{
		Name:    j.id,
		Outputs: []stream.Output{{Topic: event.Topic(j.out)}},
		Inputs: []stream.Input{{Topic: event.Topic(j.in), Handle: func(tx *stream.Tx, r stream.Record) error {
			n, _ := counts.Get(tx, r.Key)
			counts.Put(tx, r.Key, n+1)
			tx.Emit(event.Topic(j.out), r.Key, r.Value)
			return nil
		}}},
	}
}

// rawCodec takes bytes as they are: the codec is not what is measured.
type rawCodec struct{}

func (rawCodec) AppendEncode(dst []byte, _ string, v any) ([]byte, error) {
	if dst == nil {
		return v.([]byte), nil // as the bare loop does
	}
	return append(dst, v.([]byte)...), nil
}

func (rawCodec) Decode(b []byte, _ string, v any) error { *v.(*[]byte) = b; return nil }
func (rawCodec) Class(error) string                     { return "" }

// inTurns measures each rival once a round. One that fails has no further turn, and does not keep the others from theirs.
func (w *world) inTurns(ctx context.Context, rivals []*rival, once func(*rival) error) error {
	var faults []error
	out := map[*rival]bool{}
	for range w.rounds {
		for _, r := range rivals {
			if out[r] {
				continue
			}
			err := once(r)
			if ctx.Err() != nil {
				return errors.Join(append(faults, context.Cause(ctx))...)
			}
			if err != nil {
				faults, out[r] = append(faults, err), true
			}
		}
	}
	return errors.Join(faults...)
}

// best gives the one of several ways of Kafka Streams that is best by a figure, the less the better. The first only warms
// it up; those that fail are passed over.
func (w *world) best(ctx context.Context, ways []string, way func(interval string) *rival, figure func(*rival) (float64, error)) (best *rival, err error) {
	least := 0.0
	for i, interval := range append(ways[:1:1], ways...) {
		r := way(interval)
		got, fault := figure(r)
		switch {
		case ctx.Err() != nil:
			return best, context.Cause(ctx)
		case fault != nil:
			err = errors.Join(err, fault)
		case i > 0 && (best == nil || got < least):
			best, least = r, got
		}
	}
	if best != nil {
		err = nil
	}
	return best, err
}

// start runs a rival on fresh topics until stop, which waits for its end and removes them.
func (w *world) start(ctx context.Context, r *rival, in string) (j job, stop func() error, ended <-chan struct{}, err error) {
	j = job{id: w.name("job"), in: in, out: w.name("out")}
	j.state = r.state(j.id)
	if err := w.fresh(ctx, append(j.state, j.out)...); err != nil {
		return j, nil, nil, err
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	var fault error
	go func() {
		fault = r.run(running, w, j)
		close(done)
	}()
	return j, func() error {
		cancel()
		<-done
		if fault != nil {
			return fmt.Errorf("%s: %w", r.name, fault)
		}
		return w.drop(append(j.state, j.out)...)
	}, done, nil
}

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// world is a broker and the topics that the runs make in it, each with a number of its own.
type world struct {
	settings
	broker string
	run    int64
	topics atomic.Int64
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

// fresh names topics that do not exist yet and makes them; those of a topology's own are compacted.
func (w *world) fresh(ctx context.Context, topics ...string) error {
	cl, err := w.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	compact := "compact"
	for _, topic := range topics {
		config := map[string]*string{}
		if bytes.HasPrefix([]byte(topic), []byte("jml.")) {
			config["cleanup.policy"] = &compact
		}
		if r, err := kadm.NewClient(cl).CreateTopic(ctx, w.partitions, 1, config, topic); err != nil && r.Err == nil {
			return fmt.Errorf("create %s: %w", topic, err)
		}
	}
	return nil
}

func (w *world) name(kind string) string {
	return fmt.Sprintf("%s-%d-%d", kind, w.run, w.topics.Add(1))
}

func (w *world) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.broker), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
}

// fill produces n records over so many keys, with values of that size.
func (w *world) fill(ctx context.Context, topic string, n, keys, size int) error {
	cl, err := w.client(kgo.MaxBufferedRecords(n+1), kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	values := texts(size)
	var fault atomic.Pointer[error]
	for i := range n {
		key := fmt.Sprintf("person-%07d", i%keys)
		cl.Produce(ctx, &kgo.Record{Topic: topic, Key: []byte(key), Value: values[i%len(values)], Partition: stream.Partition(key, w.partitions)}, func(_ *kgo.Record, err error) {
			if err != nil {
				fault.Store(&err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := fault.Load(); err != nil {
		return fmt.Errorf("produce: %w", *err)
	}
	return nil
}

// texts gives values that compress about as well as records do.
func texts(size int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, 1000)
	for i := range all {
		all[i] = make([]byte, size)
		for j := range all[i] {
			all[i][j] = "0123456789abcdef"[rng.IntN(16)]
		}
	}
	return all
}

// counting is the stateful job: it counts per key and passes the value on.
func counting(name, in, out string, seen func()) stream.Topology {
	counts := stream.NewTable[int]("count")
	return stream.Topology{
		Name:    name,
		Outputs: []stream.Output{{Topic: event.Topic(out)}},
		Inputs: []stream.Input{{Topic: event.Topic(in), Handle: func(tx *stream.Tx, r stream.Record) error {
			n, _ := counts.Get(tx, r.Key)
			counts.Put(tx, r.Key, n+1)
			tx.Emit(event.Topic(out), r.Key, r.Value)
			seen()
			return nil
		}}},
	}
}

// loop is the same consume-transform-produce loop on the bare client. With state it also counts per key and writes a
// changelog record for each key of a transaction; without it only copies.
type loop struct {
	w              *world
	in, out, group string
	changelog      string // empty: no state
	batch          int
	seen           func(int) // called with the records of each poll
}

func (l loop) run(ctx context.Context) error {
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(l.w.broker), kgo.ConsumerGroup(l.group), kgo.ConsumeTopics(l.in), kgo.TransactionalID(l.group),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.BlockRebalanceOnPoll(), kgo.Balancers(kgo.RangeBalancer()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer s.CloseAllowingRebalance()
	counts := map[string]int64{}
	for {
		fetches := s.PollRecords(ctx, l.batch)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		l.seen(fetches.NumRecords())
		if err := s.Begin(); err != nil {
			return err
		}
		var first kgo.FirstErrPromise
		dirty := map[string]int32{}
		fetches.EachRecord(func(r *kgo.Record) {
			s.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: l.out, Key: r.Key, Value: r.Value, Partition: r.Partition}, first.Promise())
			if l.changelog != "" {
				counts[string(r.Key)]++
				dirty[string(r.Key)] = r.Partition
			}
		})
		for key, p := range dirty {
			s.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: l.changelog, Key: []byte(key), Value: binary.BigEndian.AppendUint64(nil, uint64(counts[key])), Partition: p}, first.Promise())
		}
		if err := first.Err(); err != nil {
			return err
		}
		_, err := s.End(context.WithoutCancel(ctx), kgo.TryCommit)
		s.AllowRebalance()
		if err != nil {
			return err
		}
	}
}

func median[T int | float64 | time.Duration](all []T) T {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

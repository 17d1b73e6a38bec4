package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/stream"
)

// settle is how long a rival may get used to the load before its latencies count.
const settle = time.Second

// endToEnd measures how long after a record was produced a reader of committed records sees what came of it.
func (w *world) endToEnd(ctx context.Context) ([]*table, error) {
	var tables []*table
	var faults []error
	for _, rate := range w.rates {
		rivals := []*rival{bare(2000), ours(0)}
		if w.java != nil {
			best, err := w.bestLatency(ctx, rate)
			faults = append(faults, err)
			if best != nil {
				rivals = append(rivals, best)
			}
		}
		quantiles := map[*rival][][3]float64{}
		err := w.inTurns(ctx, rivals, func(r *rival) error {
			q, err := w.latencies(ctx, r, rate, w.latency)
			if err == nil {
				quantiles[r] = append(quantiles[r], q)
			}
			return err
		})
		tables = append(tables, latencyTable(rate, rivals, quantiles))
		faults = append(faults, err)
		if ctx.Err() != nil {
			break
		}
	}
	return tables, errors.Join(faults...)
}

// latencyTable has the rivals of which something is known.
func latencyTable(rate int, rivals []*rival, quantiles map[*rival][][3]float64) *table {
	t := newTable(fmt.Sprintf("end to end at %d/s, ms", rate), "p50", "p99", "p99.9")
	for _, r := range rivals {
		if len(quantiles[r]) == 0 {
			continue
		}
		cells := []string{r.name}
		for i := range 3 {
			var all []float64
			for _, q := range quantiles[r] {
				all = append(all, q[i])
			}
			cells = append(cells, fmt.Sprintf("%.1f", median(all)))
		}
		t.row(cells...)
	}
	return t
}

// forLatency is how Kafka Streams answers quickest here, beside the commit interval.
var forLatency = []string{"producer.linger.ms=0", "statestore.cache.max.bytes=67108864"}

// bestLatency looks for the commit interval at which Kafka Streams has the least p50.
func (w *world) bestLatency(ctx context.Context, rate int) (*rival, error) {
	return w.best(ctx, []string{"20", "10", "50", "100"},
		func(interval string) *rival {
			return w.java.streams("Kafka Streams, commit "+interval+" ms", append(forLatency, "commit.interval.ms="+interval)...)
		},
		func(r *rival) (float64, error) {
			q, err := w.latencies(ctx, r, rate, w.latency/2)
			return q[0], err
		})
}

// latencies runs a rival under load and gives p50, p99 and p99.9 of what records took, in milliseconds.
func (w *world) latencies(ctx context.Context, r *rival, rate int, during time.Duration) (q [3]float64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, during+30*time.Second, fmt.Errorf("%s did not get through %s at %d/s", r.name, during, rate))
	defer cancel()
	in := w.name("in")
	if err := w.fresh(ctx, in); err != nil {
		return q, err
	}
	j, stop, _, err := w.start(ctx, r, in)
	if err != nil {
		return q, err
	}
	defer func() { err = errors.Join(err, stop(), w.drop(in)) }()
	loading, unload := context.WithCancel(ctx)
	loaded := make(chan error, 1)
	go func() { loaded <- w.load(loading, in, rate) }()
	took, err := w.read(ctx, j.out, int(during.Seconds()*float64(rate)))
	unload()
	if err := errors.Join(err, <-loaded); err != nil {
		return q, err
	}
	slices.Sort(took)
	for i, at := range []float64{0.5, 0.99, 0.999} {
		q[i] = float64(took[int(at*float64(len(took)-1))].Microseconds()) / 1000
	}
	return q, nil
}

// read gives what each record of a topic took since it was produced; those of the beginning do not count.
func (w *world) read(ctx context.Context, topic string, want int) ([]time.Duration, error) {
	reader, err := w.client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var from time.Time
	took := make([]time.Duration, 0, want+1000)
	for len(took) < want {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		now := time.Now()
		if from.IsZero() {
			from = now.Add(settle)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if sent := time.Unix(0, int64(binary.BigEndian.Uint64(r.Value))); sent.After(from) {
				took = append(took, now.Sub(sent))
			}
		})
	}
	return took, nil
}

// load produces at the rate, each value beginning with the time, until ctx ends.
func (w *world) load(ctx context.Context, in string, rate int) error {
	cl, err := w.client(kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer cl.Close()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	began := time.Now()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for due := int(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
			key := fmt.Sprintf("person-%07d", n%w.keys)
			value := binary.BigEndian.AppendUint64(make([]byte, 0, w.value), uint64(time.Now().UnixNano()))
			cl.Produce(ctx, &kgo.Record{Topic: in, Key: []byte(key), Value: value[:w.value], Partition: stream.Partition(key, partitions)}, nil)
		}
	}
}

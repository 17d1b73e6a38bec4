package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// endToEnd measures how long after a record was produced a reader of committed records sees what came of it.
func (w *world) endToEnd(ctx context.Context, out *tabwriter.Writer) error {
	fmt.Fprintf(out, "end to end at %d/s, ms\tp50\tp99\tp99.9\n", w.rate)
	for _, rival := range []struct {
		name  string
		start func(ctx context.Context, in, out string) error
	}{
		{"bare copy, commit as polled", func(ctx context.Context, in, out string) error {
			return loop{w: w, in: in, out: out, group: w.name("group"), batch: 2000, seen: func(int) {}}.run(ctx)
		}},
		{"runtime, count", func(ctx context.Context, in, out string) error {
			name := w.name("count")
			if err := w.fresh(ctx, "jml."+name+".state.v1", "jml."+name+".tick.v1", string(event.DeadLetters)); err != nil {
				return err
			}
			return stream.Run(ctx, counting(name, in, out, func() {}), stream.Options{Seeds: []string{w.broker}, Codec: rawCodec{}})
		}},
	} {
		took, err := w.latencies(ctx, rival.start)
		if err != nil {
			return fmt.Errorf("%s: %w", rival.name, err)
		}
		at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
		fmt.Fprintf(out, "%s\t%.1f\t%.1f\t%.1f\n", rival.name, at(0.5), at(0.99), at(0.999))
	}
	return nil
}

// latencies runs a rival under load and gives what each record took, sorted; the first second does not count.
func (w *world) latencies(ctx context.Context, start func(ctx context.Context, in, out string) error) ([]time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	in, out := w.name("in"), w.name("out")
	if err := w.fresh(ctx, in, out); err != nil {
		return nil, err
	}
	reader, err := w.client(kgo.ConsumeTopics(out), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ignoreCanceled(start(ctx, in, out)) })
	group.Go(func() error { return ignoreCanceled(w.load(ctx, in)) })
	want := int(w.latency.Seconds() * float64(w.rate))
	var took []time.Duration
	for skip := w.rate; len(took) < want; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, errors.Join(err, group.Wait())
		}
		now := time.Now()
		fetches.EachRecord(func(r *kgo.Record) {
			if skip > 0 {
				skip--
				return
			}
			took = append(took, now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(r.Value)))))
		})
	}
	stop()
	slices.Sort(took)
	return took, group.Wait()
}

// load produces at the rate, each value beginning with the time.
func (w *world) load(ctx context.Context, in string) error {
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
			return ctx.Err()
		case <-ticker.C:
		}
		for due := int(time.Since(began).Seconds() * float64(w.rate)); n < due; n++ {
			key := fmt.Sprintf("person-%07d", n%w.keys)
			value := binary.BigEndian.AppendUint64(make([]byte, 0, w.value), uint64(time.Now().UnixNano()))
			cl.Produce(ctx, &kgo.Record{Topic: in, Key: []byte(key), Value: value[:w.value], Partition: stream.Partition(key, w.partitions)}, nil)
		}
	}
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

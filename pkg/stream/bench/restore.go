package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/stream"
)

// restored is what one restart took.
type restored struct {
	took time.Duration
	held uint64 // bytes of memory more than before
}

// restoring writes a state of 1 KB values, starts each rival on it with nothing at hand, and measures how long until it
// works, joining its group included, and how much more memory it then holds.
func (w *world) restoring(ctx context.Context) ([]*table, error) {
	t := newTable("restore of "+fmt.Sprint(w.restore)+" keys of 1 KB", "s", "keys/s", "memory a key, B", "of its payload")
	payload := float64(1024 + len("count/person-0000000"))
	for _, r := range []struct {
		name string
		run  func(context.Context, job) (restored, error)
		own  *rival
	}{{"bare client, read into a map", w.restoreBare, bare(500)}, {"runtime", w.restoreRuntime, ours(0)}, {"Kafka Streams", w.restoreStreams, w.java.streams("Kafka Streams")}} {
		if r.name == "Kafka Streams" && w.java == nil {
			continue
		}
		j := job{id: w.name("job"), in: w.name("in"), out: w.name("out")}
		j.state = r.own.state(j.id)
		if err := w.fresh(ctx, append(j.state, j.in, j.out)...); err != nil {
			return []*table{t}, err
		}
		if err := w.fill(ctx, j.state[0], "count/", w.settings.restore, w.settings.restore, 1024); err != nil {
			return []*table{t}, err
		}
		limited, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("%s has not restored in a minute", r.name))
		got, err := r.run(limited, j)
		cancel()
		if err != nil {
			return []*table{t}, fmt.Errorf("%s: %w", r.name, err)
		}
		n := float64(w.settings.restore)
		memory := float64(got.held) / n
		t.row(r.name, fmt.Sprintf("%.2f", got.took.Seconds()), fmt.Sprintf("%.0f", n/got.took.Seconds()), fmt.Sprintf("%.0f", memory), fmt.Sprintf("%.2f x", memory/payload))
		if err := w.drop(append(j.state, j.in, j.out)...); err != nil {
			return []*table{t}, err
		}
	}
	return []*table{t}, nil
}

// restoreBare reads the changelog, all of it, into a map.
func (w *world) restoreBare(ctx context.Context, j job) (r restored, err error) {
	before, began := heap(), time.Now()
	cl, err := w.client(kgo.ConsumeTopics(j.state[0]), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return r, err
	}
	defer cl.Close()
	state := map[string][]byte{}
	for len(state) < w.settings.restore {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		if err := fetches.Err(); err != nil {
			return r, err
		}
		fetches.EachRecord(func(r *kgo.Record) { state[string(r.Key)] = append([]byte(nil), r.Value...) })
	}
	r.took = time.Since(began)
	cl.Close()
	r.held = heap() - before
	clear(state) // it lives until here
	return r, nil
}

func (w *world) restoreRuntime(ctx context.Context, j job) (r restored, err error) {
	outer := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	before, began := heap(), time.Now()
	err = stream.Run(ctx, counting(j), stream.Options{Seeds: []string{w.addr}, Codec: rawCodec{}, OnReady: func() {
		if r.took == 0 {
			r.took = time.Since(began)
			r.held = heap() - before
			stop()
		}
	}})
	if outer.Err() != nil {
		err = errors.Join(err, context.Cause(outer))
	}
	return r, err
}

func (w *world) restoreStreams(_ context.Context, j job) (r restored, err error) {
	before, err := w.java.number("heap")
	if err != nil {
		return r, err
	}
	began := time.Now()
	if err := w.java.start(w, j, forRestore); err != nil {
		return r, err
	}
	r.took = time.Since(began)
	after, err := w.java.number("heap")
	r.held = uint64(max(0, after-before))
	_, stopped := w.java.say("stop")
	return r, errors.Join(err, stopped)
}

// forRestore lets Kafka Streams fetch more at a time than it does by itself.
var forRestore = []string{"restore.consumer.max.poll.records=10000", "restore.consumer.max.partition.fetch.bytes=8388608", "restore.consumer.fetch.max.bytes=52428800",
	"restore.consumer.receive.buffer.bytes=1048576"}

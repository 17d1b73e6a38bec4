package stream

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// Follower reads all partitions of a topic into a view of its owner: what an instance needs to know beyond its own
// partitions. The view runs a little behind the log, and says so in what it is used for.
type Follower struct {
	client *kgo.Client
	done   chan struct{}
	err    error // set before done closes
}

// Follow calls apply with every committed record of the topics, from their start, and returns when it has seen all
// that was there; it goes on in the background until ctx ends or Close. apply runs on one goroutine at a time; its
// error ends the follower.
func Follow(ctx context.Context, o Options, apply func(Record) error, topics ...event.Topic) (*Follower, error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = string(t)
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.ConsumeTopics(names...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords()}, o.Dialer...)...)
	if err != nil {
		return nil, fmt.Errorf("open client to follow %v: %w", topics, err)
	}
	f := &Follower{client: cl, done: make(chan struct{})}
	left, err := unreadTopics(ctx, cl, names)
	if err != nil {
		cl.Close()
		return nil, fmt.Errorf("follow %v: %w", topics, err)
	}
	for len(left) > 0 {
		if err := f.poll(ctx, apply, left); err != nil {
			cl.Close()
			return nil, fmt.Errorf("follow %v: %w", topics, err)
		}
	}
	go func() {
		defer close(f.done)
		for f.err == nil {
			f.err = f.poll(ctx, apply, nil)
		}
	}()
	return f, nil
}

type place struct {
	topic     string
	partition int32
}

func unreadTopics(ctx context.Context, cl *kgo.Client, topics []string) (map[place]int64, error) {
	left := map[place]int64{}
	for _, topic := range topics {
		byPartition, err := unread(ctx, cl, topic, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", topic, err)
		}
		for p, end := range byPartition {
			left[place{topic, p}] = end
		}
	}
	return left, nil
}

func (f *Follower) poll(ctx context.Context, apply func(Record) error, left map[place]int64) (err error) {
	fetches := f.client.PollFetches(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if fetches.IsClientClosed() {
		return kgo.ErrClientClosed
	}
	if err := fetchError(fetches); err != nil {
		return err
	}
	fetches.EachRecord(func(r *kgo.Record) {
		if err == nil && !r.Attrs.IsControl() {
			err = apply(record(r))
		}
		if end, ok := left[place{r.Topic, r.Partition}]; ok && r.Offset+1 >= end {
			delete(left, place{r.Topic, r.Partition})
		}
	})
	return err
}

// Done is closed when the follower has ended; Err then says why.
func (f *Follower) Done() <-chan struct{} { return f.done }

// Err is why the follower ended; nil while it runs.
func (f *Follower) Err() error {
	select {
	case <-f.done:
		return f.err
	default:
		return nil
	}
}

// Close ends the follower and waits for it.
func (f *Follower) Close() {
	f.client.Close()
	<-f.done
}

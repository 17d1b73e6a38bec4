package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// Follower reads all partitions of a topic into a view of its owner: what an instance needs to know beyond its own
// partitions. The view runs a little behind the log, and says so in what it is used for.
type Follower struct {
	client *kgo.Client
	end    func()
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
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(fetchWait)}, o.Dialer...)...)
	if err != nil {
		return nil, fmt.Errorf("open client to follow %v: %w", topics, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	end := func() { cancel(kgo.ErrClientClosed) }
	f := &Follower{client: cl, end: end, done: make(chan struct{})}
	if err := f.catchUp(ctx, apply, names); err != nil {
		end()
		cl.Close()
		return nil, fmt.Errorf("follow %v: %w", topics, err)
	}
	go func() { // ends with ctx, Close, or a fault; Close waits for it
		defer close(f.done)
		defer cl.Close()
		for f.err == nil {
			f.err = f.poll(ctx, apply, nil)
		}
	}()
	return f, nil
}

// where is one partition of one topic.
type where struct {
	topic     string
	partition int32
}

// catchUp reads what was there when it was called.
func (f *Follower) catchUp(ctx context.Context, apply func(Record) error, topics []string) error {
	adm := kadm.NewClient(f.client)
	left := map[where]int64{}
	for _, topic := range topics {
		starts, ends, err := bounds(ctx, adm, adm.ListCommittedOffsets, topic)
		if err != nil {
			return fmt.Errorf("%s: %w", topic, err)
		}
		for p, end := range ends {
			if end > starts[p] {
				left[where{topic, p}] = end
			}
		}
	}
	for len(left) > 0 {
		if err := f.poll(ctx, apply, left); err != nil {
			return err
		}
	}
	return nil
}

func (f *Follower) poll(ctx context.Context, apply func(Record) error, left map[where]int64) (err error) {
	fetches := f.client.PollFetches(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fetches.EachRecord(func(r *kgo.Record) {
		if err == nil && !r.Attrs.IsControl() {
			err = apply(record(r))
		}
		if end, ok := left[where{r.Topic, r.Partition}]; ok && r.Offset+1 >= end {
			delete(left, where{r.Topic, r.Partition})
		}
	})
	if err != nil {
		return err
	}
	err = fetchError(fetches)
	var loss *kgo.ErrDataLoss
	if kerr.IsRetriable(err) || errors.Is(err, kerr.UnknownServerError) || errors.As(err, &loss) { // the client goes on by itself: the view outlives brokers
		pause(ctx, minBackoff)
		return nil
	}
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
	f.end()
	<-f.done
}

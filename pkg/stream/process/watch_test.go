//go:build process

package process_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// watch reads the events as they are committed.
type watch struct {
	mu      sync.Mutex
	newest  [partitions]time.Time     // of an event: when its producer wrote it
	silent  [partitions]time.Duration // the longest between two of them
	changed chan struct{}             // closed when newest changes
}

func newWatch(w *world) *watch {
	v := &watch{changed: make(chan struct{})}
	client := w.open(kgo.ConsumeTopics(string(event.IdentityEvents)), kgo.FetchMaxWait(100*time.Millisecond))
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(w.t.Context())
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(v.see) // errors pass: brokers come and go
		}
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	return v
}

func (v *watch) see(r *kgo.Record) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r.Timestamp.After(v.newest[r.Partition]) {
		v.silent[r.Partition] = max(v.silent[r.Partition], r.Timestamp.Sub(v.newest[r.Partition]))
		v.newest[r.Partition] = r.Timestamp
		close(v.changed)
		v.changed = make(chan struct{})
	}
}

// hush forgets how long partitions were silent, and gives it.
func (v *watch) hush() [partitions]time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	was := v.silent
	clear(v.silent[:])
	return was
}

// after waits for an event in every partition that was written after t.
func (v *watch) after(ctx context.Context, t time.Time) error {
	for {
		v.mu.Lock()
		newest, changed := v.newest, v.changed
		v.mu.Unlock()
		if !slices.ContainsFunc(newest[:], func(n time.Time) bool { return !n.After(t) }) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

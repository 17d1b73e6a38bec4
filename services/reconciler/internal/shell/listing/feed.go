package listing

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/reconciler/internal/drift"
)

// feed passes on what one target tells of changes to the partitions of this instance.
//
//	Book.Watch    one goroutine a target: connector -> boxes of the partitions concerned, by owner; all, if it is unknown
//	Book.Changed  one effect a partition: takes what is in its box, or waits
//
// A box keeps the newest change of each account. One that overflows, or a target that cannot go on where it was cut off,
// leaves a gap: what happened then is for a sweep to find.
type feed struct {
	known chan struct{} // closed when it is known whether the target tells

	mu     sync.Mutex
	silent bool // it does not
	how    drift.Listing
	boxes  map[int32]*box
}

// box is what waits for one partition.
type box struct {
	changes map[string]connector.Change // by remote id
	since   time.Time                   // when the oldest of them came
	gap     bool
	more    chan struct{} // capacity 1
}

// boxMost is how many changes of a partition may wait before a sweep is cheaper.
const boxMost = 10_000

// watchRetry is how long a target that failed to tell is left alone.
const watchRetry = 5 * time.Second

// News is what a target told of since the last time.
type News struct {
	Listing drift.Listing // without accounts: how the target puts things, and since when the news are true
	Changes []connector.Change
	Gap     bool // something may be missing: sweep
}

// Watch follows the targets that tell of changes until ctx ends.
func (b *Book) Watch(ctx context.Context) {
	var all sync.WaitGroup
	for target, source := range b.sources {
		all.Go(func() {
			for token := ""; b.follow(ctx, b.feeds[target], source, &token); {
				select {
				case <-time.After(watchRetry):
				case <-ctx.Done():
				}
			}
		})
	}
	all.Wait()
}

// follow passes changes on until the target fails, and says whether to try again. That it fails is not told here: calls
// and listings meet the same failure, and have somebody to tell.
func (b *Book) follow(ctx context.Context, f *feed, source Source, token *string) (again bool) {
	if ctx.Err() != nil {
		return false
	}
	partitions, err := b.partitions(ctx)
	if err != nil {
		return true
	}
	c, err := source.Open()
	if err != nil {
		return true
	}
	defer connector.Close(c) //nolint:errcheck // nothing was written
	limited, cancel := context.WithTimeout(ctx, max(source.Timeout, connector.DefaultTimeout))
	d, err := c.Describe(limited)
	cancel()
	if err != nil {
		return true
	}
	w, ok := c.(connector.Watcher)
	f.describe(drift.Listing{Descriptor: d, Normal: func(want connector.Desired) connector.Desired { return connector.Normal(c, want) }}, ok && d.Watch)
	if !ok || !d.Watch {
		return false
	}
	for change, err := range w.Changes(ctx, *token) {
		switch {
		case err == nil:
			*token = change.Token
			f.put(change, partitions, b.clock.Now())
		case connector.ClassOf(err) == connector.Denied || connector.ClassOf(err) == connector.Unsupported:
			f.describe(drift.Listing{}, false) // it will not tell us: only sweeps find drift here
			return false
		case *token == "" || connector.ClassOf(err) == connector.NotFound:
			*token = ""
			f.lose()
		}
	}
	return true
}

func (f *feed) describe(how drift.Listing, tells bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.how, f.silent = how, !tells
	select {
	case <-f.known:
	default:
		close(f.known)
	}
	if f.silent {
		for _, any := range f.boxes {
			any.wake()
		}
	}
}

func (f *feed) put(c connector.Change, partitions int32, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.ExternalID != "" {
		if mine := f.boxes[stream.Partition(drift.Owner(c.Object), partitions)]; mine != nil { // else it is another instance's
			mine.put(c, now)
		}
		return
	}
	for _, any := range f.boxes {
		any.put(c, now)
	}
}

// lose says that changes were missed.
func (f *feed) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, any := range f.boxes {
		any.lose()
	}
}

func (b *box) put(c connector.Change, now time.Time) {
	if len(b.changes) == boxMost {
		b.lose()
	}
	if b.gap {
		return
	}
	if len(b.changes) == 0 {
		b.since = now
	}
	b.changes[c.RemoteID] = c
	b.wake()
}

func (b *box) lose() {
	clear(b.changes)
	b.gap = true
	b.wake()
}

func (b *box) wake() {
	select {
	case b.more <- struct{}{}:
	default: // it is to wake up already
	}
}

// Changed waits until the target tells of a change that may concern the partition. No news are for a target that does
// not tell.
func (b *Book) Changed(ctx context.Context, target string, partition int32) (*News, error) {
	f := b.feeds[target]
	if f == nil {
		return nil, nil
	}
	mine := f.open(partition)
	select {
	case <-f.known:
	case <-ctx.Done():
		f.shut(partition)
		return nil, ctx.Err()
	}
	for !f.isSilent() {
		select {
		case <-mine.more: // news, or the end of them
			if news := f.take(mine); news.Gap || len(news.Changes) > 0 {
				return news, nil
			}
		case <-ctx.Done():
			f.shut(partition)
			return nil, ctx.Err()
		}
	}
	f.shut(partition)
	return nil, nil
}

func (f *feed) isSilent() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.silent
}

func (f *feed) open(partition int32) *box {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.boxes[partition] == nil {
		f.boxes[partition] = &box{changes: map[string]connector.Change{}, more: make(chan struct{}, 1)}
	}
	return f.boxes[partition]
}

func (f *feed) shut(partition int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.boxes, partition)
}

func (f *feed) take(b *box) *News {
	f.mu.Lock()
	defer f.mu.Unlock()
	news := &News{Listing: f.how, Gap: b.gap}
	news.Listing.Began = b.since
	for _, id := range slices.Sorted(maps.Keys(b.changes)) {
		news.Changes = append(news.Changes, b.changes[id])
	}
	clear(b.changes)
	b.gap = false
	return news
}

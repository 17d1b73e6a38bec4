// Package listing lists targets: once per sweep, shared by all partitions of the instance that take part in it. Pages
// go into a spool as they come, so that a large target costs disk, not memory.
//
// Between sweeps it passes on what targets tell of changes by themselves, where they can.
//
// It owns the calls of the reconciler and how long a listing is kept. Safe for concurrent use: whoever asks first lists,
// the others wait for it. A listing is freed some time after it was last asked for.
package listing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/reconciler/internal/drift"
)

// keep is how long a listing outlives its last use; a partition that comes later lists again.
const keep = time.Minute

// pageSize is how many accounts are asked for at a time.
const pageSize = 200

// Source is how one target is listed.
type Source struct {
	Open    func() (connector.Connector, error) // without a call
	Timeout time.Duration                       // of one request; 0: connector.DefaultTimeout
	Rate    float64                             // requests a second of a listing; 0: any number
}

// Book makes listings.
type Book struct {
	sources    map[string]Source
	clock      stream.Clock
	partitions func(context.Context) (int32, error)
	dir        string
	feeds      map[string]*feed // by target

	mu      sync.Mutex
	entries map[string]*entry // by sweep and target
}

type entry struct {
	done    chan struct{} // closed when the listing is there, or err
	listing *drift.Listing
	err     error
	free    *time.Timer
}

// New makes a book of these targets. partitions says how many partitions the pipeline has; dir is where listings are
// spooled, empty: the system's folder for temporary files.
func New(sources map[string]Source, clock stream.Clock, partitions func(context.Context) (int32, error), dir string) *Book {
	b := &Book{sources: sources, clock: clock, partitions: partitions, dir: dir, feeds: map[string]*feed{}, entries: map[string]*entry{}}
	for target := range sources {
		b.feeds[target] = &feed{known: make(chan struct{}), boxes: map[int32]*box{}}
	}
	return b
}

// ErrUnknown is for a target that no file describes.
var ErrUnknown = errors.New("there is no target file of that name")

// Take returns the listing of a target for a sweep. All who take part in the sweep get the same one.
func (b *Book) Take(ctx context.Context, sweep, target string) (*drift.Listing, error) {
	source, ok := b.sources[target]
	if !ok {
		return nil, &connector.Error{Class: connector.Invalid, Op: "list target " + target, Err: ErrUnknown}
	}
	key := sweep + "/" + target
	for {
		b.mu.Lock()
		e, there := b.entries[key]
		if !there {
			e = &entry{done: make(chan struct{})}
			e.free = time.AfterFunc(keep, func() { b.drop(key, e) })
			b.entries[key] = e
		}
		e.free.Reset(keep)
		b.mu.Unlock()
		if !there {
			e.listing, e.err = b.list(ctx, target, source)
			close(e.done)
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if ctx.Err() == nil && errors.Is(e.err, context.Canceled) { // the one who listed lost its partition: list again
			b.drop(key, e)
			continue
		}
		return e.listing, e.err
	}
}

func (b *Book) drop(key string, e *entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.free.Stop()
	if b.entries[key] == e {
		delete(b.entries, key)
	}
}

// Close frees all listings. No Take may be running.
func (b *Book) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, e := range b.entries {
		e.free.Stop()
		delete(b.entries, key)
	}
}

func (b *Book) list(ctx context.Context, target string, source Source) (l *drift.Listing, err error) {
	n, err := b.partitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("count partitions: %w", err)
	}
	c, err := source.Open()
	if err != nil {
		return nil, fmt.Errorf("open target %s: %w", target, err)
	}
	defer func() { err = errors.Join(err, connector.Close(c)) }()
	accounts, err := newSpool(b.dir, n)
	if err != nil {
		return nil, err
	}
	began := b.clock.Now()
	d, err := pages(source.paced(ctx), c, target, source.Timeout, accounts)
	if err = errors.Join(err, accounts.seal()); err != nil {
		return nil, err
	}
	normal := func(want connector.Desired) connector.Desired { return connector.Normal(c, want) }
	return &drift.Listing{Began: began, Descriptor: d, Normal: normal, Accounts: accounts}, nil
}

// paced has the requests of a listing wait for their turns.
func (s Source) paced(ctx context.Context) context.Context {
	if s.Rate <= 0 {
		return ctx
	}
	return connector.WithPace(ctx, rate.NewLimiter(rate.Limit(s.Rate), 1).Wait)
}

// pages reads the whole target into the spool. Each request has the time limit: a page can take one for each account.
func pages(ctx context.Context, c connector.Connector, target string, timeout time.Duration, into *spool) (connector.Descriptor, error) {
	if timeout <= 0 {
		timeout = connector.DefaultTimeout
	}
	var d connector.Descriptor
	if err := ask(ctx, timeout, func(ctx context.Context) (err error) { d, err = c.Describe(ctx); return err }); err != nil {
		return d, fmt.Errorf("describe target %s: %w", target, err)
	}
	lister, ok := c.(connector.Lister)
	if !ok || !d.List {
		return d, connector.Errorf(connector.Unsupported, "list target "+target, "this target cannot list its accounts; for connector sql, give it account.list")
	}
	empty := 0
	for token := ""; ; {
		var page connector.Page
		err := ask(ctx, timeout, func(ctx context.Context) (err error) {
			page, err = lister.List(ctx, connector.ListRequest{Token: token, Limit: pageSize})
			return err
		})
		if err != nil {
			return d, fmt.Errorf("list target %s: %w", target, err)
		}
		fresh, err := into.addAll(page.Objects)
		if err != nil {
			return d, err
		}
		if empty++; len(page.Objects) > 0 {
			empty = 0
		}
		switch {
		case page.Next == "":
			return d, nil
		case empty > emptyMost, fresh == 0 && empty == 0: // it would have no end, and what is not in it would count as gone
			return d, connector.Errorf(connector.Transient, "list target "+target, "the listing goes round in a circle after %d accounts", into.Len())
		}
		token = page.Next
	}
}

const (
	throttleMost  = 10          // times in a row that a target may ask us to wait, until the listing ends with that
	throttleLeast = time.Second // that we wait then
	patience      = time.Minute // that we wait at most
	emptyMost     = 100         // pages in a row without accounts: some targets filter after they have paged
)

// ask makes one call. A target that asks us to wait has done nothing: it is asked the same again.
func ask(ctx context.Context, timeout time.Duration, call func(context.Context) error) (err error) {
	for range throttleMost {
		limited, cancel := connector.WithTimeout(ctx, timeout)
		err = call(limited)
		cancel()
		pause := max(throttleLeast, connector.RetryAfter(err))
		if connector.ClassOf(err) != connector.Throttled || pause > patience {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return connector.ContextError(ctx, "wait until the target allows", false)
		}
	}
	return err
}

// Package listing lists targets: once per sweep, shared by all partitions of the instance that take part in it.
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
	Timeout time.Duration                       // of one page; 0: connector.DefaultTimeout
}

// Book makes listings.
type Book struct {
	sources    map[string]Source
	clock      stream.Clock
	partitions func(context.Context) (int32, error)

	mu      sync.Mutex
	entries map[string]*entry // by sweep and target
}

// Shared is a listing and which accounts each partition answers for.
type Shared struct {
	*drift.Listing
	parts map[int32][]connector.Object
}

// Of is what belongs to a partition.
func (s Shared) Of(partition int32) []connector.Object { return s.parts[partition] }

type entry struct {
	done    chan struct{} // closed when the listing is there, or err
	listing Shared
	err     error
	free    *time.Timer
}

// New makes a book of these targets. partitions says how many partitions the pipeline has.
func New(sources map[string]Source, clock stream.Clock, partitions func(context.Context) (int32, error)) *Book {
	return &Book{sources: sources, clock: clock, partitions: partitions, entries: map[string]*entry{}}
}

// ErrUnknown is for a target that no file describes.
var ErrUnknown = errors.New("there is no target file of that name")

// Take returns the listing of a target for a sweep. All who take part in the sweep get the same one.
func (b *Book) Take(ctx context.Context, sweep, target string) (Shared, error) {
	source, ok := b.sources[target]
	if !ok {
		return Shared{}, &connector.Error{Class: connector.Invalid, Op: "list target " + target, Err: ErrUnknown}
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
			return Shared{}, ctx.Err()
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

func (b *Book) list(ctx context.Context, target string, source Source) (shared Shared, err error) {
	n, err := b.partitions(ctx)
	if err != nil {
		return Shared{}, fmt.Errorf("count partitions: %w", err)
	}
	c, err := source.Open()
	if err != nil {
		return Shared{}, fmt.Errorf("open target %s: %w", target, err)
	}
	defer func() { err = errors.Join(err, connector.Close(c)) }()
	began := b.clock.Now()
	d, objects, err := pages(ctx, c, target, source.Timeout)
	if err != nil {
		return Shared{}, err
	}
	normal := func(want connector.Desired) connector.Desired { return connector.Normal(c, want) }
	shared = Shared{Listing: drift.NewListing(began, d, normal, objects), parts: map[int32][]connector.Object{}}
	for _, o := range objects {
		p := stream.Partition(drift.Owner(o), n)
		shared.parts[p] = append(shared.parts[p], o)
	}
	return shared, nil
}

// pages reads the whole target, each page within the time limit.
func pages(ctx context.Context, c connector.Connector, target string, timeout time.Duration) (connector.Descriptor, []connector.Object, error) {
	if timeout <= 0 {
		timeout = connector.DefaultTimeout
	}
	limited := func(f func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return f(ctx)
	}
	var d connector.Descriptor
	if err := limited(func(ctx context.Context) (err error) { d, err = c.Describe(ctx); return err }); err != nil {
		return d, nil, fmt.Errorf("describe target %s: %w", target, err)
	}
	lister, ok := c.(connector.Lister)
	if !ok || !d.List {
		return d, nil, connector.Errorf(connector.Unsupported, "list target "+target, "this target cannot list its accounts; for connector sql, give it account.list")
	}
	var objects []connector.Object
	for token := ""; ; {
		var page connector.Page
		err := limited(func(ctx context.Context) (err error) {
			page, err = lister.List(ctx, connector.ListRequest{Token: token, Limit: pageSize})
			return err
		})
		if err != nil {
			return d, nil, fmt.Errorf("list target %s: %w", target, err)
		}
		objects = append(objects, page.Objects...)
		if page.Next == "" {
			return d, objects, nil
		}
		token = page.Next
	}
}

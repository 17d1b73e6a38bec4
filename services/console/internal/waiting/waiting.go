// Package waiting is a live view of the workers of whom nobody knows whose they are: a fold of jml.intake.waiting.v1.
//
// It owns nothing else: whose a worker is, ingest decides by a person's word. A record that comes twice changes nothing. A
// Room is safe for concurrent use.
//
//	r := waiting.New()
//	r.Put("hr/2002", &worker) // nil: nothing of that worker waits any more
//	all := r.List()
package waiting

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"joinery.internal/pkg/event"
)

// Room is the fold.
type Room struct {
	mu      sync.Mutex
	workers map[string]event.Waiting // by source/source_key
	changed chan struct{}            // closed and replaced on every change
}

// New returns an empty room.
func New() *Room { return &Room{workers: map[string]event.Waiting{}, changed: make(chan struct{})} }

// Put folds a record.
func (r *Room) Put(worker string, w *event.Waiting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w == nil {
		delete(r.workers, worker)
	} else {
		r.workers[worker] = *w
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// Get returns what waits of a worker, and a channel that is closed on the next change of any.
func (r *Room) Get(worker string) (w event.Waiting, changed <-chan struct{}, waits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, waits = r.workers[worker]
	return w, r.changed, waits
}

// List returns them, who has waited longest first.
func (r *Room) List() []event.Waiting {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.workers), func(a, b event.Waiting) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Source, b.Source), cmp.Compare(a.SourceKey, b.SourceKey))
	})
}

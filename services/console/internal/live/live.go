// Package live is the newest record of each key of a compacted topic, as something that can be waited for.
//
// It owns nothing else. A record that comes twice changes nothing. A Table is safe for concurrent use.
//
//	t := live.New[event.Ticket]()
//	t.Put("id-ana|keys", &ticket) // nil: there is none any more
//	ticket, changed, there := t.Get("id-ana|keys")
package live

import (
	"maps"
	"slices"
	"sync"
)

// Table is the fold.
type Table[T any] struct {
	mu      sync.Mutex
	byKey   map[string]T
	changed chan struct{} // closed and replaced on every change
}

// New returns an empty table.
func New[T any]() *Table[T] {
	return &Table[T]{byKey: map[string]T{}, changed: make(chan struct{})}
}

// Put folds a record.
func (t *Table[T]) Put(key string, v *T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v == nil {
		delete(t.byKey, key)
	} else {
		t.byKey[key] = *v
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// Get returns the record of a key, and a channel that is closed on the next change of any.
func (t *Table[T]) Get(key string) (v T, changed <-chan struct{}, there bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, there = t.byKey[key]
	return v, t.changed, there
}

// All returns the records, in no order, and a channel that is closed on the next change.
func (t *Table[T]) All() ([]T, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.byKey)), t.changed
}

package wire

import (
	"maps"
	"sync"
	"sync/atomic"
)

// table is a map that is read on every record and written once per schema: reads take no lock and allocate nothing, writes copy.
// The zero value is ready to use.
type table[K comparable, V any] struct {
	mu  sync.Mutex // serialises put
	now atomic.Pointer[map[K]V]
}

func (t *table[K, V]) get(k K) (v V, ok bool) {
	if m := t.now.Load(); m != nil {
		v, ok = (*m)[k]
	}
	return v, ok
}

func (t *table[K, V]) put(k K, v V) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := map[K]V{}
	if m := t.now.Load(); m != nil {
		next = maps.Clone(*m)
	}
	next[k] = v
	t.now.Store(&next)
}

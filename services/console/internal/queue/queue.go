// Package queue is a live view of the tickets that are open now: a fold of jml.ticket.open.v1.
//
// It owns nothing else: what a word on a ticket does is decided by the provisioner, and closed tickets are read from the
// evidence. A record that comes twice changes nothing. A Queue is safe for concurrent use.
//
//	q := queue.New()
//	q.Put("id-ana|keys", &ticket) // nil: there is none any more
//	open := q.List(func(event.Ticket) bool { return true })
package queue

import (
	"cmp"
	"slices"
	"sync"

	"joinery.internal/pkg/event"
)

// Queue is the fold.
type Queue struct {
	mu      sync.Mutex
	byKey   map[string]event.Ticket
	changed chan struct{} // closed and replaced on every change
}

// New returns an empty queue.
func New() *Queue { return &Queue{byKey: map[string]event.Ticket{}, changed: make(chan struct{})} }

// Put folds a record.
func (q *Queue) Put(key string, t *event.Ticket) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t == nil {
		delete(q.byKey, key)
	} else {
		q.byKey[key] = *t
	}
	close(q.changed)
	q.changed = make(chan struct{})
}

// Get returns an open ticket, and a channel that is closed on the next change of any.
func (q *Queue) Get(id string) (t event.Ticket, changed <-chan struct{}, open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.byKey {
		if t.ID == id {
			return t, q.changed, true
		}
	}
	return event.Ticket{}, q.changed, false
}

// lanes in the order in which people had better work.
var lanes = []event.Lane{event.LaneEmergency, event.LaneLeaver}

// List returns the open tickets that keep wants: those that take access away first, then the oldest.
func (q *Queue) List(keep func(event.Ticket) bool) []event.Ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []event.Ticket
	for _, t := range q.byKey {
		if keep(t) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b event.Ticket) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.OpenedAt.Compare(b.OpenedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func rank(t event.Ticket) int {
	if i := slices.Index(lanes, t.Lane); i >= 0 {
		return i
	}
	return len(lanes)
}

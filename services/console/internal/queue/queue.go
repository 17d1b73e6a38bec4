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

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/live"
)

// Queue is the fold, by key of the account.
type Queue struct{ *live.Table[event.Ticket] }

// New returns an empty queue.
func New() *Queue { return &Queue{live.New[event.Ticket]()} }

// Get returns an open ticket, and a channel that is closed on the next change of any.
func (q *Queue) Get(id string) (t event.Ticket, changed <-chan struct{}, open bool) {
	all, changed := q.All()
	if i := slices.IndexFunc(all, func(t event.Ticket) bool { return t.ID == id }); i >= 0 {
		return all[i], changed, true
	}
	return event.Ticket{}, changed, false
}

// lanes in the order in which people had better work.
var lanes = []event.Lane{event.LaneEmergency, event.LaneLeaver}

// List returns the open tickets that keep wants: those that take access away first, then the oldest.
func (q *Queue) List(keep func(event.Ticket) bool) []event.Ticket {
	all, _ := q.All()
	out := slices.DeleteFunc(all, func(t event.Ticket) bool { return !keep(t) })
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

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
	"slices"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/live"
)

// Room is the fold, by source/source_key.
type Room struct{ *live.Table[event.Waiting] }

// New returns an empty room.
func New() *Room { return &Room{live.New[event.Waiting]()} }

// List returns them, who has waited longest first.
func (r *Room) List() []event.Waiting {
	all, _ := r.All()
	slices.SortFunc(all, func(a, b event.Waiting) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Source, b.Source), cmp.Compare(a.SourceKey, b.SourceKey))
	})
	return all
}

package lifecycle

import (
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// fact is one thing a source said of a worker, as kept. Times are Unix milliseconds.
type fact struct {
	ID        string
	Kind      event.RecordKind
	Sequence  *int64
	Recorded  int64 // never after Known: a source's clock may run ahead
	Known     int64
	Effective calendar.Moment // empty: Recorded
	Reason    string
	Says      *sayings // of an upsert; nil of all else

	position int64 // where in time the version order puts it: Recorded, or that of an earlier version if later
}

func newFact(f event.Fact) fact {
	r := f.Record
	known := f.KnownAt.UnixMilli()
	kept := fact{ID: f.ID, Kind: r.Kind, Sequence: r.Sequence, Known: known, Recorded: min(r.RecordedAt.UnixMilli(), known),
		Effective: calendar.Moment(r.EffectiveAt), Reason: r.Reason}
	switch {
	case r.Kind != event.Upsert:
	case r.Person == nil:
		kept.Says = silence
	default:
		kept.Says = say(*r.Person)
	}
	return kept
}

// moment is when f takes effect, as the source wrote it.
func (f fact) moment() calendar.Moment {
	if f.Effective == "" {
		return calendar.At(time.UnixMilli(f.Recorded))
	}
	return f.Effective
}

// rank is when what f says begins to hold among what else is said (see the package comment).
func (f fact) rank(zone *time.Location) int64 {
	effective := f.moment().Begin(zone).UnixMilli()
	if f.Sequence == nil {
		return effective
	}
	return max(effective, f.position)
}

func (f fact) origin() origin { return origin{Fact: f.ID, Reason: f.Reason, Known: f.Known} }

// origin is the fact behind something.
type origin struct {
	Fact   string `json:"i,omitempty"`
	Reason string `json:"c,omitempty"`
	Known  int64  `json:"k,omitempty"`
}

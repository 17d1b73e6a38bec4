package event

import "time"

// GuardAct is what people do to what a guard holds; it takes two who do the same.
type GuardAct string

// The acts. There are no others.
const (
	GuardRelease GuardAct = "release" // let it go on
	GuardCancel  GuardAct = "cancel"  // do not do it, until something newer is wanted
)

// GuardCommand is one person's act on what a guard holds: the value of jml.guard.command.v1, one record in every
// partition, keyed by the trip.
type GuardCommand struct {
	ID     string     `avro:"id"`
	Kind   GuardAct   `avro:"kind"`
	Hold   string     `avro:"hold"` // the guard's trip, as its exception_id names it
	Actor  IdentityID `avro:"actor"`
	Reason string     `avro:"reason"`
	At     time.Time  `avro:"at"`
}

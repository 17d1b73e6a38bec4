package event

import "time"

// GuardAct is what people do to what a guard holds; it takes two who do the same.
type GuardAct string

// The acts. There are no others.
const (
	GuardRelease GuardAct = "release" // let it go on
	GuardCancel  GuardAct = "cancel"  // do not do it, until something newer is wanted
)

// What an adapter tells of a file that it holds, in one partition; people then decide on it as on any hold.
const (
	GuardTrip     GuardAct = "trip"     // it holds one; Reason says why
	GuardWithdraw GuardAct = "withdraw" // the file is gone
)

// The acts on a whole target. One person is enough: nothing is lost by waiting.
const (
	TargetPause  GuardAct = "pause"  // send nothing to the target
	TargetResume GuardAct = "resume" // send what has waited
)

// GuardCommand is one person's act on what a guard holds, on a target, or an adapter's word: the value of jml.guard.command.v1, one record in
// every partition, keyed by the trip or target.
type GuardCommand struct {
	ID     string     `avro:"id"`
	Kind   GuardAct   `avro:"kind"`
	Hold   string     `avro:"hold"` // the guard's trip, as its exception_id names it; of pause and resume: the target
	Actor  IdentityID `avro:"actor"`
	Reason string     `avro:"reason"`
	At     time.Time  `avro:"at"`
}

package event

import "time"

// ReplayAct is what people do about records that were handled badly or not at all.
type ReplayAct string

// The acts. There are no others.
const (
	ReplayStart   ReplayAct = "start"   // records are written again from now on
	ReplayFinish  ReplayAct = "finish"  // they have been
	ReplayResolve ReplayAct = "resolve" // a dead letter is dealt with: replayed, or discarded
)

// ReplayCommand says that somebody has records handled again: the value of jml.replay.command.v1, keyed by the replay.
// It is written in one transaction with the records, so that there is evidence of it if and only if it was done.
type ReplayCommand struct {
	ID          string     `avro:"id"` // of the replay
	Kind        ReplayAct  `avro:"kind"`
	Topic       string     `avro:"topic"`        // whose records
	Filter      string     `avro:"filter"`       // which of them, for people
	Count       int64      `avro:"count"`        // of finish: how many
	ExceptionID string     `avro:"exception_id"` // of resolve: the dead letter
	Resolution  string     `avro:"resolution"`   // of resolve: replay, or person for one that is discarded
	Actor       IdentityID `avro:"actor"`
	Reason      string     `avro:"reason"`
	At          time.Time  `avro:"at"`
}

package event

import "time"

// Reject is a foreign record that an intake adapter cannot make a source record of: the value of jml.source.reject.v1,
// keyed `source/id`. Ingest makes a dead letter of it, once, however often it is reported.
type Reject struct {
	ID         string    `avro:"id"` // the record's own name at its source, or its place: the same on every try
	Source     string    `avro:"source"`
	Class      string    `avro:"class"`     // framing, unknown_schema, decode, invalid, unsupported
	Message    string    `avro:"message"`   // what is wrong and where, without what stands there
	Place      string    `avro:"place"`     // where the record stands: a topic and offset, a file and line, a call
	Topic      string    `avro:"topic"`     // if it stands in Kafka; empty: elsewhere
	Partition  int32     `avro:"partition"` // of Topic
	Offset     int64     `avro:"offset"`    // in Partition
	Key        []byte    `avro:"key"`
	Value      []byte    `avro:"value"` // as it came
	RejectedAt time.Time `avro:"rejected_at"`
}

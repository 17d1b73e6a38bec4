package event

import "time"

// Checkpoint is the head of a chain of evidence as it was stored, signed: the value of jml.evidence.checkpoint.v1, keyed
// by topic/partition/service. As each hash covers all before it, the newest checkpoint of a chain seals the whole.
type Checkpoint struct {
	Topic     Topic     `avro:"topic"`
	Partition int32     `avro:"partition"`
	Service   string    `avro:"service"` // that writes the chain
	Seq       int64     `avro:"seq"`
	Hash      []byte    `avro:"hash"`
	At        time.Time `avro:"at"`        // when it was stored, by the clock of the sink's machine
	Signature []byte    `avro:"signature"` // see evidence.Seal
}

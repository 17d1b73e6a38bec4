package event

import "time"

// ScimResource is a resource that a SCIM client keeps at a source of ours: the value of the compacted
// jml.scim.resource.v1, keyed `source/type/id`. One that is deleted is a tombstone.
//
// Invariant: Version grows with each record of a key, and of each source_key.
type ScimResource struct {
	Source    string     `avro:"source"`
	Type      string     `avro:"type"` // User, Group
	ID        string     `avro:"id"`
	Version   int64      `avro:"version"`    // the sequence of the last source record that it made
	SourceKey string     `avro:"source_key"` // of the worker that a User is
	Said      RecordKind `avro:"said"`       // what was last said of the worker: upsert, suspend, terminate; empty: nothing yet
	Created   time.Time  `avro:"created"`
	Modified  time.Time  `avro:"modified"`
	Body      string     `avro:"body"` // JSON, without id and meta
}

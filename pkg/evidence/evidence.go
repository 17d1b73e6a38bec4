// Package evidence is the archive of the pipeline's transitions in ClickHouse: the row, the table, the views people and
// dashboards query, and the figures made of them.
//
// A row is keyed by its position in Kafka (topic id, partition, offset), so writing it again is harmless and a writer
// that does not know whether an insert arrived asks Positions and writes what lacks. There are no insert tokens and no
// materialised views. The package neither reads Kafka nor batches (the evidence sink does) nor starts a server
// (pkg/clickhouse/engine). A Store may be used from many goroutines.
//
//	if err := evidence.Apply(ctx, conn); err != nil { ... }
//	store := evidence.NewStore(conn)
//	err := store.Insert(ctx, rows)
//	table, err := store.KPI(ctx, since)
package evidence

import (
	"time"

	"github.com/google/uuid"
)

// Database is where everything lies.
const Database = "joinery"

// Row is one transition, as evidence_log stores it. Times are UTC with millisecond precision; a zero time is stored as 1970.
type Row struct {
	EventID     string    `ch:"event_id" json:"event_id"`
	Kind        string    `ch:"kind" json:"kind"`
	Service     string    `ch:"service" json:"service"`
	IdentityID  string    `ch:"identity_id" json:"identity_id"`
	CaseID      string    `ch:"case_id" json:"case_id"`
	CausationID string    `ch:"causation_id" json:"causation_id"`
	Source      string    `ch:"source" json:"source"`
	Target      string    `ch:"target" json:"target"`
	Account     string    `ch:"account" json:"account"`
	Role        string    `ch:"role" json:"role"`
	Entitlement string    `ch:"entitlement" json:"entitlement"`
	Actor       string    `ch:"actor" json:"actor"`
	Outcome     string    `ch:"outcome" json:"outcome"`
	Reason      string    `ch:"reason" json:"reason"`
	Message     string    `ch:"message" json:"message"`
	Policy      string    `ch:"policy" json:"policy"`
	Attempt     uint16    `ch:"attempt" json:"attempt"`
	EffectiveAt time.Time `ch:"effective_at" json:"effective_at"`
	KnownAt     time.Time `ch:"known_at" json:"known_at"`
	OccurredAt  time.Time `ch:"occurred_at" json:"occurred_at"` // decides the partition: it must not differ between two writes of a position
	StoredAt    time.Time `ch:"stored_at" json:"stored_at"`     // set by ClickHouse when the row arrives; ignored by Insert
	Payload     string    `ch:"payload" json:"payload"`         // JSON
	Seq         uint64    `ch:"seq" json:"seq"`
	PrevHash    string    `ch:"prev_hash" json:"prev_hash"`
	Hash        string    `ch:"hash" json:"hash"`

	SrcTopic     string    `ch:"src_topic" json:"src_topic"`
	SrcTopicID   uuid.UUID `ch:"src_topic_id" json:"src_topic_id"`
	SrcPartition uint32    `ch:"src_partition" json:"src_partition"`
	SrcOffset    uint64    `ch:"src_offset" json:"src_offset"`
	SrcKey       string    `ch:"src_key" json:"src_key"`
	Raw          string    `ch:"raw" json:"raw"` // the exact bytes of the Kafka value
}

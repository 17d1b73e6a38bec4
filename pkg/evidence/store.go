package evidence

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"joinery.internal/pkg/clickhouse"
)

// Store writes rows and reads them back.
type Store struct {
	conn   clickhouse.Conn
	damage damage
}

// NewStore returns a store on a connection to a database that Apply has prepared. On a server of one's own its user needs,
// besides SELECT and INSERT on the database, CHECK and ALTER DELETE on evidence_log and SELECT on system.parts.
func NewStore(conn clickhouse.Conn) *Store {
	return &Store{conn: conn, damage: damage{checked: make(map[string]int64)}}
}

// Insert writes the rows in one insert and returns when they are on disk and were read back whole. An error means that it is not known
// whether, or which part of, the batch is there: see Positions. No row is unfit by its content.
func (s *Store) Insert(ctx context.Context, rows []Row) (err error) {
	if len(rows) == 0 {
		return nil
	}
	// Asynchronous inserts would acknowledge the buffer, deduplication would drop rows of equal content.
	ctx = driver.Context(ctx, driver.WithSettings(driver.Settings{
		"async_insert": 0, "insert_deduplicate": 0, "max_partitions_per_insert_block": 0,
	}))
	batch, err := s.conn.PrepareBatch(ctx, insertStatement())
	if err != nil {
		return fmt.Errorf("begin insert of %d rows: %w", len(rows), err)
	}
	defer func() {
		if !batch.IsSent() {
			err = errors.Join(err, batch.Abort())
		}
	}()
	for _, r := range rows {
		r = r.Storable()
		if err := batch.AppendStruct(&r); err != nil {
			return fmt.Errorf("encode row of %s[%d]@%d: %w", r.SrcTopic, r.SrcPartition, r.SrcOffset, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert %d rows: %w", len(rows), err)
	}
	return s.confirm(ctx, len(rows))
}

// Storable is the row as it is read back: its times are within range, and in milliseconds.
func (r Row) Storable() Row {
	r.EffectiveAt, r.KnownAt, r.OccurredAt = storable(r.EffectiveAt), storable(r.KnownAt), storable(r.OccurredAt)
	return r
}

// storable brings a time into what the column and the driver can hold: HR systems write 9999-12-31 for "never", and the
// driver would silently make 1816 of it. The payload keeps what was said.
func storable(t time.Time) time.Time {
	first := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC)
	switch {
	case t.IsZero():
		return t
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t.UTC().Truncate(time.Millisecond)
}

// insertStatement names every column but stored_at, which the server fills.
func insertStatement() string {
	var columns []string
	for f := range reflect.TypeFor[Row]().Fields() {
		if c := f.Tag.Get("ch"); c != "stored_at" {
			columns = append(columns, c)
		}
	}
	return "INSERT INTO " + Database + ".evidence_log (" + strings.Join(columns, ", ") + ")"
}

// Offsets are positions of one partition that are stored.
type Offsets map[uint64]struct{}

// Has says whether the record at the offset is stored.
func (o Offsets) Has(offset uint64) bool {
	_, ok := o[offset]
	return ok
}

// Positions returns which offsets of [from, to) of a partition are stored.
func (s *Store) Positions(ctx context.Context, topicID uuid.UUID, partition uint32, from, to uint64) (_ Offsets, err error) {
	if _, err := s.removeDamage(ctx); err != nil { // of an insert that nobody confirmed
		return nil, fmt.Errorf("read back positions: %w", err)
	}
	rows, err := s.conn.Query(ctx, `SELECT DISTINCT src_offset FROM `+Database+`.evidence_log
		WHERE src_topic_id = ? AND src_partition = ? AND src_offset >= ? AND src_offset < ?`, topicID, partition, from, to)
	if err != nil {
		return nil, fmt.Errorf("read back positions: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found := make(Offsets)
	for rows.Next() {
		var offset uint64
		if err := rows.Scan(&offset); err != nil {
			return nil, fmt.Errorf("read back a position: %w", err)
		}
		found[offset] = struct{}{}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read back positions: %w", err)
	}
	return found, nil
}

// Extent is what is stored of a chain.
type Extent struct {
	Rows uint64 // of different seq
	Last uint64 // the highest seq
}

// Extents gives what is stored of each chain.
func (s *Store) Extents(ctx context.Context) (_ map[Chain]Extent, err error) {
	rows, err := s.conn.Query(ctx, `SELECT src_topic, src_partition, service, uniqExact(seq), max(seq) FROM `+Database+`.evidence_log WHERE seq > 0
		GROUP BY src_topic, src_partition, service`)
	if err != nil {
		return nil, fmt.Errorf("count rows of chains: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out := map[Chain]Extent{}
	for rows.Next() {
		var c Chain
		var e Extent
		if err := rows.Scan(&c.Topic, &c.Partition, &c.Service, &e.Rows, &e.Last); err != nil {
			return nil, fmt.Errorf("count rows of chains: %w", err)
		}
		out[c] = e
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count rows of chains: %w", err)
	}
	return out, nil
}

package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"joinery.internal/pkg/clickhouse"
	"joinery.internal/pkg/evidence"
)

func (s *sink) connect(ctx context.Context) error {
	conn, err := clickhouse.Connect(ctx, s.env.ClickHouse)
	if err != nil {
		return err
	}
	s.conn, s.store = conn, evidence.NewStore(conn)
	return nil
}

func (s *sink) disconnect() {
	if s.conn != nil {
		s.conn.Close() //nolint:errcheck // what was to be said has been acknowledged
		s.conn = nil
	}
}

// write inserts the rows that are not there yet. An insert that failed is of unknown effect: a new connection, read
// back, insert what lacks. What a fresh partition brings may have been written by its last owner: read back first.
func (s *sink) write(ctx context.Context, rows []evidence.Row) error {
	unknown := slices.ContainsFunc(rows, func(r evidence.Row) bool { return s.fresh[placeOf(r)] })
	err := s.persist(ctx, "write evidence", func() error {
		if s.conn == nil {
			if err := s.connect(ctx); err != nil {
				return err
			}
		}
		missing := rows
		if unknown {
			var err error
			if missing, err = s.missing(ctx, rows); err != nil {
				s.disconnect()
				return err
			}
		}
		unknown = true
		began := time.Now()
		if err := s.store.Insert(ctx, missing); err != nil {
			s.disconnect()
			return err
		}
		s.metrics.insert.Observe(time.Since(began).Seconds())
		return nil
	})
	if err == nil {
		for _, r := range rows {
			delete(s.fresh, placeOf(r))
		}
	}
	return err
}

func placeOf(r evidence.Row) place { return place{r.SrcTopic, int32(r.SrcPartition)} }

// missing gives the rows whose positions are not stored.
func (s *sink) missing(ctx context.Context, rows []evidence.Row) ([]evidence.Row, error) {
	byPlace := map[place][]evidence.Row{}
	for _, r := range rows {
		byPlace[placeOf(r)] = append(byPlace[placeOf(r)], r)
	}
	var out []evidence.Row
	for p, rows := range byPlace {
		first, last := rows[0].SrcOffset, rows[len(rows)-1].SrcOffset
		there, err := s.store.Positions(ctx, rows[0].SrcTopicID, rows[0].SrcPartition, first, last+1)
		if err != nil {
			return nil, fmt.Errorf("read back %s/%d: %w", p.topic, p.partition, err)
		}
		for _, r := range rows {
			if !there.Has(r.SrcOffset) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/stream"
)

const (
	auditEvery = time.Minute
	auditShare = 100 // an audit takes one part of so many of the time
	joinWait   = time.Second
)

// audit counts the rows of the chains in this sink's partitions. What was sealed and is gone - a disk that lost a part,
// somebody with rights on the table - is written again from Kafka, if Kafka still has it. Trouble waits for the next audit.
func (s *sink) audit(ctx context.Context) {
	began := time.Now()
	switch {
	case began.Before(s.nextAudit):
		return
	case len(s.mine) == 0:
		s.nextAudit = began.Add(joinWait)
		return
	}
	gone, err := s.gone(ctx)
	for topic := range gone {
		s.env.Log.Error("evidence is gone from ClickHouse, writing it again", "topic", topic, "rows", gone[topic])
		err = errors.Join(err, s.refill(ctx, topic))
	}
	if len(gone) > 0 && err == nil {
		gone, err = s.gone(ctx)
	}
	if err != nil {
		s.metrics.retries.Inc()
		s.env.Log.Warn("cannot audit the evidence, trying again", "after", auditEvery, "err", err)
	} else {
		total := uint64(0)
		for _, n := range gone {
			total += n
		}
		s.metrics.gap.Set(float64(total))
	}
	s.nextAudit = time.Now().Add(max(auditEvery, auditShare*time.Since(began)))
}

// gone gives how many sealed rows each topic lacks in this sink's partitions; topics that lack none are not there.
func (s *sink) gone(ctx context.Context) (map[string]uint64, error) {
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return nil, err
		}
	}
	stored, err := s.store.Extents(ctx)
	if err != nil {
		s.disconnect()
		return nil, err
	}
	lack := map[string]uint64{}
	for chain, head := range s.heads {
		if there := stored[chain]; s.mine[place{chain.Topic, int32(chain.Partition)}] && there.Rows < max(head, there.Last) {
			lack[chain.Topic] += max(head, there.Last) - there.Rows
		}
	}
	return lack, nil
}

// refill reads what has been committed of a topic's partitions that are this sink's, and inserts what lacks.
func (s *sink) refill(ctx context.Context, topic string) error {
	committed, err := kadm.NewClient(s.client).FetchOffsets(ctx, group)
	if err != nil {
		return fmt.Errorf("read committed offsets: %w", err)
	}
	ends := map[int32]int64{}
	for p := range s.mine {
		if end, read := committed.Lookup(topic, p.partition); read && p.topic == topic {
			ends[p.partition] = end.At
		}
	}
	var again []*kgo.Record
	var failed error
	err = stream.ReadCommitted(ctx, topic, slices.Collect(maps.Keys(ends)), s.env.Stream(), func(_ int32, start, _ int64) int64 { return start }, func(r *kgo.Record) {
		if failed != nil || r.Offset >= ends[r.Partition] { // the rest is read in its turn
			return
		}
		if again = append(again, r); len(again) == batchRows {
			failed, again = s.restore(ctx, again), nil
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("read %s again: %w", topic, err)
	}
	return s.restore(ctx, again)
}

// restore inserts the rows of records that are not there.
func (s *sink) restore(ctx context.Context, records []*kgo.Record) error {
	rows, err := s.makeAll(ctx, records)
	if err != nil {
		return err
	}
	lack, err := s.missing(ctx, rows)
	if err != nil {
		return err
	}
	if err := s.store.Insert(ctx, lack); err != nil {
		s.disconnect()
		return err
	}
	s.metrics.filled.Add(float64(len(lack)))
	return nil
}

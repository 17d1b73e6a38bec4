package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
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

// refill reads what this sink has ever committed of a topic, and inserts what lacks.
func (s *sink) refill(ctx context.Context, topic string) error {
	admin := kadm.NewClient(s.client)
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return fmt.Errorf("read committed offsets: %w", err)
	}
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("list start offsets of %s: %w", topic, err)
	}
	ends, from := map[int32]int64{}, map[int32]kgo.Offset{}
	for p := range s.mine {
		end, read := committed.Lookup(topic, p.partition)
		start, there := starts.Lookup(topic, p.partition)
		if p.topic == topic && read && there && start.Offset < end.At {
			ends[p.partition], from[p.partition] = end.At, kgo.NewOffset().At(start.Offset)
		}
	}
	if len(ends) == 0 {
		return nil // Kafka has nothing of it any more
	}
	reader, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.env.Kafka...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords()}, s.env.KafkaOpts...)...)
	if err != nil {
		return fmt.Errorf("read %s again: %w", topic, err)
	}
	defer reader.Close()
	for len(ends) > 0 {
		fetches := reader.PollRecords(ctx, batchRows)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return fmt.Errorf("read %s again: %w", topic, err)
		}
		var again []*kgo.Record
		fetches.EachRecord(func(r *kgo.Record) {
			end, asked := ends[r.Partition]
			if asked && r.Offset+1 >= end {
				delete(ends, r.Partition)
			}
			if asked && r.Offset < end && !r.Attrs.IsControl() {
				again = append(again, r)
			}
		})
		if err := s.restore(ctx, again); err != nil {
			return err
		}
	}
	return nil
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

package stream

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// restoreStall is how much longer than a transaction may stay open a restore may make no progress: brokers look for
// transactions to time out every 10 s.
const restoreStall = 20 * time.Second

// restore reads the changelog of each partition from its start to its end as it is now, committed records only.
//
// To the end, not only to the last stable offset: a transaction that is open now, or whose markers are still on their
// way, may have committed the very offsets this member will start from. All its records are before the end, for
// offsets are committed after them, and by a member of an older generation not any more. Offsets are fetched after
// this, and wait for pending ones too.
func restore(ctx context.Context, topic string, ids []int32, o Options) (map[int32]map[string][]byte, error) {
	states := map[int32]map[string][]byte{}
	for _, id := range ids {
		states[id] = map[string][]byte{}
	}
	err := readCommitted(ctx, topic, ids, o, func(r *kgo.Record) { applyChange(states[r.Partition], r) })
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", topic, err)
	}
	return states, nil
}

// applyChange does to a state what a record of its changelog says. The value is copied: it is part of a whole fetch.
func applyChange(state map[string][]byte, r *kgo.Record) {
	if r.Value == nil {
		delete(state, string(r.Key))
	} else {
		state[string(r.Key)] = bytes.Clone(r.Value)
	}
}

// readCommitted calls each with every committed record of the partitions, from the start to the end as it is now.
// Control records are kept while reading: the tail of a log may hold nothing else.
func readCommitted(ctx context.Context, topic string, ids []int32, o Options, each func(*kgo.Record)) error {
	offsets := map[int32]kgo.Offset{}
	for _, id := range ids {
		offsets[id] = kgo.NewOffset().AtStart()
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // compaction may move the start while we read
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100 * time.Millisecond)}, o.Dialer...)...)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	left, err := unread(ctx, adm, adm.ListEndOffsets, topic, ids)
	if err != nil {
		return err
	}
	for len(left) > 0 {
		stall, cancel := context.WithTimeout(ctx, restoreStall+o.SessionTimeout)
		fetches := cl.PollFetches(stall)
		err := stall.Err()
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("partitions and offsets still to reach %v: no progress%s: %w", left, held(ctx, adm, topic, left), err)
		}
		if err := fetchError(fetches); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				each(r)
			}
			if end, ok := left[r.Partition]; ok && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		})
	}
	return nil
}

// held says which open transactions hold up the reading of the partitions. One that is open for longer than its time-out
// hangs: its coordinator has forgotten it, and only an operator can end it.
func held(ctx context.Context, adm *kadm.Client, topic string, left map[int32]int64) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	set := kadm.TopicsSet{}
	set.Add(topic, slices.Sorted(maps.Keys(left))...)
	producers, err := adm.DescribeProducers(ctx, set)
	if err != nil {
		return fmt.Sprintf(" (and the brokers do not say why: %v)", err)
	}
	var open []string
	for _, p := range producers.SortedProducers() {
		if p.CurrentTxnStartOffset >= 0 {
			open = append(open, fmt.Sprintf("partition %d has an open transaction of producer %d, epoch %d, since offset %d", p.Partition, p.ProducerID, p.ProducerEpoch, p.CurrentTxnStartOffset))
		}
	}
	if len(open) == 0 {
		return ""
	}
	return fmt.Sprintf(", %s; if it hangs, end it with `kafka-transactions.sh abort --topic %s --partition P --start-offset N`", strings.Join(open, ", "), topic)
}

// unread gives the end of each of the partitions (nil: all) that holds anything.
func unread(ctx context.Context, adm *kadm.Client, list func(context.Context, ...string) (kadm.ListedOffsets, error), topic string, ids []int32) (map[int32]int64, error) {
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list start offsets: %w", err)
	}
	ends, err := list(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list end offsets: %w", err)
	}
	left := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		start, _ := starts.Lookup(topic, end.Partition)
		if end.Offset > start.Offset && (ids == nil || slices.Contains(ids, end.Partition)) {
			left[end.Partition] = end.Offset
		}
	})
	return left, nil
}

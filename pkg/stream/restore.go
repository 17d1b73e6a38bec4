package stream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// restoreStall is how long a restore may make no progress before it counts as failed.
const restoreStall = 20 * time.Second

// restore reads the changelog of each partition from its start to its last stable offset, committed records only.
// The instance was fenced before it joined, so no transaction of an earlier owner can still end beyond that point
// with the same offsets.
func restore(ctx context.Context, topic string, ids []int32, o Options) (map[int32]map[string][]byte, error) {
	states := map[int32]map[string][]byte{}
	for _, id := range ids {
		states[id] = map[string][]byte{}
	}
	err := readCommitted(ctx, topic, ids, o, func(r *kgo.Record) error {
		if r.Value == nil {
			delete(states[r.Partition], string(r.Key))
		} else {
			states[r.Partition][string(r.Key)] = r.Value
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", topic, err)
	}
	return states, nil
}

// readCommitted calls each with every committed record of the partitions, from the start to the last stable offset as
// it is now. Control records are kept while reading: the tail of a log may hold nothing else.
func readCommitted(ctx context.Context, topic string, ids []int32, o Options, each func(*kgo.Record) error) error {
	offsets := map[int32]kgo.Offset{}
	for _, id := range ids {
		offsets[id] = kgo.NewOffset().AtStart()
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100 * time.Millisecond)}, o.Dialer...)...)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	defer cl.Close()
	left, err := unread(ctx, cl, topic, ids)
	if err != nil {
		return err
	}
	for len(left) > 0 {
		stall, cancel := context.WithTimeout(ctx, restoreStall)
		fetches := cl.PollFetches(stall)
		err := stall.Err()
		cancel()
		if err != nil {
			return fmt.Errorf("partitions and offsets still to reach %v: no progress: %w", left, err)
		}
		if err := fetchError(fetches); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if err == nil && !r.Attrs.IsControl() {
				err = each(r)
			}
			if end, ok := left[r.Partition]; ok && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unread gives the last stable offset of each of the partitions (nil: all) that holds anything.
func unread(ctx context.Context, cl *kgo.Client, topic string, ids []int32) (map[int32]int64, error) {
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list start offsets: %w", err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list stable offsets: %w", err)
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

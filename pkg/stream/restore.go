package stream

import (
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

// changelog is where a topology's state is kept.
type changelog struct {
	topic      string
	id         kadm.TopicID
	tombstones time.Duration // for so long at least they are kept
}

// restored is the state of one partition as its changelog says.
type restored struct {
	state   map[string][]byte
	cached  cached            // what it began with
	await   bool              // the cache's anchor has not been seen in the changelog
	broken  bool              // nor was it where it must be
	changed map[string][]byte // since the cache
	last    *kgo.Record       // that was read
}

// restore reads the changelog of each partition to its end as it is now, committed records only: from its start, or from
// what the cache knows.
//
// To the end, not only to the last stable offset: a transaction that is open now, or whose markers are still on their
// way, may have committed the very offsets this member will start from. All its records are before the end, for
// offsets are committed after them, and by a member of an older generation not any more. Offsets are fetched after
// this, and wait for pending ones too.
func restore(ctx context.Context, log changelog, ids []int32, o Options, c *cache) (parts map[int32]*restored, read int, err error) {
	parts = map[int32]*restored{}
	for id, cached := range c.load(ids) {
		parts[id] = &restored{state: cached.state, cached: cached, await: true, changed: map[string][]byte{}}
	}
	take := func(r *kgo.Record) {
		read++
		parts[r.Partition].take(r)
	}
	err = ReadCommitted(ctx, log.topic, ids, o, func(id int32, start, end int64) int64 {
		p := parts[id]
		if p == nil {
			parts[id] = &restored{state: map[string][]byte{}}
			return start
		}
		if why := p.cached.doubt(cacheHeader(log.topic, log.id, id, o.Instance), start, end, time.Now(), log.tombstones); why != "" {
			c.distrust(id, why)
			parts[id] = &restored{state: map[string][]byte{}}
			return start
		}
		return p.cached.at.offset
	}, take)
	if err == nil {
		if anew := unproved(parts, c); len(anew) > 0 {
			err = ReadCommitted(ctx, log.topic, anew, o, func(_ int32, start, _ int64) int64 { return start }, take)
		}
	}
	if err != nil {
		return nil, read, fmt.Errorf("restore %s: %w", log.topic, err)
	}
	return parts, read, nil
}

// unproved begins afresh with the partitions whose changelog does not know what the cache knows, and gives them.
func unproved(parts map[int32]*restored, c *cache) (ids []int32) {
	for id, p := range parts {
		if p.broken || p.await {
			c.distrust(id, fmt.Sprintf("the changelog has not what it ends with, at offset %d", p.cached.at.offset))
			parts[id] = &restored{state: map[string][]byte{}}
			ids = append(ids, id)
		}
	}
	return ids
}

// take does what a record of the changelog says. The first after a cached state must be its anchor: an abort, a loss of
// the cluster or compaction would have put something else there.
func (p *restored) take(r *kgo.Record) {
	switch {
	case p.broken:
		return
	case p.await:
		p.await, p.broken = false, r.Offset != p.cached.at.offset || changeSum(r.Key, r.Value) != p.cached.at.sum
		return
	}
	fold(p.state, r.Key, r.Value)
	if p.changed != nil {
		p.changed[string(r.Key)] = p.state[string(r.Key)]
	}
	p.last = r
}

// begin says where the cache goes on from here.
func (p *restored) begin(header string) *beginning {
	b := &beginning{header: header, whole: p.cached.whole, end: p.cached.end, state: p.changed, last: anchor{offset: -1}}
	if p.changed == nil {
		b.state = maps.Clone(p.state) // the loop goes on with the other
	}
	if p.last != nil {
		b.last = anchor{offset: p.last.Offset, at: p.last.Timestamp, sum: changeSum(p.last.Key, p.last.Value)}
	}
	return b
}

// ReadCommitted calls each with every committed record of the partitions, from where from says, given the offsets that
// there are, to the end as it is now. An error says which partitions make no progress, and what holds them up.
func ReadCommitted(ctx context.Context, topic string, ids []int32, o Options, from func(id int32, start, end int64) int64, each func(*kgo.Record)) error {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), // compaction may move the start while we read
		// Control records are kept: the tail of a log may hold nothing else.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100 * time.Millisecond)}, o.Dialer...)...)
	if err != nil {
		return fmt.Errorf("open client: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	starts, ends, err := bounds(ctx, adm, adm.ListEndOffsets, topic)
	if err != nil {
		return err
	}
	left, offsets := map[int32]int64{}, map[int32]kgo.Offset{}
	for _, id := range ids {
		if at := from(id, starts[id], ends[id]); at < ends[id] {
			left[id], offsets[id] = ends[id], kgo.NewOffset().At(at)
		}
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets})
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

// bounds gives the first offset and the end of each partition.
func bounds(ctx context.Context, adm *kadm.Client, list func(context.Context, ...string) (kadm.ListedOffsets, error), topic string) (starts, ends map[int32]int64, err error) {
	if starts, err = offsets(ctx, adm.ListStartOffsets, topic); err != nil {
		return nil, nil, fmt.Errorf("list start offsets: %w", err)
	}
	if ends, err = offsets(ctx, list, topic); err != nil {
		return nil, nil, fmt.Errorf("list end offsets: %w", err)
	}
	return starts, ends, nil
}

func offsets(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error), topic string) (map[int32]int64, error) {
	listed, err := list(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	out := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	return out, err
}

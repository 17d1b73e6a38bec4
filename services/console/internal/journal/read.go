package journal

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// tail reads a topic from where it ended when it was opened.
type tail struct {
	client     *kgo.Client
	partitions int
}

// Tail implements desk.Journal.
func (j *Journal) Tail(ctx context.Context, topic event.Topic) (desk.Tail, error) {
	ends, err := j.offsets(ctx, topic, j.admin.ListEndOffsets)
	if err != nil {
		return nil, err
	}
	cl, err := j.reader(starts{string(topic): ends})
	if err != nil {
		return nil, err
	}
	return &tail{client: cl, partitions: len(ends)}, nil
}

func (t *tail) Partitions() int { return t.partitions }
func (t *tail) Close()          { t.client.Close() }

func (t *tail) Next(ctx context.Context) ([]desk.Incoming, error) {
	fetches := t.client.PollFetches(ctx)
	if err := fetches.Err0(); err != nil {
		return nil, fmt.Errorf("read topic: %w", err)
	}
	for _, e := range fetches.Errors() {
		return nil, fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
	}
	var out []desk.Incoming
	fetches.EachRecord(func(r *kgo.Record) {
		if !r.Attrs.IsControl() {
			out = append(out, incoming(r))
		}
	})
	return out, nil
}

// Last implements desk.Journal: the newest committed records of all partitions together, oldest first.
func (j *Journal) Last(ctx context.Context, topic event.Topic, limit int) ([]desk.Incoming, error) {
	first, err := j.offsets(ctx, topic, j.admin.ListStartOffsets)
	if err != nil {
		return nil, err
	}
	ends, err := j.offsets(ctx, topic, j.admin.ListCommittedOffsets)
	if err != nil {
		return nil, err
	}
	var out []desk.Incoming
	for p, end := range ends {
		records, err := j.lastOf(ctx, topic, p, first[p], end, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, records...)
	}
	slices.SortFunc(out, func(a, b desk.Incoming) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return out[max(0, len(out)-limit):], nil
}

// Read implements desk.Journal.
func (j *Journal) Read(ctx context.Context, topic event.Topic, see func(desk.Incoming)) error {
	first, err := j.offsets(ctx, topic, j.admin.ListStartOffsets)
	if err != nil {
		return err
	}
	ends, err := j.offsets(ctx, topic, j.admin.ListCommittedOffsets)
	if err != nil {
		return err
	}
	for p, end := range ends {
		for from := first[p]; from < end; from += readSpan {
			records, err := j.span(ctx, topic, p, from, min(end, from+readSpan))
			if err != nil {
				return err
			}
			for _, r := range records {
				see(r)
			}
		}
	}
	return nil
}

// readSpan is how many offsets are read at a time.
const readSpan = 50_000

// lastOf reads one partition's newest records. How many of the places before the end hold one is not known (ends of
// transactions and compaction leave gaps), so it looks further back until it has enough or is at the start.
func (j *Journal) lastOf(ctx context.Context, topic event.Topic, p int32, start, end int64, limit int) ([]desk.Incoming, error) {
	for back := int64(2 * limit); start < end; back *= 4 {
		from := max(start, end-back)
		records, err := j.span(ctx, topic, p, from, end)
		if err != nil {
			return nil, err
		}
		if len(records) >= limit || from == start {
			return records[max(0, len(records)-limit):], nil
		}
	}
	return nil, nil
}

// span reads the committed records of [from, end).
func (j *Journal) span(ctx context.Context, topic event.Topic, p int32, from, end int64) ([]desk.Incoming, error) {
	cl, err := j.reader(starts{string(topic): {p: from}})
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var out []desk.Incoming
	for next := from; next < end; {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read %s/%d: %w", topic, p, ctx.Err())
		}
		for _, e := range fetches.Errors() {
			return nil, fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if r.Offset < end && !r.Attrs.IsControl() {
				out = append(out, incoming(r))
			}
		})
	}
	return out, nil
}

func incoming(r *kgo.Record) desk.Incoming {
	return desk.Incoming{Topic: event.Topic(r.Topic), Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp, Key: string(r.Key), Value: r.Value}
}

// starts is where to begin reading: topic, partition, offset.
type starts map[string]map[int32]int64

// reader reads partitions from given offsets, committed records only. Ends of transactions are kept, since the tail of
// a log may hold nothing else.
func (j *Journal) reader(from starts) (*kgo.Client, error) {
	at := map[string]map[int32]kgo.Offset{}
	for topic, partitions := range from {
		at[topic] = map[int32]kgo.Offset{}
		for p, offset := range partitions {
			at[topic][p] = kgo.NewOffset().At(offset)
		}
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(j.o.Seeds...), kgo.ConsumePartitions(at),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords()}, j.o.Dialer...)...)
	if err != nil {
		return nil, fmt.Errorf("open reader: %w", err)
	}
	return cl, nil
}

func (j *Journal) offsets(ctx context.Context, topic event.Topic, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[int32]int64, error) {
	if _, err := j.partitions(ctx, topic); err != nil {
		return nil, err
	}
	listed, err := list(ctx, string(topic))
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("read offsets of %s: %w", topic, err)
	}
	out := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	return out, nil
}

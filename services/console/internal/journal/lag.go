package journal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/services/console/internal/desk"
)

// countedExactly is how many places behind the ends may be looked at one by one. Beyond that a few more or less say
// nothing.
const countedExactly = 2000

// Lag implements desk.Journal: how many records each consumer group of the cluster has still to read, and since when the
// first of them has waited. Ends of transactions take places in the log too, so places are looked at while they are few;
// ticks, by which the runtime tells itself the time, are not counted.
func (j *Journal) Lag(ctx context.Context) ([]desk.Lag, error) {
	groups, err := j.admin.Lag(ctx)
	if err != nil {
		return nil, fmt.Errorf("read lag of consumer groups: %w", err)
	}
	from, places := starts{}, int64(0)
	for _, g := range groups {
		if err := g.Error(); err != nil {
			return nil, fmt.Errorf("read lag of group %s: %w", g.Group, err)
		}
		eachBehind(g, func(m kadm.GroupMemberLag) {
			places += m.Lag
			if from[m.Topic] == nil {
				from[m.Topic] = map[int32]int64{}
			}
			if at, ok := from[m.Topic][m.Partition]; !ok || m.Commit.At < at {
				from[m.Topic][m.Partition] = m.Commit.At
			}
		})
	}
	exact := places <= countedExactly
	records, err := j.recordsFrom(ctx, from, exact)
	if err != nil {
		return nil, fmt.Errorf("look at records behind: %w", err)
	}
	var out []desk.Lag
	for _, g := range groups.Sorted() {
		lag := desk.Lag{ID: g.Group, State: g.State, Members: len(g.Members)}
		eachBehind(g, func(m kadm.GroupMemberLag) {
			if !exact {
				lag.Records += m.Lag
			}
			for _, r := range records[m.Topic][m.Partition] {
				if r.offset < m.Commit.At {
					continue
				}
				if exact {
					lag.Records++
				}
				if lag.Since.IsZero() || r.at.Before(lag.Since) {
					lag.Since = r.at
				}
			}
		})
		out = append(out, lag)
	}
	return out, nil
}

func eachBehind(g kadm.DescribedGroupLag, each func(kadm.GroupMemberLag)) {
	for _, m := range g.Lag.Sorted() {
		if m.Lag > 0 && m.Commit.At >= 0 && !strings.HasSuffix(m.Topic, ".tick.v1") {
			each(m)
		}
	}
}

// behind is a record that somebody has still to read.
type behind struct {
	offset int64
	at     time.Time
}

// recordsFrom gives the committed records from the given places to the ends as they are now; not all: at least the first
// of each partition.
func (j *Journal) recordsFrom(ctx context.Context, from starts, all bool) (map[string]map[int32][]behind, error) {
	left, err := j.unread(ctx, from)
	if err != nil || len(left) == 0 {
		return nil, err
	}
	cl, err := j.reader(from)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	out := map[string]map[int32][]behind{}
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, e := range fetches.Errors() {
			return nil, fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			data := !r.Attrs.IsControl()
			if data {
				if out[r.Topic] == nil {
					out[r.Topic] = map[int32][]behind{}
				}
				out[r.Topic][r.Partition] = append(out[r.Topic][r.Partition], behind{r.Offset, r.Timestamp.UTC()})
			}
			if end, ok := left[r.Topic][r.Partition]; ok && (r.Offset+1 >= end || data && !all) {
				delete(left[r.Topic], r.Partition)
				if len(left[r.Topic]) == 0 {
					delete(left, r.Topic)
				}
			}
		})
	}
	return out, nil
}

// unread is the last stable offset of each partition that has something after the given place.
func (j *Journal) unread(ctx context.Context, from starts) (starts, error) {
	var topics []string
	for topic := range from {
		topics = append(topics, topic)
	}
	left := starts{}
	if len(topics) == 0 {
		return left, nil
	}
	ends, err := j.admin.ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list stable offsets: %w", err)
	}
	for topic, partitions := range from {
		for p, at := range partitions {
			if end, ok := ends.Lookup(topic, p); ok && end.Offset > at {
				if left[topic] == nil {
					left[topic] = map[int32]int64{}
				}
				left[topic][p] = end.Offset
			}
		}
	}
	return left, nil
}

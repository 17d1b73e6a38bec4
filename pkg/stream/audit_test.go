package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// audit is all that the topology "counting" read and wrote, as committed. faults judges it by the inputs alone.
type audit struct {
	inputs, events, dead []*kgo.Record
	changelog            []*kgo.Record
	live                 map[int32]map[string][]byte // as the instances last had it in memory; nil: not compared
}

// faults recomputes what must have come of the inputs, and says where it differs.
func (a audit) faults() []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	due, poison := map[string]*kgo.Record{}, map[string]bool{}
	counts := map[int32]map[string]int{}
	for _, r := range a.inputs {
		if counts[r.Partition] == nil {
			counts[r.Partition] = map[string]int{}
		}
		var verb string
		if json.Unmarshal(r.Value, &verb) != nil {
			poison[record(r).ID()] = true
			continue
		}
		due[record(r).ID()] = r
		counts[r.Partition][string(r.Key)]++
	}
	done := map[string]bool{}
	last, clock, direct := map[string]int{}, map[int32]time.Time{}, map[int32]int64{}
	for _, r := range a.events {
		var c counted
		if err := json.Unmarshal(r.Value, &c); err != nil {
			fault("event %s: %v", record(r).ID(), err)
		}
		in := due[c.CausationID]
		switch {
		case in == nil:
			fault("event %s of no input: %s", record(r).ID(), c.CausationID)
			continue
		case done[c.CausationID]:
			fault("input %s doubled", c.CausationID)
		case in.Partition != r.Partition || !bytes.Equal(in.Key, r.Key):
			fault("input %s: event of key %s in partition %d", c.CausationID, r.Key, r.Partition)
		}
		done[c.CausationID] = true
		if last[string(r.Key)]++; c.N != last[string(r.Key)] {
			fault("key %s: event says %d, it is number %d", r.Key, c.N, last[string(r.Key)])
		}
		if c.OccurredAt.Before(clock[r.Partition]) {
			fault("partition %d: time went back at %s", r.Partition, record(r).ID())
		}
		clock[r.Partition] = c.OccurredAt
		if verb := string(in.Value); verb != `"timer"` && verb != `"effect"` {
			if in.Offset < direct[r.Partition] {
				fault("input %s out of order", c.CausationID)
			}
			direct[r.Partition] = in.Offset
		}
	}
	for id := range due {
		if !done[id] {
			fault("input %s (%s) lost", id, due[id].Value)
		}
	}
	out = append(out, deadFaults(a.dead, poison)...)
	heads, faults := chainFaults(append(slices.Clone(a.events), a.dead...))
	return append(append(out, faults...), a.stateFaults(counts, heads)...)
}

func deadFaults(dead []*kgo.Record, poison map[string]bool) (out []string) {
	for _, r := range dead {
		var dl event.DeadLetter
		if err := json.Unmarshal(r.Value, &dl); err != nil {
			out = append(out, err.Error())
		}
		if !poison[dl.CausationID] {
			out = append(out, fmt.Sprintf("dead letter of %s: no poison, or a second time", dl.CausationID))
		}
		delete(poison, dl.CausationID)
	}
	for id := range poison {
		out = append(out, fmt.Sprintf("poison %s without a dead letter", id))
	}
	return out
}

// chainFaults follows the chain of each topic and partition, and gives the heads as state has them.
func chainFaults(records []*kgo.Record) (heads map[int32]map[string][]byte, out []string) {
	heads = map[int32]map[string][]byte{}
	for _, r := range records {
		if heads[r.Partition] == nil {
			heads[r.Partition] = map[string][]byte{}
		}
		var seq uint64
		var prev []byte
		if head := heads[r.Partition][chainTable+r.Topic]; head != nil {
			seq, prev = binary.BigEndian.Uint64(head), head[8:]
		}
		seq++
		hash := LinkHash(prev, seq, r.Key, r.Value)
		h := record(r).Headers
		if got := string(h[HeaderSeq]); got != strconv.FormatUint(seq, 10) {
			out = append(out, fmt.Sprintf("%s: seq %s, want %d", record(r).ID(), got, seq))
		}
		if !bytes.Equal(h[HeaderPrev], prev) || !bytes.Equal(h[HeaderHash], hash) {
			out = append(out, fmt.Sprintf("%s: the chain is broken", record(r).ID()))
		}
		heads[r.Partition][chainTable+r.Topic] = append(binary.BigEndian.AppendUint64(nil, seq), hash...)
	}
	return heads, out
}

// stateFaults compares the changelog with what must be there at rest, byte for byte, and with what was in memory.
func (a audit) stateFaults(counts map[int32]map[string]int, heads map[int32]map[string][]byte) (out []string) {
	states := map[int32]map[string][]byte{}
	for _, r := range a.changelog {
		if states[r.Partition] == nil {
			states[r.Partition] = map[string][]byte{}
		}
		fold(states[r.Partition], r.Key, r.Value)
	}
	if a.live != nil {
		for p, live := range a.live {
			if !maps.EqualFunc(live, states[p], bytes.Equal) {
				out = append(out, fmt.Sprintf("partition %d: in memory %q, in the changelog %q", p, live, states[p]))
			}
		}
	}
	for p, state := range states {
		want := map[string][]byte{}
		maps.Copy(want, heads[p])
		for key, n := range counts[p] {
			want["count/"+key] = strconv.AppendInt(nil, int64(n), 10)
		}
		got := maps.Clone(state)
		delete(got, clockKey)
		if !maps.EqualFunc(got, want, bytes.Equal) {
			out = append(out, fmt.Sprintf("partition %d: state %q, want %q", p, got, want))
		}
	}
	return out
}

// committed reads a topic's committed records to its end.
func committed(ctx context.Context, t *testing.T, topic string, opts ...kgo.Opt) []*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if start, _ := starts.Lookup(topic, o.Partition); o.Offset > start.Offset {
			left[o.Partition] = o.Offset
		}
	})
	var out []*kgo.Record
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return out
}

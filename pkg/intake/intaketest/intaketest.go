// Package intaketest is a broker in memory with the pipeline's topics, for tests of adapters: what they put in is read
// back from Kafka.
package intaketest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/topics"
	"joinery.internal/pkg/wire"
)

// World is a broker and what an adapter needs to reach it.
type World struct {
	Options stream.Options
	Broker  *kfake.Cluster
	Client  *kgo.Client // without partitioner of its own
	t       testing.TB
}

// New starts a broker until the test ends.
func New(t testing.TB) *World {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return At(t, broker.ListenAddrs()...).with(broker)
}

func (w *World) with(broker *kfake.Cluster) *World { w.Broker = broker; return w }

// At makes the pipeline's topics at brokers that run already.
func At(t testing.TB, seeds ...string) *World {
	t.Helper()
	w := &World{t: t, Options: stream.Options{Seeds: seeds, Codec: wire.New(wire.Static()), Instance: "0"}}
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	specs, err := topics.Load()
	if err != nil {
		t.Fatal(err)
	}
	w.Client = client
	if _, err := topics.Apply(t.Context(), kadm.NewClient(client), specs); err != nil {
		t.Fatal(err)
	}
	return w
}

// Records returns what stands in jml.source.record.v1, partition by partition, once there are at least n.
func (w *World) Records(n int) []event.SourceRecord {
	w.t.Helper()
	return read[event.SourceRecord](w, n, event.SourceRecords)
}

// Urgent returns what stands in jml.source.urgent.v1 once there are at least n.
func (w *World) Urgent(n int) []event.SourceRecord {
	w.t.Helper()
	return read[event.SourceRecord](w, n, event.UrgentRecords)
}

// Said returns what stands in both once there are at least n, by sequence.
func (w *World) Said(n int) []event.SourceRecord {
	w.t.Helper()
	out := read[event.SourceRecord](w, n, event.SourceRecords, event.UrgentRecords)
	sequence := func(r event.SourceRecord) int64 {
		if r.Sequence == nil {
			return 0
		}
		return *r.Sequence
	}
	slices.SortStableFunc(out, func(a, b event.SourceRecord) int { return cmp.Compare(sequence(a), sequence(b)) })
	return out
}

// Guards returns the words on guards that stand in jml.guard.command.v1, each once, once there are at least n records.
func (w *World) Guards(n int) (out []event.GuardCommand) {
	w.t.Helper()
	seen := map[string]bool{}
	for _, c := range read[event.GuardCommand](w, n, event.GuardCommands) { // a vote has a copy in each partition
		if !seen[c.ID] {
			out = append(out, c)
		}
		seen[c.ID] = true
	}
	return out
}

// Rejects returns what stands in jml.source.reject.v1 once there are at least n.
func (w *World) Rejects(n int) []event.Reject {
	w.t.Helper()
	return read[event.Reject](w, n, event.SourceRejects)
}

// read reads the committed records of topics from their start until there are n and no more at their ends.
func read[T any](w *World, n int, of ...event.Topic) []T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	names := make([]string, len(of))
	for i, topic := range of {
		names[i] = string(topic)
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(w.Options.Seeds...), kgo.ConsumeTopics(names...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond), kgo.KeepControlRecords())
	if err != nil {
		w.t.Fatal(err)
	}
	defer reader.Close()
	type place struct {
		topic     string
		partition int32
	}
	at := map[place]int64{}
	found := map[place][]T{}
	got := 0
	for {
		if got >= n {
			ends, err := kadm.NewClient(reader).ListCommittedOffsets(ctx, names...)
			if err != nil {
				w.t.Fatal(err)
			}
			behind := false
			ends.Each(func(o kadm.ListedOffset) { behind = behind || at[place{o.Topic, o.Partition}] < o.Offset })
			if !behind {
				break
			}
		}
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			w.t.Fatalf("%v hold %d records, waited for %d", of, got, n)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			from := place{r.Topic, r.Partition}
			at[from] = r.Offset + 1
			if r.Attrs.IsControl() {
				return
			}
			var v T
			if err := w.Options.Codec.Decode(r.Value, r.Topic, &v); err != nil {
				w.t.Fatalf("decode %s: %v", r.Topic, err)
			}
			found[from] = append(found[from], v)
			got++
		})
	}
	var out []T
	for _, from := range slices.SortedFunc(maps.Keys(found), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	}) {
		out = append(out, found[from]...)
	}
	return out
}

// Bundle compiles sources, given as the text of one file.
func Bundle(t testing.TB, sources string) *policy.Bundle {
	t.Helper()
	bundle, err := policy.Check(config.Load([]config.File{{Name: "sources/all.yaml", Data: []byte(sources)}}))
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// Keys lists the records as `kind source_key`, sorted.
func Keys(records []event.SourceRecord) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = string(r.Kind) + " " + r.SourceKey
	}
	slices.Sort(out)
	return out
}

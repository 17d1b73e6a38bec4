package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/journal"
)

const partitions = 3

func open(t *testing.T, topics ...string) *journal.Journal {
	t.Helper()
	j, _ := openAt(t, topics...)
	return j
}

func openAt(t *testing.T, topics ...string) (*journal.Journal, []string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	j, err := journal.Open(journal.Options{Seeds: cluster.ListenAddrs(), ID: "console-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j, cluster.ListenAddrs()
}

func last(t *testing.T, j *journal.Journal, topic event.Topic, limit int) []desk.Incoming {
	t.Helper()
	records, err := j.Last(t.Context(), topic, limit)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestARecordGoesToThePartitionOfItsKey(t *testing.T) {
	t.Parallel()
	j := open(t, string(event.AccessRequests))
	for i := range 10 {
		key := fmt.Sprintf("id-%d", i)
		if err := j.Append(t.Context(), desk.Outgoing{Topic: event.AccessRequests, Key: key, Value: []byte(key)}); err != nil {
			t.Fatal(err)
		}
	}
	records := last(t, j, event.AccessRequests, 100)
	if len(records) != 10 {
		t.Fatalf("read %d records, want 10", len(records))
	}
	for _, r := range records {
		if want := stream.Partition(r.Key, partitions); r.Partition != want {
			t.Errorf("key %s is in partition %d, want %d", r.Key, r.Partition, want)
		}
	}
}

func TestARecordForEverywhereIsInEveryPartition(t *testing.T) {
	t.Parallel()
	j := open(t, string(event.PolicyActivations), string(event.PolicyBundles))
	err := j.Append(t.Context(),
		desk.Outgoing{Topic: event.PolicyBundles, Key: "hash", Value: []byte("bundle")},
		desk.Outgoing{Topic: event.PolicyActivations, Key: "policy", Everywhere: true, Value: []byte("marker")})
	if err != nil {
		t.Fatal(err)
	}
	var seen []int32
	for _, r := range last(t, j, event.PolicyActivations, 10) {
		seen = append(seen, r.Partition)
	}
	slices.Sort(seen)
	if !slices.Equal(seen, []int32{0, 1, 2}) {
		t.Errorf("markers are in partitions %v, want one in each of 3", seen)
	}
	if n := len(last(t, j, event.PolicyBundles, 10)); n != 1 {
		t.Errorf("%d bundles, want 1", n)
	}
}

func TestNothingIsWrittenWhenOneTopicIsMissing(t *testing.T) {
	t.Parallel()
	j := open(t, string(event.PolicyBundles))
	err := j.Append(t.Context(),
		desk.Outgoing{Topic: event.PolicyBundles, Key: "hash", Value: []byte("bundle")},
		desk.Outgoing{Topic: event.PolicyActivations, Key: "policy", Everywhere: true, Value: []byte("marker")})
	var f *desk.Fault
	if !errors.As(err, &f) || f.Kind != desk.NotFound {
		t.Fatalf("append: %v; want a fault that the topic is missing", err)
	}
	if n := len(last(t, j, event.PolicyBundles, 10)); n != 0 {
		t.Errorf("%d bundles were written, want none", n)
	}
}

func TestATailSeesOnlyWhatComesAfterIt(t *testing.T) {
	t.Parallel()
	j := open(t, string(event.DriftEvents))
	write := func(value string) {
		if err := j.Append(t.Context(), desk.Outgoing{Topic: event.DriftEvents, Key: "id-1", Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	write("before")
	tail, err := j.Tail(t.Context(), event.DriftEvents)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	write("after")
	var got []desk.Incoming
	for len(got) == 0 {
		if got, err = tail.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if string(got[0].Value) != "after" || tail.Partitions() != partitions {
		t.Errorf("the tail of %d partitions begins with %q, want after", tail.Partitions(), got[0].Value)
	}
}

func TestLastLooksBehindTheEndsOfTransactions(t *testing.T) {
	t.Parallel()
	j := open(t, string(event.SweepCommands))
	for i := range 20 { // each in a transaction of its own: every other place in the log is an end
		if err := j.Append(t.Context(), desk.Outgoing{Topic: event.SweepCommands, Key: "chat", Value: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	records := last(t, j, event.SweepCommands, 7)
	if len(records) != 7 || records[0].Value[0] != 13 || records[6].Value[0] != 19 {
		t.Errorf("the last 7 are %v, want 13 to 19", records)
	}
}

func TestAnUnknownTopicSaysWhichVerbMakesIt(t *testing.T) {
	t.Parallel()
	j := open(t, string(event.SweepCommands))
	_, err := j.Last(t.Context(), "jml.mistyped.v1", 5)
	var f *desk.Fault
	if !errors.As(err, &f) || f.Kind != desk.NotFound {
		t.Errorf("last of an unknown topic: %v", err)
	}
}

func TestLagCountsRecordsAndNotTheEndsOfTransactions(t *testing.T) {
	t.Parallel()
	j, seeds := openAt(t, string(event.SweepCommands), "jml.reconciler.tick.v1")
	for range 5 {
		for _, topic := range []event.Topic{event.SweepCommands, "jml.reconciler.tick.v1"} {
			if err := j.Append(t.Context(), desk.Outgoing{Topic: topic, Key: "chat", Value: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumerGroup("reconciler"), kgo.ConsumeTopics(string(event.SweepCommands), "jml.reconciler.tick.v1"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var commands []*kgo.Record
	for ticks := 0; len(commands) < 5 || ticks < 5; {
		for _, r := range reader.PollFetches(t.Context()).Records() {
			if r.Topic == string(event.SweepCommands) {
				commands = append(commands, r)
			} else if ticks++; ticks == 1 {
				commit(t, reader, r) // four ticks are left, which count for nothing
			}
		}
	}
	commit(t, reader, commands[1])
	if lag, err := j.Lag(t.Context()); err != nil || time.Since(lag[0].Since) > time.Minute {
		t.Errorf("behind since %v, %v", lag[0].Since, err)
	}
	if lag := lagOf(t, j); lag != 3 {
		t.Errorf("with 3 of 5 to read the lag is %d", lag)
	}
	commit(t, reader, commands[4])
	if lag := lagOf(t, j); lag != 0 {
		t.Errorf("with all read the lag is %d", lag)
	}
}

func commit(t *testing.T, cl *kgo.Client, r *kgo.Record) {
	t.Helper()
	if err := cl.CommitRecords(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func lagOf(t *testing.T, j *journal.Journal) int64 {
	t.Helper()
	lag, err := j.Lag(t.Context())
	if err != nil || len(lag) != 1 || lag[0].ID != "reconciler" {
		t.Fatalf("lag %+v, %v", lag, err)
	}
	return lag[0].Records
}

package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/journal"
)

const partitions = 3

func open(t *testing.T, topics ...string) *journal.Journal {
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
	return j
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

package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

const partitions = 3

// jsonCodec encodes anything as JSON; "poison" does not decode.
type jsonCodec struct{}

var errBad = errors.New("bad bytes")

func (jsonCodec) AppendEncode(dst []byte, _ string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

func (jsonCodec) Decode(b []byte, _ string, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return errors.Join(errBad, err)
	}
	return nil
}

func (jsonCodec) Class(err error) string {
	if errors.Is(err, errBad) {
		return "decode"
	}
	return ""
}

// cluster is an in-process broker with the topics of a topology named "count".
func cluster(t *testing.T) (seeds []string, client *kgo.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	client, err = kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumeTopics(string(event.IdentityEvents)), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	adm := kadm.NewClient(client)
	compact := "compact"
	for topic, config := range map[string]map[string]*string{
		"in": nil, string(event.IdentityEvents): nil, string(event.DeadLetters): nil,
		"jml.count.state.v1": {"cleanup.policy": &compact}, "jml.count.tick.v1": {"cleanup.policy": &compact},
	} {
		if _, err := adm.CreateTopic(t.Context(), partitions, 1, config, topic); err != nil {
			t.Fatal(err)
		}
	}
	return c.ListenAddrs(), client
}

type counted struct {
	event.Meta
	N int
}

// counting counts records per key, one event each, and sets a timer and an effect on command.
func counting() stream.Topology {
	counts := stream.NewTable[int]("count")
	count := func(tx *stream.Tx, key, cause string) {
		n, _ := counts.Get(tx, key)
		n++
		counts.Put(tx, key, n)
		tx.Emit(event.IdentityEvents, key, &counted{N: n, Meta: event.Meta{EventID: event.EventID(event.DeriveID("e", n, cause)), Kind: "count", OccurredAt: tx.Now()}})
	}
	return stream.Topology{
		Name:    "count",
		Outputs: []stream.Output{{Topic: event.IdentityEvents}},
		Inputs: []stream.Input{{Topic: "in", Handle: func(tx *stream.Tx, r stream.Record) error {
			verb, err := stream.Decode[string](tx, r)
			if err != nil {
				return err
			}
			switch verb {
			case "timer":
				tx.SetTimer(r.Key, tx.Now().Add(30*time.Millisecond))
			case "effect":
				tx.Effect(r.Key)
			default:
				count(tx, r.Key, r.ID())
			}
			return nil
		}}},
		Timer:   func(tx *stream.Tx, key string) error { count(tx, key, tx.Cause().ID()+key); return nil },
		Perform: func(_ context.Context, v any) any { return v },
		Result:  func(tx *stream.Tx, v any) error { count(tx, v.(string), tx.Cause().ID()+v.(string)); return nil },
	}
}

func produce(t *testing.T, client *kgo.Client, key string, value []byte) {
	t.Helper()
	r := &kgo.Record{Topic: "in", Partition: stream.Partition(key, partitions), Key: []byte(key), Value: value}
	if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// start runs the topology until the returned function is called.
func start(t *testing.T, seeds []string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- stream.Run(ctx, counting(), stream.Options{Seeds: seeds, Codec: jsonCodec{}}) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// events polls committed events until there are n, and checks each key's count, and each partition's chain.
func events(t *testing.T, client *kgo.Client, n int) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	last, seqs, prevs := map[string]int{}, map[int32]uint64{}, map[int32][]byte{}
	for seen := 0; seen < n; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d events: %v", seen, n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			var c counted
			if err := json.Unmarshal(r.Value, &c); err != nil {
				t.Fatal(err)
			}
			if last[string(r.Key)]++; last[string(r.Key)] != c.N {
				t.Errorf("key %s: event says %d, it is number %d", r.Key, c.N, last[string(r.Key)])
			}
			h := map[string][]byte{}
			for _, header := range r.Headers {
				h[header.Key] = header.Value
			}
			seqs[r.Partition]++
			if got := string(h[stream.HeaderSeq]); got != strconv.FormatUint(seqs[r.Partition], 10) {
				t.Errorf("partition %d: seq %s, want %d", r.Partition, got, seqs[r.Partition])
			}
			if !bytes.Equal(h[stream.HeaderPrev], prevs[r.Partition]) {
				t.Errorf("partition %d seq %d: broken link", r.Partition, seqs[r.Partition])
			}
			want := stream.LinkHash(prevs[r.Partition], seqs[r.Partition], r.Key, r.Value)
			if !bytes.Equal(h[stream.HeaderHash], want) {
				t.Errorf("partition %d seq %d: wrong hash", r.Partition, seqs[r.Partition])
			}
			prevs[r.Partition] = want
		})
	}
	return last
}

func TestEveryRecordCountsOnceOverRestarts(t *testing.T) {
	t.Parallel()
	seeds, client := cluster(t)
	const perRound, rounds = 300, 4
	for range rounds {
		stop := start(t, seeds)
		for i := range perRound {
			produce(t, client, fmt.Sprintf("k%d", i%7), []byte(`"count"`))
		}
		stop() // somewhere in the middle
	}
	defer start(t, seeds)()
	last := events(t, client, perRound*rounds)
	total := 0
	for _, n := range last {
		total += n
	}
	if total != perRound*rounds {
		t.Errorf("%d counted, %d produced", total, perRound*rounds)
	}
}

func TestTimersAndEffectsEnterThroughTicks(t *testing.T) {
	t.Parallel()
	seeds, client := cluster(t)
	produce(t, client, "later", []byte(`"timer"`))
	produce(t, client, "outside", []byte(`"effect"`))
	defer start(t, seeds)()
	last := events(t, client, 2)
	if last["later"] != 1 || last["outside"] != 1 {
		t.Errorf("counted %v", last)
	}
}

func TestPoisonGoesToTheDeadLettersAndTheRestFlows(t *testing.T) {
	t.Parallel()
	seeds, client := cluster(t)
	produce(t, client, "a", []byte(`"count"`))
	produce(t, client, "a", []byte(`not json`))
	produce(t, client, "a", []byte(`"count"`))
	defer start(t, seeds)()
	if last := events(t, client, 2); last["a"] != 2 {
		t.Errorf("counted %v", last)
	}
	client.AddConsumeTopics(string(event.DeadLetters))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	fetches := client.PollFetches(ctx)
	for fetches.NumRecords() == 0 && fetches.Err() == nil {
		fetches = client.PollFetches(ctx)
	}
	var dl event.DeadLetter
	if err := json.Unmarshal(fetches.Records()[0].Value, &dl); err != nil {
		t.Fatal(err)
	}
	if dl.Reason != "decode" || dl.Topic != "in" || dl.Offset != 1 || string(dl.Value) != "not json" {
		t.Errorf("dead letter %+v", dl)
	}
}

func TestAMissingTopicIsRefusedAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	seeds, _ := cluster(t)
	topology := counting()
	topology.Outputs = append(topology.Outputs, stream.Output{Topic: "nowhere"})
	err := stream.Run(t.Context(), topology, stream.Options{Seeds: seeds, Codec: jsonCodec{}})
	var unfit *stream.UnfitError
	if !errors.As(err, &unfit) || len(unfit.Faults) != 1 {
		t.Fatalf("got %v", err)
	}
}

package broker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// compacted is a broker in this process with one compacted topic, and its compactor, which runs only when told.
func compacted(t *testing.T) (*compactor, func(opts ...kgo.Opt) *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	connect := func(opts ...kgo.Opt) *kgo.Client {
		opts = append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(kgo.NoCompression()))
		client, err := kgo.NewClient(opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return client
	}
	c := &compactor{cluster: cluster, client: connect()}
	cluster.ControlKey(int16(trigger), c.control)
	if err := c.round(t.Context()); err != nil { // before there is a topic: it must not go by an old list afterwards
		t.Fatal(err)
	}
	if err := cluster.CreateTopic("t", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	return c, connect
}

func put(t *testing.T, c *kgo.Client, key string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := c.ProduceSync(t.Context(), kgo.KeySliceRecord([]byte(key), []byte(v))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func bytesIn(c *compactor) int64 { return c.cluster.PartitionInfo("t", 0).NumBytes }

var bulk = strings.Repeat("x", 300<<10)

// Left to itself kfake drops "committed" here: it counts the open transaction's record as its successor.
func TestCompactionWaitsForOpenTransactionsAndLosesNothingToThem(t *testing.T) {
	t.Parallel()
	c, connect := compacted(t)
	plain, tx := connect(), connect(kgo.TransactionalID("tx"))
	put(t, plain, "bulk", bulk, bulk, bulk, bulk, bulk)
	put(t, plain, "k", "committed")
	if err := tx.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	put(t, tx, "k", "open")
	put(t, plain, "bulk", "small")
	before := bytesIn(c)
	if err := c.round(t.Context()); err != nil || !c.is(busy) || bytesIn(c) != before {
		t.Fatalf("a round during the transaction: %v, busy %v, %d bytes of %d", err, c.is(busy), bytesIn(c), before)
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	put(t, plain, "other", "tail")
	if err := c.round(t.Context()); err != nil || !c.is(idle) || bytesIn(c) > before/2 {
		t.Fatalf("a round after it: %v, idle %v, %d bytes of %d", err, c.is(idle), bytesIn(c), before)
	}
	if got := readCommitted(t, connect); !slices.Equal(got, []string{"committed", "small", "tail"}) {
		t.Errorf("left: %.200q", got)
	}
}

func readCommitted(t *testing.T, connect func(opts ...kgo.Opt) *kgo.Client) []string {
	t.Helper()
	reader := connect(kgo.ConsumeTopics("t"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
	defer reader.Close()
	ends, err := kadm.NewClient(reader).ListEndOffsets(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup("t", 0)
	var out []string
	for at := int64(0); at < end.Offset; {
		fetches := reader.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if at = r.Offset + 1; !r.Attrs.IsControl() {
				out = append(out, string(r.Value))
			}
		})
	}
	return out
}

func TestCompactionWaitsUntilItIsWorthIt(t *testing.T) {
	t.Parallel()
	c, connect := compacted(t)
	plain := connect()
	put(t, plain, "k", "a", "b", "c")
	before := bytesIn(c)
	if err := c.round(t.Context()); err != nil || bytesIn(c) != before {
		t.Errorf("it compacted %d bytes: %v", before, err)
	}
}

func TestOtherPeoplesTriggerRequestsAreAnsweredAsEver(t *testing.T) {
	t.Parallel()
	_, connect := compacted(t)
	if _, err := kadm.NewClient(connect()).ListPartitionReassignments(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

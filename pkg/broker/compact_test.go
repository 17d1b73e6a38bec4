package broker

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// With kfake's compaction on (log.cleaner.backoff.ms of 1) the marker of the abort goes, and "committed" is not seen.
func TestWhatAProducerCommitsAfterAnAbortIsReadFromACompactedTopic(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := newCluster(t.TempDir(), listener)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	if err := cluster.CreateTopic("t", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	connect := func(opts ...kgo.Opt) *kgo.Client {
		client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(listener.Addr().String()), kgo.DefaultProduceTopic("t"))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return client
	}
	plain, tx := connect(), connect(kgo.TransactionalID("tx"))
	put(t, plain, "first", "kept") // the log begins before the abort, whatever is compacted
	inTransaction(t, tx, "aborted", kgo.TryAbort)
	put(t, plain, "other", slices.Repeat([]string{"older"}, 50)...) // time for a compaction, and what makes one
	inTransaction(t, tx, "committed", kgo.TryCommit)
	put(t, plain, "other", "newest")
	got := readCommitted(t, connect)
	if !slices.Contains(got, "committed") || slices.Contains(got, "aborted") || got[len(got)-1] != "newest" {
		t.Errorf("read %.40q", got)
	}
}

func inTransaction(t *testing.T, tx *kgo.Client, value string, end kgo.TransactionEndTry) {
	t.Helper()
	if err := tx.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	put(t, tx, "k", value)
	if err := tx.EndTransaction(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, c *kgo.Client, key string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := c.ProduceSync(t.Context(), kgo.KeySliceRecord([]byte(key), []byte(v))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func readCommitted(t *testing.T, connect func(opts ...kgo.Opt) *kgo.Client) []string {
	t.Helper()
	reader := connect(kgo.ConsumeTopics("t"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
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

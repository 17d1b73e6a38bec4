package broker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/broker"
)

// The test binary is also the broker, and the parent that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "broker-host":
			os.Exit(broker.HostMain(os.Args[2:]))
		case "parent":
			os.Exit(parent(os.Args[2]))
		}
	}
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil { // or every child under the race detector ends a second late
		panic(err)
	}
	os.Exit(m.Run())
}

// parent opens a broker, prints its address and process id, and waits to be killed.
func parent(dir string) int {
	b, err := broker.Open(context.Background(), options(dir))
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	fmt.Println(b.Addr(), b.PID())
	<-b.Done()
	return 0
}

func options(dir string) broker.Options {
	return broker.Options{Dir: dir, SelfExe: []string{os.Args[0], "broker-host"}}
}

func open(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	b, err := broker.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("t"), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func createTopic(t *testing.T, addr string, policy string) {
	t.Helper()
	if _, err := kadm.NewClient(client(t, addr)).CreateTopic(t.Context(), 1, -1, map[string]*string{"cleanup.policy": &policy}, "t"); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, c *kgo.Client, key string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Key: []byte(key), Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// transact produces in a transaction that it ends as told; nil leaves it open.
func transact(t *testing.T, c *kgo.Client, end *kgo.TransactionEndTry, key string, values ...string) {
	t.Helper()
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, c, key, values...)
	if end == nil {
		return
	}
	if err := c.EndTransaction(t.Context(), *end); err != nil {
		t.Fatal(err)
	}
}

var (
	commit = kgo.TryCommit
	abort  = kgo.TryAbort
)

// committed reads all of the topic that is committed.
func committed(t *testing.T, addr string) []string {
	t.Helper()
	offsets, err := kadm.NewClient(client(t, addr)).ListCommittedOffsets(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	end, ok := offsets.Lookup("t", 0)
	if !ok || end.Err != nil {
		t.Fatalf("end of the topic: %+v", end)
	}
	c := client(t, addr, kgo.ConsumeTopics("t"), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close() // while the broker lives: it says goodbye
	var out []string
	for at := int64(0); at < end.Offset; {
		fetches := c.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !r.Attrs.IsControl() {
				out = append(out, string(r.Value))
			}
		})
	}
	return out
}

func wantCommitted(t *testing.T, addr string, want ...string) {
	t.Helper()
	if got := committed(t, addr); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("committed: %q, want %q", got, want)
	}
}

func TestDataTransactionsAndOffsetsSurviveAKillOfTheParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "parent", dir)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	var pid int
	if _, err := fmt.Fscan(bufio.NewReader(stdout), &addr, &pid); err != nil || pid == 0 {
		t.Fatalf("the parent said %q %d: %v", addr, pid, err)
	}
	createTopic(t, addr, "delete")
	tx := client(t, addr, kgo.TransactionalID("tx"))
	transact(t, tx, &commit, "k", "one", "two")
	transact(t, tx, &abort, "k", "aborted")
	produce(t, client(t, addr), "k", "plain")
	var offsets kadm.Offsets
	offsets.AddOffset("t", 0, 2, -1)
	if err := kadm.NewClient(client(t, addr)).CommitAllOffsets(t.Context(), "group", offsets); err != nil {
		t.Fatal(err)
	}
	transact(t, tx, nil, "k", "left open")

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()             // it was killed
	b := open(t, options(dir)) // waits for the old broker to go, without being told of it

	if b.Addr() != addr {
		t.Errorf("it came back on %s, was on %s", b.Addr(), addr)
	}
	if b.PID() == pid {
		t.Error("it is the same process")
	}
	wantCommitted(t, b.Addr(), "one", "two", "plain")
	got, err := kadm.NewClient(client(t, b.Addr())).FetchOffsets(t.Context(), "group")
	if at, ok := got.Lookup("t", 0); err != nil || !ok || at.At != 2 {
		t.Errorf("the group is at %+v, %v", at, err)
	}
	// The same transactional id takes over, and what its last life left open is gone.
	transact(t, client(t, b.Addr(), kgo.TransactionalID("tx")), &commit, "k", "three")
	wantCommitted(t, b.Addr(), "one", "two", "plain", "three")
}

func TestAllSurvivesManyGracefulRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want []string
	for life := range 4 {
		b, err := broker.Open(t.Context(), options(dir))
		if err != nil {
			t.Fatal(err)
		}
		if life == 0 {
			createTopic(t, b.Addr(), "delete")
		}
		c := client(t, b.Addr(), kgo.TransactionalID("tx"))
		want = append(want, fmt.Sprint("life", life))
		transact(t, c, &commit, "k", want[life])
		wantCommitted(t, b.Addr(), want...)
		c.Close()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-b.Done():
		default:
			t.Error("closed and not done")
		}
		if b.Err() != nil {
			t.Error(b.Err())
		}
	}
}

func TestNoTopicAppearsByItself(t *testing.T) {
	t.Parallel()
	b := open(t, options(t.TempDir()))
	c := client(t, b.Addr(), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(0))
	err := c.ProduceSync(t.Context(), &kgo.Record{Value: []byte("x")}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("produce: %v", err)
	}
}

func TestATakenPortIsReplacedUnlessItWasAskedFor(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "port"), fmt.Appendln(nil, port), 0o600); err != nil {
		t.Fatal(err)
	}
	if b := open(t, options(dir)); b.Addr() == taken.Addr().String() {
		t.Error("two listen on one port")
	}
	o := options(t.TempDir())
	o.Port = port
	if _, err := broker.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), fmt.Sprint(port)) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("Open: %v", err)
	}
}

func TestABrokerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "kafka"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "kafka", "meta.json"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := broker.Open(t.Context(), options(dir))
	if err == nil || !strings.Contains(err.Error(), "meta.json") {
		t.Errorf("Open: %v", err)
	}
	if _, err := broker.Open(t.Context(), broker.Options{}); err == nil {
		t.Error("opened without a folder")
	}
}

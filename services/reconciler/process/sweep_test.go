//go:build !race

// A broker with race detection would take a minute to be filled. scripts/test.sh runs this without.

package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/child/childtest"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/topics"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/reconciler/process"
)

const (
	mostTime   = time.Minute
	mostMemory = 500 // MB, of 10^6 bytes
)

const targetFile = `{apiVersion: joinery/v1, kind: Target, metadata: {name: chat}, spec: {connector: memory, account: {name: person.id}, entitlements: [group]}}`

// TestASweepOf100000AccountsKeepsToAMinuteAnd500MB measures the whole life of the process: it reads what is wanted of all
// accounts and what the provisioner made of them, as fast as it can, sweeps them, and is started again and sweeps them
// again. The memory is the most it ever had resident, the in-memory target included.
func TestASweepOf100000AccountsKeepsToAMinuteAnd500MB(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	for _, life := range []string{"from nothing", "restored"} {
		p := w.start()
		began := time.Now()
		w.caughtUp()
		read := time.Since(began)
		began = time.Now()
		compared, found := w.sweep(life)
		took, peak := time.Since(began), peak(t, p)
		t.Logf("%s: up to date after %s, swept in %s, %d MB at the most", life, read.Round(time.Millisecond), took.Round(time.Millisecond), peak)
		if compared != process.Accounts || found != process.Accounts/1000 {
			t.Errorf("%s: %d compared, %d found", life, compared, found)
		}
		if took > mostTime || peak > mostMemory {
			t.Errorf("%s: a sweep in %s with %d MB; no more than %s and %d MB were promised", life, took, peak, mostTime, mostMemory)
		}
		if err := p.Stop(10 * time.Second); err != nil {
			t.Error(err)
		}
	}
}

// world is a broker with the pipeline's topics, and the reconciler's process.
type world struct {
	t          *testing.T
	dir        string
	worker     string // program
	brokers    []string
	client     *kgo.Client // of what is told, from the start
	codec      *wire.Serde
	partitions int32
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), codec: wire.New(wire.Static())}
	w.worker = filepath.Join(w.dir, "worker")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", w.worker, "joinery.internal/services/reconciler/process/worker") // without race detection: it takes memory
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		t.Fatal("build worker: ", err)
	}
	if err := os.MkdirAll(filepath.Join(w.dir, "targets"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "targets", "chat.yaml"), []byte(targetFile), 0o600); err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w.brokers = cluster.ListenAddrs()
	w.client, err = kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeTopics(string(event.DriftEvents)), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	specs, err := topics.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Apply(t.Context(), kadm.NewClient(w.client), specs); err != nil {
		t.Fatal(err)
	}
	w.partitions = int32(specs[0].Partitions)
	return w
}

func (w *world) record(topic event.Topic, key string, partition int32, v any) *kgo.Record {
	w.t.Helper()
	value, err := w.codec.Encode(string(topic), v)
	if err != nil {
		w.t.Fatal(err)
	}
	return &kgo.Record{Topic: string(topic), Key: []byte(key), Value: value, Partition: partition}
}

// fill says what is wanted of every account, and that the provisioner has done it.
func (w *world) fill() {
	w.t.Helper()
	for n := range process.Accounts {
		d, o := process.Want(n), process.Have(n)
		id := string(d.IdentityID)
		p := stream.Partition(id, w.partitions)
		done := event.ProvisionEvent{Meta: event.Meta{EventID: event.EventID("pe-" + id), Kind: event.ProvisionApplied, IdentityID: d.IdentityID, Target: d.Target, Account: o.Account},
			Version: d.Version, RemoteID: o.RemoteID, State: d.State, CallEnded: time.Now().UTC()}
		for _, r := range []*kgo.Record{w.record(event.AccessDesired, id+"|"+d.Target, p, &d), w.record(event.ProvisionEvents, id, p, &done)} {
			w.client.Produce(w.t.Context(), r, func(_ *kgo.Record, err error) {
				if err != nil {
					w.t.Error(err)
				}
			})
		}
	}
	if err := w.client.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) start() *childtest.Process {
	w.t.Helper()
	p := childtest.Start(w.t, "worker", w.worker, "-brokers", strings.Join(w.brokers, ","), "-config", w.dir)
	w.t.Cleanup(func() {
		if w.t.Failed() {
			p.Show(w.t)
		}
	})
	return p
}

// caughtUp waits until everything that was written has been read.
func (w *world) caughtUp() {
	w.t.Helper()
	admin := kadm.NewClient(w.client)
	if !childtest.Within(w.t.Context(), mostTime, 50*time.Millisecond, func() bool {
		lags, err := admin.Lag(w.t.Context(), "reconciler")
		if err != nil {
			w.t.Fatal(err)
		}
		left := lags["reconciler"].Lag.TotalByTopic()
		desired, known := left[string(event.AccessDesired)]
		return known && desired.Lag == 0 && left[string(event.ProvisionEvents)].Lag == 0
	}) {
		w.t.Fatalf("it has not read everything after %s", mostTime)
	}
}

// sweep asks for one in every partition, and gives what they said of it.
func (w *world) sweep(id string) (compared, found int) {
	w.t.Helper()
	command := event.SweepCommand{ID: id, Target: process.Target, Reason: "demand", Actor: "test", At: time.Now().UTC()}
	for p := range w.partitions {
		if err := w.client.ProduceSync(w.t.Context(), w.record(event.SweepCommands, process.Target, p, &command)).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
	for ended := int32(0); ended < w.partitions; {
		fetches := w.client.PollFetches(w.t.Context())
		if err := fetches.Err(); err != nil {
			w.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var e event.DriftEvent
			if err := w.codec.Decode(r.Value, r.Topic, &e); err != nil {
				w.t.Fatal(err)
			}
			switch {
			case e.SweepID != id:
			case e.Kind == event.DriftReported:
				compared += e.Count
				ended++
			case e.Kind == event.DriftFound:
				found++
			}
		})
	}
	return compared, found
}

// peak is the most memory that a process ever had resident, in MB.
func peak(t *testing.T, p *childtest.Process) (mb int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Skip("no /proc here: ", err)
	}
	var kib int
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatal(err)
	}
	return kib * 1024 / 1_000_000
}

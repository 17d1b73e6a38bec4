//go:build process

package process_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/child/childtest"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/kafkatest"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/stream/process"
)

const (
	partitions = 6
	atRest     = time.Minute     // within this after the last fault all is done
	patience   = 2 * time.Minute // for one step of a test, on a machine that does much else
)

var (
	workerBinary string       // built once for all tests
	struck       atomic.Int64 // faults of all tests
	judged       atomic.Int64 // inputs of all verdicts
	wrong        atomic.Int64 // what they found
)

func TestMain(m *testing.M) {
	const parallel = 4 // they mostly wait
	code := childtest.Main(m, "joinery.internal/pkg/stream/process/worker", &workerBinary, parallel)
	os.Exit(max(code, verdict()))
}

// enough is how many faults a whole run must have struck to prove anything.
const enough = 300

// verdict sums up what all tests have found, for the summary of the test run.
func verdict() (code int) {
	found := "0 lost, 0 doubled, 0 out of order, chains whole"
	if n := wrong.Load(); n > 0 {
		found = fmt.Sprintf("%d things wrong in what was written", n)
	}
	fmt.Printf("process tier: %d faults, %d inputs: %s (seed %d)\n", struck.Load(), judged.Load(), found, number("JOINERY_SEED", 1))
	if whole := flag.Lookup("test.run").Value.String() == "" && !testing.Short(); whole && struck.Load() < enough {
		fmt.Printf("process tier: fewer than %d faults\n", enough)
		return 1
	}
	return 0
}

// number reads a setting of the tests from the environment.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// rounds is how often a test does what it does n times in CI.
func rounds(n int) int { return n * number("JOINERY_SOAK", 1) }

// world is a cluster with the topics of the topology, and the load on it.
type world struct {
	t       *testing.T
	cluster *kafkatest.Cluster
	client  *kgo.Client // of the test
	admin   *kadm.Client
	rng     *rand.Rand // of the test's goroutine
	watch   *watch
	workers []*worker
	caches  string // folder of the workers' caches
	faults  int
	kept    int // values that the state begins with

	stopLoad func()
}

// newWorld starts a cluster and a load on it.
func newWorld(t *testing.T, brokers int) *world {
	t.Helper()
	seed := uint64(number("JOINERY_SEED", 1))
	w := &world{t: t, caches: filepath.Join(cacheFolder(t), "now"), cluster: kafkatest.Start(t, kafkatest.Options{Brokers: brokers}), rng: rand.New(rand.NewPCG(seed, uint64(len(t.Name()))))}
	w.client = w.open(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.admin = kadm.NewClient(w.client)
	w.createTopics()
	w.watch = newWatch(w)
	w.stopLoad = w.load(rand.New(rand.NewPCG(seed, 0)))
	t.Cleanup(func() {
		struck.Add(int64(w.faults))
		t.Logf("%d faults, seed %d", w.faults, seed)
		if t.Failed() {
			w.showLogs()
		}
	})
	return w
}

// createTopics returns when every broker knows all topics.
func (w *world) createTopics() {
	w.t.Helper()
	compact := "compact"
	topics := map[event.Topic]map[string]*string{
		process.Inputs: nil, process.Copies: nil, event.IdentityEvents: nil, event.DeadLetters: nil,
		process.State: {"cleanup.policy": &compact}, process.Ticks: {"cleanup.policy": &compact},
	}
	for topic, config := range topics {
		if _, err := w.admin.CreateTopic(w.t.Context(), partitions, -1, config, string(topic)); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, broker := range w.cluster.Addrs() {
		admin := kadm.NewClient(w.open(kgo.SeedBrokers(broker)))
		w.must("the topics are known to "+broker, func() bool {
			there, err := admin.ListTopics(w.t.Context())
			return err == nil && there.Error() == nil && len(there) == len(topics)
		})
	}
}

// open gives a client of the test's own that lives as long as the test.
func (w *world) open(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.cluster.Addrs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}

// load feeds inputs, 500 a second, until it is stopped. It then returns when all are in the log.
func (w *world) load(rng *rand.Rand) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for n := 0; ctx.Err() == nil; n += 10 {
			for i := range 10 {
				key, value := input(rng, n+i)
				w.client.Produce(w.t.Context(), &kgo.Record{Topic: string(process.Inputs), Partition: stream.Partition(key, partitions), Key: []byte(key), Value: []byte(value)}, nil)
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		group.Wait()
		if err := w.client.Flush(w.t.Context()); err != nil {
			w.t.Errorf("flush the inputs: %v", err)
		}
	})
}

// input makes the nth input. A key has inputs of one kind, so that the order of its events is known, but for poison.
func input(rng *rand.Rand, n int) (key, value string) {
	switch i := rng.IntN(60); {
	case i == 0:
		return fmt.Sprintf("count-%d", rng.IntN(40)), fmt.Sprintf("poison %d", n)
	case i < 10:
		return fmt.Sprintf("timer-%d", i), `"` + process.Timer + `"`
	case i < 20:
		return fmt.Sprintf("effect-%d", i), `"` + process.Effect + `"`
	default:
		return fmt.Sprintf("count-%d", i), `"` + process.Count + `"`
	}
}

// worker is one process.
type worker struct {
	*childtest.Process
	w *world
}

// start runs an instance. Flags are the worker's.
func (w *world) start(instance string, flags ...string) *worker {
	w.t.Helper()
	args := []string{workerBinary, "-brokers", strings.Join(w.cluster.Addrs(), ","), "-instance", instance, "-cache", w.caches}
	i := &worker{childtest.Start(w.t, "worker "+instance, append(args, flags...)...), w}
	w.workers = append(w.workers, i)
	return i
}

// showLogs shows what the last workers said.
func (w *world) showLogs() {
	for _, i := range w.workers[max(0, len(w.workers)-4):] {
		i.Show(w.t)
	}
}

// stopInOrder ends the worker as an upgrade does.
func (i *worker) stopInOrder() {
	i.w.t.Helper()
	if err := i.Stop(patience); err != nil {
		i.w.t.Errorf("worker %s did not stop well: %v", i.Name, err)
	}
}

// within waits until check holds, and says whether it came to that.
func (w *world) within(d time.Duration, check func() bool) bool {
	return childtest.Within(w.t.Context(), d, 10*time.Millisecond, check)
}

func (w *world) must(what string, check func() bool) {
	w.t.Helper()
	if !w.within(patience, check) {
		w.t.Fatalf("not so within %s: %s", patience, what)
	}
}

// pass lets time go by: what a fault meets is left to chance.
func (w *world) pass(most time.Duration) {
	w.within(time.Duration(w.rng.Int64N(int64(most))), func() bool { return false })
}

// settled says whether the group consists of these instances, and has found its order.
func (w *world) settled(instances ...string) func() bool {
	return func() bool {
		groups, err := w.admin.DescribeGroups(w.t.Context(), process.Name)
		if err != nil || groups.Error() != nil {
			return false
		}
		g := groups[process.Name]
		there := map[string]bool{}
		for _, m := range g.Members {
			if m.InstanceID != nil {
				there[*m.InstanceID] = true
			}
		}
		for _, i := range instances {
			if !there[i] {
				return false
			}
		}
		return g.State == "Stable" && len(there) == len(instances)
	}
}

// flows waits for a commit in every partition, of records written from now on.
func (w *world) flows() {
	w.t.Helper()
	w.flowsAfter(time.Now())
}

// flowsAfter waits for a commit in every partition, of records written after then, and gives the time from then to it.
func (w *world) flowsAfter(then time.Time) time.Duration {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.watch.after(ctx, then); err != nil {
		w.t.Fatalf("no commit within %s; transactions now:%s", patience, w.transactions())
	}
	return time.Since(then)
}

// transactions tells what is open, in the eyes of the coordinator and of the logs.
func (w *world) transactions() string {
	var b strings.Builder
	described, err := w.admin.DescribeTransactions(w.t.Context())
	described.Each(func(d kadm.DescribedTransaction) { fmt.Fprintf(&b, "\n%+v", d) })
	producers, perr := w.admin.DescribeProducers(w.t.Context(), nil)
	for _, d := range producers.SortedProducers() {
		if d.CurrentTxnStartOffset >= 0 {
			fmt.Fprintf(&b, "\n%+v", d)
		}
	}
	if err != nil || perr != nil {
		fmt.Fprintf(&b, "\n%v %v", err, perr)
	}
	return b.String()
}

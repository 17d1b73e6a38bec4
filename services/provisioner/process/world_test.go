package process_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/bundle"
	"joinery.internal/pkg/child/childtest"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/topics"
	"joinery.internal/pkg/wire"
)

const (
	partitions = 3
	atRest     = time.Minute // within this after the last fault all is as wanted
)

// workerBinary is built once for all tests.
var workerBinary string

// struck are the faults of all tests, by connector: kills, and ways of targets to misbehave.
var struck struct {
	sync.Mutex
	by map[string]int
}

// told is the line about them.
func told() string {
	all, each := 0, []string(nil)
	for _, name := range slices.Sorted(maps.Keys(struck.by)) {
		all += struck.by[name]
		each = append(each, fmt.Sprint(name, " ", struck.by[name]))
	}
	return fmt.Sprintf("last mile: %d faults (%s)", all, strings.Join(each, ", "))
}

func TestMain(m *testing.M) {
	struck.by = map[string]int{}
	parallel := 3 * runtime.GOMAXPROCS(0) // most of what goes on here is waiting for a fault to pass
	code := childtest.Main(m, "joinery.internal/services/provisioner/process/worker", &workerBinary, parallel)
	fmt.Println(told())
	os.Exit(code)
}

// world is a broker with the pipeline's topics, a policy, targets, and what is wanted of them.
type world struct {
	t       testing.TB
	dir     string // of the configuration
	brokers []string
	client  *kgo.Client
	codec   *wire.Serde
	policy  string // hash

	mu       sync.Mutex
	outcomes map[string]int64 // by key of the account: newest version that was settled
	told     map[change]int   // changes that evidence tells, by identity

	wanted    map[string]event.Desired // by key: the newest
	workers   []*childtest.Process
	connector string // of the target that fails
	faults    int
}

// newWorld makes a world of targets, each with the kind of entitlement it has.
func newWorld(t testing.TB, dir string, targets map[string]string) *world {
	t.Helper()
	w := &world{t: t, dir: dir, connector: "scim", codec: wire.New(wire.Static()), outcomes: map[string]int64{}, told: map[change]int{}, wanted: map[string]event.Desired{}}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w.brokers = cluster.ListenAddrs()
	w.client = w.open(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	specs, err := topics.Load()
	if err != nil {
		t.Fatal(err)
	}
	for i := range specs {
		specs[i].Partitions = partitions
	}
	if _, err := topics.Apply(t.Context(), kadm.NewClient(w.client), specs); err != nil {
		t.Fatal(err)
	}
	w.publish(targets)
	w.watch()
	t.Cleanup(func() {
		struck.Lock()
		struck.by[w.connector] += w.faults
		struck.Unlock()
		if t.Failed() {
			w.showLogs()
		}
	})
	return w
}

// publish writes the configuration and puts its policy in force: one role, which gives an entitlement of each name in each target.
func (w *world) publish(targets map[string]string) {
	w.t.Helper()
	var grants []string
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		for _, item := range []string{"x", "y"} {
			grants = append(grants, fmt.Sprintf("%q", name+":"+targets[name]+"/"+item))
		}
	}
	write(w.t, filepath.Join(w.dir, "sources", "hr.yaml"), "{apiVersion: joinery/v1, kind: Source, metadata: {name: hr}, spec: {authority: employment, intake: {records: {}}, correlate: [employee_number], timezone: UTC}}")
	write(w.t, filepath.Join(w.dir, "policy", "corp.yaml"), "{apiVersion: joinery/v1, kind: Policy, metadata: {name: corp}, spec: {roles: {staff: {birthright: 'true', grants: ["+strings.Join(grants, ", ")+"]}}}}")
	cfg, err := config.LoadDir(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := bundle.Publish(w.t.Context(), stream.Options{Seeds: w.brokers, Codec: w.codec}, cfg, "test", "test", time.Now().UTC()); err != nil {
		w.t.Fatal(err)
	}
	w.policy = cfg.Hash
}

func (w *world) open(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	return client
}

// watch reads what becomes of the accounts.
func (w *world) watch() {
	client := w.open(kgo.ConsumeTopics(string(event.ProvisionEvents)))
	ctx, cancel := context.WithCancel(w.t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(w.see)
		}
	})
	w.t.Cleanup(func() { cancel(); group.Wait() })
}

func (w *world) see(r *kgo.Record) {
	var e event.ProvisionEvent
	if err := w.codec.Decode(r.Value, r.Topic, &e); err != nil {
		w.t.Errorf("read %s/%d/%d: %v", r.Topic, r.Partition, r.Offset, err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case event.ProvisionApplied, event.ProvisionUnchanged, event.ProvisionAdopted:
		key := string(e.IdentityID) + "|" + e.Target
		w.outcomes[key] = max(w.outcomes[key], e.Version)
	}
	for _, c := range e.Changes {
		w.told[change{string(e.IdentityID), c.Verb, c.Item}]++
	}
}

// tells is how often evidence tells of a change.
func (w *world) tells(c change) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told[c]
}

// want makes a person's account in a target wanted as edit says. The version grows.
func (w *world) want(id, target string, edit func(*event.Desired)) {
	w.t.Helper()
	w.wantAll(target, []string{id}, edit)
}

func (w *world) wantAll(target string, ids []string, edit func(*event.Desired)) {
	w.t.Helper()
	records := make([]*kgo.Record, len(ids))
	for i, id := range ids {
		key := id + "|" + target
		d, known := w.wanted[key]
		if !known {
			d = event.Desired{IdentityID: event.IdentityID(id), Target: target, AccountName: "u-" + id, State: event.AccountActive, Lane: event.LaneJoiner, Policy: w.policy}
		}
		d.Version++
		d.CaseID = event.CaseID(fmt.Sprintf("case-%s-%d", id, d.Version))
		d.EffectiveAt, d.KnownAt = time.Now().UTC(), time.Now().UTC()
		edit(&d)
		w.wanted[key] = d
		value, err := w.codec.Encode(string(event.AccessDesired), &d)
		if err != nil {
			w.t.Fatal(err)
		}
		records[i] = &kgo.Record{Topic: string(event.AccessDesired), Key: []byte(key), Value: value, Partition: stream.Partition(id, partitions)}
	}
	if err := w.client.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// rest waits until the target has what is wanted of it and evidence says so, and gives the time that took. It fails the test
// after atRest.
func (w *world) rest(target string, s *subject) time.Duration {
	w.t.Helper()
	began := time.Now()
	wrong := ""
	if !w.within(atRest, func() bool { wrong = w.wrong(target, s); return wrong == "" }) {
		w.t.Errorf("not at rest after %s: %s", atRest, wrong)
	}
	return time.Since(began)
}

// wrong names something that is not as wanted; empty: nothing.
func (w *world) wrong(target string, s *subject) string {
	w.mu.Lock()
	for key, d := range w.wanted {
		if d.Target == target && w.outcomes[key] < d.Version {
			w.mu.Unlock()
			return fmt.Sprintf("%s version %d has no outcome", key, d.Version)
		}
	}
	w.mu.Unlock()
	have := map[string]connector.Object{}
	for _, o := range s.accounts(w.t) {
		if _, twice := have[o.ExternalID]; twice {
			return "two accounts of " + o.ExternalID
		}
		have[o.ExternalID] = o
	}
	for key, d := range w.wanted {
		if d.Target != target {
			continue
		}
		o, there := have[string(d.IdentityID)]
		left := connector.Plan(pointer(o, there), connector.Desired{Account: d.AccountName, ExternalID: string(d.IdentityID), State: connector.State(d.State),
			Attributes: d.Attributes, Entitlements: d.Entitlements, ManagedKinds: d.Kinds})
		if len(left) > 0 {
			return fmt.Sprintf("%s needs %s", key, left[0].Verb)
		}
	}
	return ""
}

func pointer(o connector.Object, there bool) *connector.Object {
	if !there {
		return nil
	}
	return &o
}

// within waits until check holds, and says whether it came to that.
func (w *world) within(d time.Duration, check func() bool) bool {
	return childtest.Within(w.t.Context(), d, 50*time.Millisecond, check)
}

// pass lets time go by: what a fault meets is left to chance.
func (w *world) pass(d time.Duration) { w.within(d, func() bool { return false }) }

// start runs a service. Flags are the worker's.
func (w *world) start(service string, flags ...string) *childtest.Process {
	w.t.Helper()
	args := []string{workerBinary, "-service", service, "-brokers", strings.Join(w.brokers, ","), "-config", w.dir}
	i := childtest.Start(w.t, service, append(args, flags...)...)
	w.workers = append(w.workers, i)
	return i
}

// showLogs shows what the last workers said.
func (w *world) showLogs() {
	for _, i := range w.workers[max(0, len(w.workers)-3):] {
		i.Show(w.t)
	}
}

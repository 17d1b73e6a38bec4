package app_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/broker"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/topics"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/ingest/app"
	"joinery.internal/services/ingest/internal/reference"
)

// population is of the history that is loaded; `make bench` asks for 100,000.
var population = flag.Int("population", 0, "workers of the history that is loaded; 0: 3000, and 500 with the race detector")

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "broker" { // the embedded broker is this program in another process
		os.Exit(broker.HostMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// loaded is the real service on the embedded broker.
type loaded struct {
	t       *testing.T
	codec   *wire.Serde
	client  *kgo.Client
	broker  string
	config  string
	metrics *prometheus.Registry
}

type fixedClock struct{ began time.Time }

func (c fixedClock) Now() time.Time { return historyEnd.Add(time.Since(c.began)) }

func openLoaded(t *testing.T) *loaded {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Open(context.WithoutCancel(t.Context()), broker.Options{Dir: filepath.Join(dir, "broker"), SelfExe: []string{self, "broker"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the service has ended
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &loaded{t: t, codec: wire.New(wire.Static()), broker: b.Addr(), config: filepath.Join(dir, "config"), metrics: prometheus.NewRegistry()}
	// A batch is read as a whole; most producers make them of 16 kB.
	if l.client, err = kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(100_000),
		kgo.ProducerBatchMaxBytes(64<<10)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.client.Close)
	specs, err := topics.Load()
	if err == nil {
		_, err = topics.Apply(t.Context(), kadm.NewClient(l.client), specs)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.write("sources/hr.yaml", "authority: employment, correlate: [employee_number]")
	l.write("sources/soc.yaml", "authority: signal, correlate: [employee_number]")
	return l
}

func (l *loaded) write(file, spec string) {
	l.t.Helper()
	name := strings.TrimSuffix(filepath.Base(file), ".yaml")
	file = filepath.Join(l.config, file)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		l.t.Fatal(err)
	}
	text := fmt.Sprintf("{apiVersion: joinery/v1, kind: Source, metadata: {name: %s}, spec: {%s, intake: {records: {}}, timezone: Europe/Prague}}", name, spec)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// run starts the service; it ends with the test.
func (l *loaded) run() {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- app.Run(ctx, service.Env{Name: "ingest", Instance: "0", Kafka: []string{l.broker}, Registry: wire.Static(), ConfigDir: l.config,
			DataDir: filepath.Join(filepath.Dir(l.config), "data"), Clock: fixedClock{time.Now()}, Metrics: l.metrics})
	}()
	l.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
	})
}

// produce writes to a topic; flush waits.
func (l *loaded) produce(topic event.Topic, r event.SourceRecord) {
	b, err := l.codec.Encode(string(topic), r)
	if err != nil {
		l.t.Fatal(err)
	}
	l.raw(topic, r.Source+"/"+r.SourceKey, b)
}

func (l *loaded) raw(topic event.Topic, key string, value []byte) {
	l.client.Produce(l.t.Context(), &kgo.Record{Topic: string(topic), Key: []byte(key), Value: value}, func(_ *kgo.Record, err error) {
		if err != nil && l.t.Context().Err() == nil {
			l.t.Errorf("produce: %v", err)
		}
	})
}

func (l *loaded) flush() {
	l.t.Helper()
	if err := l.client.Flush(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// handled is how many input records a topology has committed.
func (l *loaded) handled(topology string) int {
	l.t.Helper()
	families, err := l.metrics.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "joinery_stream_records_total" && m.Label[0].GetValue() == topology {
				return int(m.Counter.GetValue())
			}
		}
	}
	return 0
}

// wait looks until n records were handled by both topologies.
func (l *loaded) wait(n int) {
	l.t.Helper()
	l.until(func() bool { return l.handled("ingest") >= n })
}

// settle looks until either topology has handled all that is written for it, copies of the scout too.
func (l *loaded) settle() {
	l.t.Helper()
	for _, step := range []struct {
		topology string
		topics   []event.Topic
	}{{"intake", []event.Topic{event.SourceRecords, event.UrgentRecords}}, {"ingest", []event.Topic{event.IdentityFacts, event.UrgentFacts}}} {
		l.until(func() bool {
			written := 0
			for _, topic := range step.topics {
				l.all(string(topic), func(*kgo.Record) { written++ })
			}
			return l.handled(step.topology) >= written
		})
	}
}

// until looks every now and then.
func (l *loaded) until(done func() bool) {
	l.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-l.t.Context().Done():
			l.t.Fatal(l.t.Context().Err())
		case <-look.C:
		}
	}
}

// all reads what is committed of a topic, in the order of each partition.
func (l *loaded) all(topic string, each func(*kgo.Record)) {
	l.t.Helper()
	ends, err := kadm.NewClient(l.client).ListCommittedOffsets(l.t.Context(), topic)
	if err != nil {
		l.t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	c, err := kgo.NewClient(kgo.SeedBrokers(l.broker), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	for len(left) > 0 {
		fetches := c.PollFetches(l.t.Context())
		if err := fetches.Err(); err != nil {
			l.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				each(r)
			}
		})
	}
}

func TestAHistoryOfFiveYearsLoadsAndEndsAsTheReferenceModelSays(t *testing.T) {
	n := *population
	if n == 0 {
		n = defaultPopulation
	}
	l := openLoaded(t)
	h, records, waiting := newHistory(n), 0, 0
	hired := map[string]bool{}
	for today, ok := h.next(); ok; today, ok = h.next() {
		for _, r := range today {
			l.produce(event.SourceRecords, r)
			records++
			if hired[r.SourceKey] = hired[r.SourceKey] || r.Kind == event.Upsert; !hired[r.SourceKey] {
				waiting++ // for the hire, which is late: two facts, one of the wait and one of its end
			}
		}
	}
	l.flush()
	began := time.Now()
	l.run()
	l.wait(records + waiting)
	took := time.Since(began)
	l.settle()
	state, people := l.tableSize("jml.ingest.state.v1", "person/p-")
	intake, _ := l.tableSize("jml.intake.state.v1", "link/")
	t.Logf("%d workers, %d records, %d cores: %.0f events/s through intake and ingest; state per person %d B in ingest, %d B in intake",
		n, records, runtime.NumCPU(), float64(records)/took.Seconds(), state/max(people, 1), intake/max(people, 1))
	if people != n || state > 2048*n {
		t.Errorf("%d people take %d bytes of state each", people, state/max(people, 1))
	}
	l.compareWithModel(n)
}

// tableSize is how large the newest values of a table and their keys are, and how many there are.
func (l *loaded) tableSize(topic, prefix string) (size, keys int) {
	l.t.Helper()
	newest := map[string]int{}
	l.all(topic, func(r *kgo.Record) {
		if strings.HasPrefix(string(r.Key), prefix) {
			newest[string(r.Key)] = len(r.Key) + len(r.Value)
		}
	})
	for _, n := range newest {
		size += n
	}
	return size, len(newest)
}

// compareWithModel folds all facts in the log by the reference model, and compares that with the last that was told of
// each person.
func (l *loaded) compareWithModel(people int) {
	l.t.Helper()
	facts := map[event.IdentityID][]event.Fact{}
	for _, topic := range []event.Topic{event.IdentityFacts, event.UrgentFacts} {
		l.all(string(topic), func(r *kgo.Record) {
			var f event.Fact
			if err := l.codec.Decode(r.Value, r.Topic, &f); err != nil {
				l.t.Fatal(err)
			}
			if f.Parked == "" {
				facts[f.IdentityID] = append(facts[f.IdentityID], f)
			}
		})
	}
	told := map[event.IdentityID]*event.Person{}
	l.all(string(event.IdentityEvents), func(r *kgo.Record) {
		var e event.IdentityEvent
		if err := l.codec.Decode(r.Value, r.Topic, &e); err != nil {
			l.t.Fatal(err)
		}
		if e.Person != nil {
			told[e.IdentityID] = e.Person
		}
	})
	wrong := 0
	for id, known := range facts {
		want := reference.Fold(known, historyEnd.Add(time.Minute))
		if want == nil || reflect.DeepEqual(asTold(*want), asTold(*told[id])) {
			continue
		}
		if wrong++; wrong <= 3 {
			a, _ := json.Marshal(want)     //nolint:errcheck // plain records
			b, _ := json.Marshal(told[id]) //nolint:errcheck // plain records
			l.t.Errorf("%s is, by the model, after %d facts\n%s\ntold is\n%s", id, len(known), a, b)
		}
	}
	if wrong > 0 || len(facts) != people {
		l.t.Errorf("%d of %d people differ from the model; %d were expected", wrong, len(facts), people)
	}
}

// asTold is a person as records carry it: no list for none, times without a zone.
func asTold(p event.Person) event.Person {
	p.Attributes, p.Start, p.End = nil, p.Start.UTC(), p.End.UTC()
	if len(p.Spells) == 0 {
		p.Spells = nil
	}
	return p
}

// Package bench measures the whole pipeline on this machine: records through the source topic to accounts in an
// in-memory target, with everything that `joinery dev` runs (embedded broker, real evidence engine), and the bare
// consume-transform-produce loop on the same broker in the same run.
//
// It owns the load and the table. What it measures is only worth comparing within one run.
package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/joinery/internal/dev"
)

// Options of a run.
type Options struct {
	SelfExe []string
	Out     io.Writer
	Log     *slog.Logger
	Drain   int           // hires to drain
	Rate    int           // hires a second, for latency
	Steady  time.Duration // how long at that rate
}

// config is the smallest company: one source, one target, two roles.
var config = map[string]string{
	"sources/hr.yaml": `{apiVersion: joinery/v1, kind: Source, metadata: {name: hr}, spec: {authority: employment, intake: {records: {}}, correlate: [employee_number], timezone: UTC}}`,
	"targets/fast.yaml": `{apiVersion: joinery/v1, kind: Target, metadata: {name: fast}, spec: {connector: memory, account: {name: '"u" + person.employee_number', attributes: {displayName: person.display_name}},
  entitlements: [group], limits: {concurrency: 64}}}`,
	"policy/corp.yaml": `{apiVersion: joinery/v1, kind: Policy, metadata: {name: corp}, spec: {roles: {staff: {birthright: 'person.worker_type == "employee"', grants: ["fast:group/staff"]},
  engineering: {birthright: 'person.department == "Engineering"', grants: ["fast:group/engineering"]}}}}`,
}

// Run measures and prints the table.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "joinery-bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	for name, text := range config {
		file := filepath.Join(dir, "config", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fleet := memory.NewFleet()
	ready, ended := make(chan dev.Ready, 1), make(chan error, 1)
	go func() {
		ended <- dev.Run(ctx, dev.Options{Data: filepath.Join(dir, "data"), ConfigDir: filepath.Join(dir, "config"), HTTP: "127.0.0.1:0", SelfExe: o.SelfExe,
			Log: o.Log, Progress: os.Stderr, Memory: fleet}, func(r dev.Ready) { ready <- r })
	}()
	select {
	case err := <-ended:
		return err
	case r := <-ready:
		err := measure(ctx, o, r, fleet.Target("fast"))
		cancel()
		if stopped := <-ended; err == nil {
			err = stopped
		}
		return err
	}
}

func measure(ctx context.Context, o Options, r dev.Ready, target *memory.Target) error {
	registry, err := wire.NewClient(r.Registry)
	if err != nil {
		return err
	}
	l := &load{codec: wire.New(registry), target: target}
	if l.client, err = kgo.NewClient(kgo.SeedBrokers(r.Kafka), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerLinger(0)); err != nil {
		return fmt.Errorf("open producer: %w", err)
	}
	defer l.client.Close()
	if _, err := l.drain(ctx, 200); err != nil { // warm
		return err
	}
	bare, err := bareLoop(ctx, r.Kafka, l, 20*o.Drain)
	if err != nil {
		return err
	}
	drained, err := l.drain(ctx, o.Drain)
	if err != nil {
		return err
	}
	latencies, err := l.steady(ctx, o.Rate, o.Steady)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "machine: %d cores, %s/%s, %s; embedded broker, real evidence engine; %d partitions\n\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), partitions)
	fmt.Fprintf(o.Out, "| what | figure |\n|---|---|\n")
	fmt.Fprintf(o.Out, "| bare consume-transform-produce loop, transactions, same broker and records | %.0f records/s |\n", bare)
	fmt.Fprintf(o.Out, "| pipeline, %d hires drained: source record to account in the target | %.0f events/s |\n", o.Drain, drained)
	fmt.Fprintf(o.Out, "| event to target at %d events/s for %s | p50 %s, p99 %s |\n", o.Rate, o.Steady, quantile(latencies, 0.5), quantile(latencies, 0.99))
	return nil
}

func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)].Round(100 * time.Microsecond)
}

// load makes hires and sees them arrive.
type load struct {
	client *kgo.Client
	codec  *wire.Serde
	target *memory.Target
	next   int
}

func (l *load) hire() (*kgo.Record, string, error) {
	l.next++
	number := fmt.Sprint(100_000 + l.next)
	b, err := l.codec.Encode(string(event.SourceRecords), event.SourceRecord{ID: "b" + number, Source: "hr", SourceKey: number, RecordedAt: time.Now(), Kind: event.Upsert,
		Person: &event.Profile{EmployeeNumber: number, GivenName: "Ada", FamilyName: "No" + number, DisplayName: "Ada No" + number, Email: number + "@acme.example",
			Department: "Engineering", Title: "Engineer", WorkerType: "employee", StartDate: "2020-01-01"}})
	return &kgo.Record{Topic: string(event.SourceRecords), Key: []byte("hr/" + number), Value: b}, "u" + number, err
}

// drain writes n hires as fast as it can and returns how many a second had their account with both groups.
func (l *load) drain(ctx context.Context, n int) (perSecond float64, err error) {
	records := make([]*kgo.Record, n)
	for i := range records {
		if records[i], _, err = l.hire(); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	if err := l.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return 0, fmt.Errorf("write hires: %w", err)
	}
	last, err := l.arrived(ctx, l.next)
	return float64(n) / last.Sub(began).Seconds(), err
}

// arrived waits until the target has changed for every hire so far, and returns when the last change was.
func (l *load) arrived(ctx context.Context, n int) (time.Time, error) {
	for {
		journal := l.target.Journal()
		done, last := 0, time.Time{}
		for _, c := range journal {
			if c.Verb == "grant" && c.Entitlement == "group/staff" { // the last of an account's changes: groups in order
				done++
				last = c.At
			}
		}
		if done >= n {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("%d of %d hires arrived: %w", done, n, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// steady writes hires at a rate and returns how long each took to its last change in the target.
func (l *load) steady(ctx context.Context, rate int, d time.Duration) ([]time.Duration, error) {
	sent := map[string]time.Time{}
	began := time.Now()
	for i := 0; time.Since(began) < d; i++ {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		r, account, err := l.hire()
		if err != nil {
			return nil, err
		}
		sent[account] = due // what is late by us counts too
		l.client.Produce(ctx, r, nil)
	}
	if _, err := l.arrived(ctx, l.next); err != nil {
		return nil, err
	}
	var took []time.Duration
	for _, c := range l.target.Journal() {
		if at, ok := sent[c.Account]; ok && c.Verb == "grant" && c.Entitlement == "group/staff" {
			took = append(took, c.At.Sub(at))
		}
	}
	return took, nil
}

// bareLoop copies n of the same records through a transactional group session: what the broker and client cost alone.
func bareLoop(ctx context.Context, seed string, l *load, n int) (perSecond float64, err error) {
	const in, out = "bench.in", "bench.out"
	if err := createTopics(ctx, l.client, in, out); err != nil {
		return 0, err
	}
	record, _, err := l.hire()
	if err != nil {
		return 0, err
	}
	l.next-- // not one of the pipeline's
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: in, Key: fmt.Append(nil, i), Value: record.Value}
	}
	if err := l.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return 0, fmt.Errorf("write records for the bare loop: %w", err)
	}
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(seed), kgo.ConsumerGroup("bench"), kgo.TransactionalID("bench"), kgo.ConsumeTopics(in),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.BlockRebalanceOnPoll(), kgo.ProducerLinger(0))
	if err != nil {
		return 0, fmt.Errorf("open bare loop: %w", err)
	}
	defer s.CloseAllowingRebalance()
	var began time.Time
	for copied := 0; copied < n; {
		fetches := s.PollRecords(ctx, 2000)
		if err := fetches.Err(); err != nil {
			return 0, fmt.Errorf("bare loop: %w", err)
		}
		if began.IsZero() {
			began = time.Now()
		}
		if err := s.Begin(); err != nil {
			return 0, fmt.Errorf("bare loop: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) { s.Produce(ctx, &kgo.Record{Topic: out, Key: r.Key, Value: r.Value}, nil) })
		committed, err := s.End(ctx, kgo.TryCommit)
		if err != nil {
			return 0, fmt.Errorf("bare loop: %w", err)
		}
		if committed {
			copied += fetches.NumRecords()
		}
		s.AllowRebalance()
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// Package app is the evidence sink: one consumer group over every event topic and the dead letters, one insert per batch.
//
// Guarantee: every committed record is in ClickHouse at least once, under its position, and the view evidence shows it
// once. An insert that failed or was not answered is of unknown effect, so the sink reads back which positions are there
// and inserts the rest. A batch goes
//
//	insert acknowledged -> signed heads of its chains in Kafka -> offsets committed
//
// so a checkpoint never seals what is not stored, and after a crash at any place the batch is read again. What was sealed
// and is gone from ClickHouse later is found by an audit every minute and written again, as long as Kafka has it.
package app

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/clickhouse"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/evidence/row"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/signing"
	"joinery.internal/pkg/wire"
)

// group is the consumer group of all sinks.
const group = "evidence-sink"

const (
	batchRows  = 10_000
	batchTime  = 500 * time.Millisecond // from the first record of a batch to its insert, at most
	quietTime  = 100 * time.Millisecond // nothing new for so long ends a batch early
	retryFirst = 100 * time.Millisecond
	retryMax   = 10 * time.Second
)

// Run writes evidence until ctx ends.
func Run(ctx context.Context, env service.Env) error {
	if env.ClickHouse == "" {
		return errors.New("no address for ClickHouse: set clickhouse.url in joinery.yaml, JOINERY_CLICKHOUSE or --clickhouse")
	}
	key, err := signing.OpenKey(filepath.Join(env.DataDir, evidence.KeyFile))
	if err != nil {
		return err
	}
	codec := wire.New(env.Registry)
	s := &sink{env: env, codec: codec, key: key, maker: row.New(codec), topics: map[string]uuid.UUID{}, fresh: map[place]bool{}, metrics: newMetrics(env.Metrics)}
	defer s.disconnect()
	if err := s.connect(ctx); err != nil {
		return fmt.Errorf("open evidence: %w", err)
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	if env.Ready != nil {
		env.Ready()
	}
	for {
		err := s.follow(ctx)
		s.client.CloseAllowingRebalance()
		if ctx.Err() != nil {
			return nil
		}
		env.Log.Warn("evidence waits for the broker, and reads on from what is committed", "err", err)
		s.metrics.retries.Inc()
		if s.persist(ctx, "open the consumer of evidence", func() error { return s.open(ctx) }) != nil {
			return nil // the end
		}
	}
}

// follow writes batch after batch until the broker fails, or ctx ends.
func (s *sink) follow(ctx context.Context) error {
	for {
		if err := s.batch(ctx); err != nil {
			return fmt.Errorf("write evidence: %w", err)
		}
		s.audit(ctx)
		s.client.AllowRebalance()
	}
}

type place struct {
	topic     string
	partition int32
}

// sink is used by one goroutine; the group's callback only marks partitions between polls.
type sink struct {
	env     service.Env
	client  *kgo.Client
	conn    clickhouse.Conn
	store   *evidence.Store
	codec   *wire.Serde
	key     ed25519.PrivateKey // of checkpoints
	maker   row.Maker
	topics  map[string]uuid.UUID
	mine    map[place]bool            // assigned
	fresh   map[place]bool            // of these, not yet compared with what is stored
	heads   map[evidence.Chain]uint64 // seq of the newest checkpoint
	metrics metrics

	nextAudit time.Time
}

// open joins the group anew. What is assigned then is compared with what is stored, so a batch written and not committed
// is not stored twice.
func (s *sink) open(ctx context.Context) error {
	var names []string
	for _, t := range event.EvidenceTopics() {
		names = append(names, string(t))
	}
	s.fresh, s.mine, s.nextAudit = map[place]bool{}, map[place]bool{}, time.Now().Add(joinWait)
	var err error
	if s.heads, err = s.sealedHeads(ctx); err != nil {
		return err
	}
	s.client, err = kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.env.Kafka...), kgo.ConsumerGroup(group), kgo.InstanceID(s.env.Instance),
		kgo.ConsumeTopics(names...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DisableAutoCommit(), kgo.FetchMaxWait(batchTime), kgo.BlockRebalanceOnPoll(), kgo.Balancers(kgo.RangeBalancer()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
			for topic, ids := range got {
				for _, id := range ids {
					s.fresh[place{topic, id}], s.mine[place{topic, id}] = true, true
				}
			}
		}), kgo.OnPartitionsRevoked(s.forget), kgo.OnPartitionsLost(s.forget)}, s.env.KafkaOpts...)...)
	if err != nil {
		return fmt.Errorf("open consumer of evidence: %w", err)
	}
	if err = s.identify(ctx, names); err != nil {
		s.client.CloseAllowingRebalance()
	}
	return err
}

func (s *sink) forget(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	for topic, ids := range gone {
		for _, id := range ids {
			delete(s.mine, place{topic, id})
			delete(s.fresh, place{topic, id})
		}
	}
}

// identify learns the ids of the topics: positions in a topic made anew are other positions.
func (s *sink) identify(ctx context.Context, names []string) error {
	details, err := kadm.NewClient(s.client).ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("list event topics: %w", err)
	}
	for _, name := range names {
		d := details[name]
		if d.Err != nil || len(d.Partitions) == 0 {
			return fmt.Errorf("topic %s is missing: run `joinery topics apply`", name)
		}
		s.topics[name] = uuid.UUID(d.ID)
	}
	return nil
}

// batch takes records until there are enough or it is time, writes them, seals them, and commits their offsets.
func (s *sink) batch(ctx context.Context) error {
	records, err := s.collect(ctx)
	if err != nil || len(records) == 0 {
		return err
	}
	rows, err := s.makeAll(ctx, records)
	if err != nil {
		return err
	}
	if err := s.write(ctx, rows); err != nil {
		return err
	}
	if err := s.seal(ctx, rows); err != nil {
		return err
	}
	if err := s.client.CommitRecords(ctx, records...); err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	s.metrics.rows.Add(float64(len(rows)))
	s.metrics.lag.Set(time.Since(records[0].Timestamp).Seconds())
	return nil
}

func (s *sink) collect(ctx context.Context) ([]*kgo.Record, error) {
	var records []*kgo.Record
	until := s.nextAudit
	for len(records) < batchRows {
		wait := time.Until(until)
		if len(records) > 0 {
			wait = min(quietTime, wait)
		}
		poll, cancel := context.WithTimeout(ctx, wait)
		fetches := s.client.PollRecords(poll, batchRows-len(records))
		quiet := poll.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) {
				return nil, fmt.Errorf("fetch %s/%d: %w", e.Topic, e.Partition, e.Err)
			}
		}
		if len(records) == 0 {
			until = time.Now().Add(batchTime)
		}
		records = append(records, fetches.Records()...)
		if quiet || !time.Now().Before(until) {
			break
		}
	}
	return records, nil
}

func (s *sink) makeAll(ctx context.Context, records []*kgo.Record) ([]evidence.Row, error) {
	rows := make([]evidence.Row, len(records))
	for i, r := range records {
		var err error
		if rows[i], err = s.make(ctx, r); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// make makes a row, for as long as the registry takes to answer.
func (s *sink) make(ctx context.Context, r *kgo.Record) (made evidence.Row, err error) {
	err = s.persist(ctx, "make row", func() error {
		made, err = s.maker.Make(r, s.topics[r.Topic])
		return err
	})
	return made, err
}

// persist tries until it works or ctx ends. Trouble is said, and counted; evidence is never dropped.
func (s *sink) persist(ctx context.Context, what string, f func() error) error {
	for wait := retryFirst; ; wait = min(2*wait, retryMax) {
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		s.metrics.retries.Inc()
		s.env.Log.Warn("cannot "+what+", trying again", "after", wait, "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type metrics struct {
	rows, retries prometheus.Counter
	filled        prometheus.Counter
	gap           prometheus.Gauge
	insert        prometheus.Histogram
	lag           prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		rows:    prometheus.NewCounter(prometheus.CounterOpts{Name: "joinery_evidence_rows_total", Help: "Rows written and acknowledged."}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{Name: "joinery_evidence_retries_total", Help: "Writes that failed or were not answered, and were tried again."}),
		insert:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "joinery_evidence_insert_seconds", Help: "Time of one insert.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 12)}),
		filled:  prometheus.NewCounter(prometheus.CounterOpts{Name: "joinery_evidence_filled_rows_total", Help: "Rows that had been sealed, were gone, and were written again from Kafka."}),
		gap:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "joinery_evidence_gap_rows", Help: "Sealed rows that are gone, and that Kafka does not have any more."}),
		lag:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "joinery_evidence_lag_seconds", Help: "From event to queryable, of the oldest row of the last batch."}),
	}
	reg.MustRegister(m.rows, m.retries, m.filled, m.gap, m.insert, m.lag)
	return m
}

package app_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"joinery.internal/pkg/clickhouse"
	"joinery.internal/pkg/clickhouse/engine"
	"joinery.internal/pkg/clickhouse/engine/enginetest"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/signing"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/evidence-sink/app"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// world is a broker with the event topics, and an engine that can go away and come back at the same address.
type world struct {
	t       *testing.T
	broker  *kfake.Cluster
	kafka   []string
	client  *kgo.Client
	codec   *wire.Serde
	dir     string
	keys    string // the sink's data folder
	addr    string // of the engine's HTTP interface
	engine  *engine.Engine
	next    int
	metrics *prometheus.Registry // of the sink started last
	head    []byte               // hash of the last record

	checkpoints [16]byte // id of the topic
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := &world{t: t, broker: c, kafka: c.ListenAddrs(), codec: wire.New(wire.Static()), dir: t.TempDir(), keys: t.TempDir(), addr: freePort(t)}
	if w.client, err = kgo.NewClient(kgo.SeedBrokers(w.kafka...), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	for _, topic := range append(event.EvidenceTopics(), event.Checkpoints) {
		if _, err := kadm.NewClient(w.client).CreateTopic(t.Context(), 3, 1, nil, string(topic)); err != nil {
			t.Fatal(err)
		}
	}
	details, err := kadm.NewClient(w.client).ListTopics(t.Context(), string(event.Checkpoints))
	if err != nil {
		t.Fatal(err)
	}
	w.checkpoints = details[string(event.Checkpoints)].ID
	w.open()
	t.Cleanup(w.close)
	if err := evidence.Apply(t.Context(), enginetest.ConnectURL(t, w.engine.URL())); err != nil {
		t.Fatal(err)
	}
	return w
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.engine, err = engine.Open(w.t.Context(), engine.Options{Dir: w.dir, SelfExe: enginetest.SelfExe(w.t), HTTPAddr: w.addr}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) close() {
	w.t.Helper()
	if err := w.engine.Close(); err != nil {
		w.t.Error(err)
	}
}

// emit writes n transitions.
func (w *world) emit(n int) {
	w.t.Helper()
	records := make([]*kgo.Record, n)
	for i := range records {
		w.next++
		id := fmt.Sprintf("p-%d", w.next)
		b, err := w.codec.Encode(string(event.CaseEvents), &event.CaseEvent{Meta: event.Meta{EventID: event.EventID("e-" + id), Kind: event.CaseOpened,
			IdentityID: event.IdentityID(id), OccurredAt: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}})
		if err != nil {
			w.t.Fatal(err)
		}
		// One chain, so one partition, as far as the sink minds.
		hash := stream.LinkHash(w.head, uint64(w.next), []byte(id), b)
		records[i] = &kgo.Record{Topic: string(event.CaseEvents), Key: []byte(id), Value: b, Headers: []kgo.RecordHeader{{Key: "ce_source", Value: []byte("/joinery/test")},
			{Key: stream.HeaderSeq, Value: fmt.Append(nil, w.next)}, {Key: stream.HeaderPrev, Value: w.head}, {Key: stream.HeaderHash, Value: hash}}}
		w.head = hash
	}
	if err := w.client.ProduceSync(w.t.Context(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// sink runs the service until the returned function is called.
func (w *world) sink() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	w.metrics = prometheus.NewRegistry()
	env := service.Env{Instance: "0", DataDir: w.keys, Kafka: w.kafka, Registry: wire.Static(), ClickHouse: w.engine.URL(), Metrics: w.metrics, Log: slog.New(slog.DiscardHandler)}
	go func() { done <- app.Run(ctx, env) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

// rows waits until n events are there, and demands that none is there twice.
func (w *world) rows(n int) {
	w.t.Helper()
	conn, err := clickhouse.Connect(w.t.Context(), w.engine.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	var total, different uint64
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err := conn.QueryRow(w.t.Context(), "select count(), uniqExact(event_id) from joinery.evidence").Scan(&total, &different); err != nil {
			w.t.Fatal(err)
		}
		if int(different) >= n {
			break
		}
	}
	if int(total) != n || int(different) != n {
		w.t.Errorf("%d rows of %d events, want %d", total, different, n)
	}
}

func TestEveryEventIsThereOnceWhenTheEngineGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	defer w.sink()()
	w.emit(500)
	w.rows(500)
	w.close()
	w.emit(500) // nobody to write them to
	w.open()
	w.emit(500)
	w.rows(1500)
}

func TestABrokerThatTakesNoOffsetsDoesNotEndTheSink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var refused atomic.Int32
	w.broker.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		if refused.Add(1) <= 2 {
			w.broker.KeepControl()
		}
		return nil, errors.New("cut off"), true // after the insert, before its offsets
	})
	defer w.sink()()
	w.emit(300)
	w.rows(300)
	w.emit(300)
	w.rows(600)
	if refused.Load() == 0 {
		t.Error("no commit was refused")
	}
}

func TestEachBatchIsSealedAndABrokerThatRefusesTheCheckpointGetsItAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var refused atomic.Int32
	w.broker.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.broker.KeepControl()
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			if (topic.Topic == string(event.Checkpoints) || topic.TopicID == w.checkpoints) && refused.Add(1) <= 2 {
				return nil, errors.New("cut off"), true
			}
		}
		return nil, nil, false
	})
	defer w.sink()()
	for n := range 3 {
		w.emit(100)
		w.rows(100 * (n + 1))
		w.sealed()
	}
	if refused.Load() < 3 {
		t.Error("no checkpoint was refused")
	}
}

func TestSealedRowsThatAreGoneAreWrittenAgainFromKafka(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := w.sink()
	w.emit(300)
	w.rows(300)
	w.sealed()
	stop()
	conn := enginetest.ConnectURL(t, w.engine.URL())
	gone := func(where string) {
		if err := conn.Exec(t.Context(), "ALTER TABLE joinery.evidence_log DELETE WHERE "+where+" SETTINGS mutations_sync = 2"); err != nil {
			t.Fatal(err)
		}
	}
	gone("seq BETWEEN 100 AND 119 OR seq > 290") // inside, and at the end
	stop = w.sink()
	w.rows(300)
	w.counted("joinery_evidence_filled_rows_total", 30)
	stop()
	gone("seq <= 10")
	if _, err := kadm.NewClient(w.client).DeleteRecords(t.Context(), kadm.OffsetsList{{Topic: string(event.CaseEvents), At: 5}}.Offsets()); err != nil {
		t.Fatal(err)
	}
	defer w.sink()()
	w.rows(295) // the first five are lost for ever, and that is said
	w.counted("joinery_evidence_gap_rows", 5)
}

// counted waits until a metric of the sink has a value: what is counted is counted after it is seen.
func (w *world) counted(metric string, want float64) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); w.metric(metric) != want; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s is %v, want %v", metric, w.metric(metric), want)
		}
	}
}

// metric reads one of the sink that was started last.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	w.t.Fatalf("no metric %s", name)
	return 0
}

// sealed waits until the newest checkpoint is of the last event, signed with the sink's key.
func (w *world) sealed() {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.kafka...), kgo.ConsumeTopics(string(event.Checkpoints)), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	var list []event.Checkpoint
	for {
		for _, r := range client.PollFetches(ctx).Records() {
			var c event.Checkpoint
			if err := w.codec.Decode(r.Value, r.Topic, &c); err != nil {
				w.t.Fatal(err)
			}
			list = append(list, c)
		}
		public, err := signing.ReadPublic(filepath.Join(w.keys, evidence.KeyFile+signing.PublicSuffix))
		if err != nil {
			w.t.Fatal(err)
		}
		seals, forged := evidence.Seals(public, list)
		if len(forged) > 0 {
			w.t.Fatalf("not signed by the sink: %v", forged)
		}
		if seals[evidence.Chain{Topic: string(event.CaseEvents), Service: "test"}] == (evidence.Head{Seq: uint64(w.next), Hash: hex.EncodeToString(w.head)}) {
			return
		}
		if ctx.Err() != nil {
			w.t.Fatalf("%d events, and sealed is %v", w.next, seals)
		}
	}
}

func TestASinkStartedAgainReadsBackAndWritesNothingTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := w.sink()
	w.emit(300)
	w.rows(300)
	stop()
	// As after a crash between insert and commit: the offsets are lost, the rows are there.
	admin := kadm.NewClient(w.client)
	if _, err := admin.LeaveGroup(t.Context(), kadm.LeaveGroup("evidence-sink").InstanceIDs("0")); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DeleteGroup(t.Context(), "evidence-sink"); err != nil {
		t.Fatal(err)
	}
	w.emit(10)
	defer w.sink()()
	w.rows(310)
	conn := enginetest.ConnectURL(t, w.engine.URL())
	var stored uint64
	if err := conn.QueryRow(t.Context(), "select count() from joinery.evidence_log").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if stored != 310 {
		t.Errorf("%d rows stored for 310 events: it did not read back", stored)
	}
}

package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"joinery.internal/pkg/event"
)

// virtual runs a test in a bubble of virtual time, with a broker in it.
func virtual(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, &kfake.VirtualNetwork{})) })
}

// metric reads a counter or gauge of a registry.
func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "joinery_stream_"+name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// measured makes an instance's options report to a registry.
func measured(reg *prometheus.Registry) func(*Options) {
	return func(o *Options) { o.Metrics = reg }
}

func TestARestoreWaitsForATransactionThatIsStillOpen(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		other, err := kgo.NewClient(append(w.reach(), kgo.TransactionalID("the last owner"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		must(t, err)
		defer other.Close()
		must(t, other.BeginTransaction())
		must(t, other.ProduceSync(t.Context(), &kgo.Record{Topic: "jml.count.state.v1", Partition: Partition("k", partitions),
			Key: []byte("count/k"), Value: []byte("41")}).FirstErr())
		w.feed("k", `"count"`)
		w.start("0", nil)
		time.Sleep(3 * time.Second)
		must(t, other.EndTransaction(t.Context(), kgo.TryCommit)) // as a coordinator that writes its markers late
		a := w.audit()
		if got := string(a.events[0].Value); !strings.Contains(got, `"N":42`) {
			t.Errorf("the state before was 41, the event says %s", got)
		}
	})
}

func TestARestoreThatIsHeldUpNamesTheTransaction(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		other, err := kgo.NewClient(append(w.reach(), kgo.TransactionalID("hangs"), kgo.TransactionTimeout(10*time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		must(t, err)
		defer other.Close()
		must(t, other.BeginTransaction())
		must(t, other.ProduceSync(t.Context(), &kgo.Record{Topic: "jml.count.state.v1", Partition: 2, Key: []byte("count/k"), Value: []byte("41")}).FirstErr())
		var log lockedBuffer
		w.start("0", func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		time.Sleep(time.Minute)
		if text := log.String(); !strings.Contains(text, "partition 2 has an open transaction of producer") || !strings.Contains(text, "kafka-transactions.sh abort --topic jml.count.state.v1") {
			t.Errorf("the log says %s", text)
		}
	})
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestARunMayFollowARunWithTheSameMetrics(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		reg := prometheus.NewRegistry()
		i := w.start("0", measured(reg))
		w.feed("k", `"count"`)
		w.audit()
		i.restart()
		w.feed("k", `"count"`)
		w.check()
		if n := metric(t, reg, "records_total"); n != 2 {
			t.Errorf("%v records counted of 2", n)
		}
	})
}

func TestARunEndsWhileItRestores(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		other, err := kgo.NewClient(append(w.reach(), kgo.TransactionalID("the last owner"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		must(t, err)
		defer other.Close()
		must(t, other.BeginTransaction())
		must(t, other.ProduceSync(t.Context(), &kgo.Record{Topic: "jml.count.state.v1", Key: []byte("count/k"), Value: []byte("41")}).FirstErr())
		i := w.start("0", nil)
		time.Sleep(5 * time.Second)
		asked := time.Now()
		i.stop()
		if took := time.Since(asked); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// memberless is a session that has not joined the group.
func memberless(t *testing.T) *session {
	t.Helper()
	o := Options{Seeds: newWorld(t, nil).broker.ListenAddrs(), Codec: jsonCodec{}}
	o.defaults()
	ticker, err := newTicker("count", o)
	must(t, err)
	t.Cleanup(ticker.client.Close)
	return &session{opts: o, log: changelog{topic: "jml.count.state.v1"}, ctx: t.Context(), metrics: newMetrics("count", nil), ticker: ticker, eng: newEngine(counting(), jsonCodec{}, partitions),
		fault: make(chan error, 1), losers: map[int32]context.CancelFunc{}}
}

func TestTopicsPartedDifferentlyEndTheSession(t *testing.T) {
	t.Parallel()
	s := memberless(t)
	s.assigned(map[string][]int32{"in": {0, 1, 2}, "jml.count.tick.v1": {0, 1}})
	select {
	case err := <-s.fault:
		if !strings.Contains(err.Error(), "let all instances run the same version") {
			t.Error(err)
		}
	default:
		t.Error("nothing said")
	}
}

func TestAnAssignmentReplacesTheOneBefore(t *testing.T) {
	t.Parallel()
	s := memberless(t)
	s.assigned(map[string][]int32{"in": {0, 1, 2}, "jml.count.tick.v1": {0, 1, 2}})
	if _, err := s.apply(); err != nil {
		t.Fatal(err)
	}
	before := s.eng.parts[2].ctx
	s.assigned(map[string][]int32{"in": {0}, "jml.count.tick.v1": {0}}) // no revocation came between: kgo had swallowed it
	if before.Err() == nil {
		t.Error("effects of a partition that went to another member go on")
	}
	if lost, err := s.apply(); !lost || err != nil || len(s.eng.parts) != 1 {
		t.Errorf("holds %d partitions, lost %v, error %v", len(s.eng.parts), lost, err)
	}
}

func TestARebalanceDoesNotAbortTheNextTransaction(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		reg := prometheus.NewRegistry()
		w.start("0", measured(reg))
		time.Sleep(10 * time.Second)
		w.start("1", nil)
		time.Sleep(10 * time.Second)
		for i := range 10 {
			w.feed(fmt.Sprintf("k%d", i), `"count"`)
		}
		w.check()
		if n := metric(t, reg, "aborts_total"); n > 0 {
			t.Errorf("%v transactions aborted", n)
		}
	})
}

func TestNoRecordIsPassedOverWhileMembersSubscribeDifferently(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		// A member of another version, which consumes the ticks but not this input: the range assignor parts them differently.
		other, err := kgo.NewClient(append(w.reach(), kgo.ConsumerGroup("count"), kgo.ConsumeTopics("jml.count.tick.v1"),
			kgo.Balancers(kgo.RangeBalancer()), kgo.InstanceID("1"), kgo.DisableAutoCommit())...)
		must(t, err)
		w.start("0", nil)
		time.Sleep(10 * time.Second)
		for i := range 20 {
			w.feed(fmt.Sprintf("k%d", i), `"count"`)
		}
		time.Sleep(10 * time.Second)
		other.LeaveGroup()
		other.Close()
		_, err = kadm.NewClient(w.client).LeaveGroup(t.Context(), kadm.LeaveGroup("count").InstanceIDs("1"))
		must(t, err)
		w.check()
	})
}

func TestARecordOfAStrangerEndsTheSession(t *testing.T) {
	t.Parallel()
	s := memberless(t)
	fetches := kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "in", Partitions: []kgo.FetchPartition{{Partition: 1, Records: []*kgo.Record{
		{Topic: "in", Partition: 1, Key: []byte("k"), Value: []byte(`"count"`)}}}}}}}}
	if _, err := s.process(fetches); !errors.Is(err, errStranger) { // passed over, its offset would go with the next commit
		t.Errorf("got %v", err)
	}
}

func TestACommitThatTheBrokerDoesNotConfirmIsNotDoneAgain(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		var once sync.Once
		w.broker.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.broker.KeepControl()
			end := req.(*kmsg.EndTxnRequest)
			hit := false
			if end.Commit && end.TransactionalID == "joinery-count-0" {
				once.Do(func() { hit = true })
			}
			if !hit {
				return nil, nil, false
			}
			again := *end
			w.broker.SleepControl(func() { // carry it out, and answer that nobody knows
				if _, err := again.RequestWith(t.Context(), w.client); err != nil {
					t.Error(err)
				}
			})
			resp := end.ResponseKind().(*kmsg.EndTxnResponse)
			resp.ErrorCode = kerr.UnknownServerError.Code
			return resp, nil, true
		})
		w.feed("k", `"count"`)
		w.start("0", nil)
		time.Sleep(10 * time.Second)
		w.feed("k", `"count"`)
		w.check()
	})
}

func TestAnErrorOfEndEndsTheSessionAndTheNextOneRestores(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		reg := prometheus.NewRegistry()
		w.start("0", measured(reg))
		w.feed("k", `"count"`)
		w.audit()
		w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.InvalidProducerEpoch, Count: 1, TopLevel: true})
		w.feed("k", `"count"`)
		w.check()
		if metric(t, reg, "session_restarts_total") != 1 || metric(t, reg, "restore_records") == 0 {
			t.Errorf("%v sessions ended, the next one read %v records", metric(t, reg, "session_restarts_total"), metric(t, reg, "restore_records"))
		}
	})
}

func TestAssignedRunsOnceForAPartition(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		var calls atomic.Int64
		topology := counting()
		topology.Assigned = func(*Tx) error { calls.Add(1); return nil }
		i := &instance{w: w, name: "0", way: &way{dial: w.dial}}
		i.run(topology)
		time.Sleep(20 * time.Second)
		if n := calls.Load(); n != partitions {
			t.Errorf("called %d times for %d partitions", n, partitions)
		}
	})
}

func TestIdleTicksAreCommittedOnceInAWhile(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		w.start("0", nil)
		time.Sleep(10 * time.Minute)
		offsets, err := kadm.NewClient(w.client).FetchOffsets(t.Context(), "count")
		must(t, err)
		for p := range int32(partitions) {
			if o, _ := offsets.Lookup("jml.count.tick.v1", p); o.At < 500 {
				t.Errorf("partition %d: a restart reads the ticks of ten minutes again from %d", p, o.At)
			}
		}
	})
}

func TestAPartitionThatIsNotReadyDoesNotHoldUpTheOthers(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		var ready atomic.Bool
		stuck := Partition("stuck", partitions)
		topology := counting()
		handle := topology.Inputs[0].Handle
		topology.Inputs[0].Handle = func(tx *Tx, r Record) error {
			if tx.Partition() == stuck && !ready.Load() {
				return ErrNotReady
			}
			return handle(tx, r)
		}
		i := &instance{w: w, name: "0", way: &way{dial: w.dial}}
		i.run(topology)
		w.feed("stuck", `"count"`)
		time.Sleep(5 * time.Second)
		others := 0
		for k := range 20 {
			if key := fmt.Sprintf("k%d", k); Partition(key, partitions) != stuck {
				w.feed(key, `"count"`)
				others++
			}
		}
		time.Sleep(200 * time.Millisecond)
		if got := len(committed(t.Context(), t, string(event.IdentityEvents), w.reach()...)); got != others {
			t.Errorf("%d of %d inputs of other partitions done", got, others)
		}
		ready.Store(true)
		w.check()
	})
}

func TestARecordTheClientRefusesAbortsItsTransaction(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		var tries atomic.Int64
		topology := counting()
		handle := topology.Inputs[0].Handle
		topology.Inputs[0].Handle = func(tx *Tx, r Record) error {
			if tries.Add(1) == 1 {
				tx.Emit(event.IdentityEvents, r.Key, &counted{Meta: event.Meta{EventID: "big", Kind: "count", OccurredAt: tx.Now(), Message: strings.Repeat("x", 2<<20)}})
			}
			return handle(tx, r)
		}
		i := &instance{w: w, name: "0", way: &way{dial: w.dial}}
		i.run(topology)
		w.feed("k", `"count"`)
		w.check()
		if tries.Load() != 2 {
			t.Errorf("%d tries", tries.Load())
		}
	})
}

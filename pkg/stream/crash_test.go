package stream

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

func TestACrashAtAnyPointLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			virtual(t, func(t *testing.T, w *world) {
				i := w.start("0", nil)
				for _, verb := range []string{`"count"`, `"effect"`, `"timer"`, `"late"`, "poison"} {
					for n := range 4 {
						i.killAt(point)
						w.feed(fmt.Sprintf("k%d", n), verb)
						time.Sleep(100 * time.Millisecond)
					}
				}
				i.killAt("")
				w.check()
			})
		})
	}
}

func TestAfterACrashTheNextCommitComesAtOnce(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		i := w.start("0", nil)
		time.Sleep(5 * time.Second)
		i.killAt("before end") // leaves a transaction open
		w.feed("k", `"count"`)
		time.Sleep(300 * time.Millisecond)
		if n := len(committed(t.Context(), t, string(event.IdentityEvents), w.reach()...)); n != 1 {
			t.Error("waits for the transaction to time out")
		}
		w.check()
	})
}

func TestARestartDoesNotDisturbTheOtherInstance(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		var assignments atomic.Int64
		w.start("0", func(o *Options) { o.OnReady = func() { assignments.Add(1) } })
		time.Sleep(20 * time.Second) // this broker, unlike Kafka, tells apart a member's first join and one after a rebalance
		other := w.start("1", nil)
		time.Sleep(20 * time.Second)
		before := assignments.Load()
		other.restart()
		time.Sleep(20 * time.Second)
		if n := assignments.Load(); n != before {
			t.Errorf("%d assignments more", n-before)
		}
		w.feed("k", `"count"`)
		w.check()
	})
}

func TestAnInputThatWasAbortedIsNotRead(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		producer, err := kgo.NewClient(append(w.reach(), kgo.TransactionalID("producer"))...)
		must(t, err)
		defer producer.Close()
		must(t, producer.BeginTransaction())
		must(t, producer.ProduceSync(t.Context(), &kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte(`"count"`)}).FirstErr())
		w.start("0", nil)
		time.Sleep(time.Second)
		must(t, producer.EndTransaction(t.Context(), kgo.TryAbort))
		w.feed("k", `"count"`)
		w.check()
	})
}

func TestResultsComeAtOnceAndNotWithTheNextIdleTick(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		w.start("0", func(o *Options) { o.TickEvery = time.Hour })
		time.Sleep(time.Second)
		if Partition("k", partitions) == Partition("l", partitions) {
			t.Fatal("choose other keys")
		}
		began := time.Now()
		w.feed("k", `"effect"`)
		w.feed("l", `"timer"`) // of another partition
		w.check()
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestTheEmbeddedBrokerIsNotMadeToWait(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		var slow atomic.Bool
		w.start("0", func(o *Options) {
			o.failpoint = func(s *session, _ string) error {
				slow.Store(slow.Load() || s.pace.slow())
				return nil
			}
		})
		for i := range 200 {
			w.feed(fmt.Sprintf("k%d", i%7), `"count"`)
		}
		w.check()
		if slow.Load() {
			t.Error("commits are paced")
		}
	})
}

func TestALostPartitionsEffectsEndAndItsNextOwnerPerformsThem(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		i := w.start("0", nil)
		time.Sleep(time.Second)
		i.killAt("after fold") // committed, and not begun
		w.feed("k", `"effect"`)
		time.Sleep(100 * time.Millisecond)
		i.way.freeze(time.Hour) // for the group, it is gone
		w.start("1", nil)
		w.audit()
		i.way.heal()
		w.check()
	})
}

func TestNoEffectBeginsBeforeItsTransactionHasCommitted(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		var ended atomic.Bool
		topology := counting()
		topology.Perform = func(_ context.Context, v any) any {
			if !ended.Load() {
				t.Error("performed before the transaction had ended")
			}
			return v
		}
		i := &instance{w: w, name: "0", way: &way{dial: w.dial}, options: func(o *Options) {
			o.failpoint = func(_ *session, point string) error {
				if point == "before end" {
					time.Sleep(time.Second) // time enough for one begun too early
				}
				ended.Store(ended.Load() || point == "after end")
				return nil
			}
		}}
		i.run(topology)
		w.feed("k", `"effect"`)
		w.check()
	})
}

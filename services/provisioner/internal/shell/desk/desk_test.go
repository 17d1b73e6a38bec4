package desk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/guard"
)

type machine struct{}

func (machine) Now() time.Time { return time.Now() }

// everything may be given, and nothing is counted.
type everything struct{}

func (everything) Guards() ([]guard.Rule, bool) { return nil, true }

func (everything) Warrant(want account.Want, _ time.Time) (account.Want, []account.Withheld, error) {
	return want, nil, nil
}

func call(id string, lane event.Lane) account.Call {
	return account.Call{Key: id + "|chat", Intent: account.Intent{ID: "i-" + id, Attempt: 2, By: "0"},
		Want: account.Want{IdentityID: event.IdentityID(id), Target: "chat", Version: 1, Lane: lane, State: event.AccountActive, AccountName: id}}
}

func newDesk(c connector.Connector, change ...func(*Target)) *Desk {
	t := Target{Name: "chat", Open: func() (connector.Connector, error) { return c, nil }, Concurrency: 4, Timeout: 10 * time.Second}
	for _, f := range change {
		f(&t)
	}
	d := New([]Target{t}, Options{Instance: "0", Clock: machine{}, Rules: everything{}, Settle: time.Second})
	d.gate.seat(Seat{})
	return d
}

func TestALineServesByLaneThenArrivalAndKeepsASlotForLeavers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &line{size: 3}
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		for i, lane := range []event.Lane{event.LaneBulk, event.LaneBulk, event.LaneBulk, event.LaneMover, event.LaneJoiner, event.LaneLeaver, event.LaneEmergency} {
			wg.Go(func() {
				if err := l.enter(t.Context(), lane); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, fmt.Sprint(lane, i))
				mu.Unlock()
			})
			synctest.Wait()
		}
		if got := fmt.Sprint(order); got != "[bulk0 bulk1 leaver5]" {
			t.Errorf("at first: %s", got)
		}
		for range 7 {
			l.leave()
			synctest.Wait()
		}
		wg.Wait()
		if got := fmt.Sprint(order); got != "[bulk0 bulk1 leaver5 emergency6 joiner4 mover3 bulk2]" {
			t.Errorf("in the end: %s", got)
		}
	})
}

// watched is a connector that notes its reads, and how many run at the same time.
type watched struct {
	*memory.Target
	running, most atomic.Int32
	mu            sync.Mutex
	requests      []time.Time
}

func (w *watched) Get(ctx context.Context, ref connector.Ref) (connector.Object, error) {
	n := w.running.Add(1)
	defer w.running.Add(-1)
	w.mu.Lock()
	w.requests = append(w.requests, time.Now())
	w.most.Store(max(n, w.most.Load()))
	w.mu.Unlock()
	return w.Target.Get(ctx, ref)
}

func TestCallsInFlightKeepToTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{Target: memory.NewTarget()}
		w.SetLatency(time.Second)
		d := newDesk(w, func(t *Target) { t.Concurrency = 3 })
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() { d.Do(t.Context(), call(fmt.Sprint("p", i), event.LaneLeaver)) })
		}
		wg.Wait()
		if most := w.most.Load(); most != 3 || len(w.Objects()) != 20 {
			t.Errorf("%d calls at a time, %d accounts", most, len(w.Objects()))
		}
	})
}

func TestOneSlowTargetDoesNotDelayAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow, fast := memory.NewTarget(), memory.NewTarget()
		slow.SetLatency(time.Hour)
		d := New([]Target{
			{Name: "slow", Open: func() (connector.Connector, error) { return slow, nil }, Concurrency: 1, Timeout: 2 * time.Hour},
			{Name: "chat", Open: func() (connector.Connector, error) { return fast, nil }, Concurrency: 1},
		}, Options{Clock: machine{}, Rules: everything{}})
		d.gate.seat(Seat{})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 100 {
			c := call(fmt.Sprint("s", i), event.LaneJoiner)
			c.Want.Target = "slow"
			wg.Go(func() { d.Do(ctx, c) })
		}
		synctest.Wait()
		began := time.Now()
		for i := range 10 {
			if r, ok := d.Do(t.Context(), call(fmt.Sprint("f", i), event.LaneJoiner)); !ok || r.Class != "" {
				t.Fatalf("call %d: %+v", i, r)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the fast target took %s", took)
		}
		cancel()
		wg.Wait()
	})
}

func TestRequestsKeepToTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{Target: memory.NewTarget()}
		d := newDesk(w, func(t *Target) { t.Rate = 20 })
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() { d.Do(t.Context(), call(fmt.Sprint("p", i), event.LaneJoiner)) })
		}
		wg.Wait()
		for i := 20; i < len(w.requests); i++ {
			if gap := w.requests[i].Sub(w.requests[i-20]); gap < 990*time.Millisecond {
				t.Fatalf("21 reads within %s", gap)
			}
		}
	})
}

func TestACallThatTakesTooLongIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		target.SetLatency(time.Hour)
		began := time.Now()
		r, ok := newDesk(target).Do(t.Context(), call("a", event.LaneJoiner))
		if !ok || r.Class != connector.Transient || time.Since(began) != 10*time.Second {
			t.Errorf("after %s: %+v", time.Since(began), r)
		}
	})
}

func TestATakeoverWaitsUntilTheCallsOfTheOldOwnerHaveEnded(t *testing.T) {
	t.Parallel()
	for by, want := range map[string]time.Duration{"0": time.Second, "1": 14 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := call("a", event.LaneJoiner)
			c.Takeover, c.Intent.By = true, by
			began := time.Now()
			if r, ok := newDesk(memory.NewTarget()).Do(t.Context(), c); !ok || r.Class != "" || time.Since(began) != want {
				t.Errorf("instance %s: after %s: %+v", by, time.Since(began), r)
			}
		})
	}
}

func TestACallWhoseContextEndsHasNoResult(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		target.SetLatency(time.Second)
		d := newDesk(target, func(t *Target) { t.Concurrency = 1 })
		ctx, lose := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if _, ok := d.Do(ctx, call(fmt.Sprint("p", i), event.LaneJoiner)); ok {
					t.Error("a result of a lost partition")
				}
			})
		}
		synctest.Wait()
		lose()
		wg.Wait()
		if r, ok := d.Do(t.Context(), call("a", event.LaneJoiner)); !ok || r.Class != "" {
			t.Errorf("slot lost, or the target blamed: %+v", r)
		}
	})
}

// strict is a target that answers so many reads a second and refuses the rest.
type strict struct {
	*memory.Target
	perSecond float64
	mu        sync.Mutex
	tokens    float64
	at        time.Time
	answered  int
	refused   int
}

func (s *strict) Get(ctx context.Context, ref connector.Ref) (connector.Object, error) {
	s.mu.Lock()
	now := time.Now()
	s.tokens = min(s.perSecond, s.tokens+now.Sub(s.at).Seconds()*s.perSecond)
	s.at = now
	enough := s.tokens >= 1
	if enough {
		s.tokens--
		s.answered++
	} else {
		s.refused++
	}
	s.mu.Unlock()
	if !enough {
		return connector.Object{}, &connector.Error{Class: connector.Throttled, RetryAfter: time.Second, Op: "get", Err: errors.New("429")}
	}
	return s.Target.Get(ctx, ref)
}

// TestWhatATargetAllowsIsLearnt has a target of 20 requests a second whose file does not say so.
func TestWhatATargetAllowsIsLearnt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &strict{Target: memory.NewTarget(), perSecond: 20, at: time.Now()}
		d := newDesk(s, func(t *Target) { t.Concurrency = 8 })
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Minute, stop)
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					c := call(fmt.Sprint(worker, "-", i), event.LaneLeaver)
					c.Want.State = event.AccountAbsent // one read each
					d.Do(ctx, c)
				}
			})
		}
		wg.Wait()
		if used := float64(s.answered) / (20 * 600); used < 0.95 || s.refused > s.answered/50 {
			t.Errorf("%.0f %% of what is allowed was used, %d of %d requests were refused", 100*used, s.refused, s.answered)
		}
	})
}

func TestInstancesShareATargetsLimitsByThePartitionsTheyHave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{Target: memory.NewTarget()}
		w.SetLatency(100 * time.Millisecond)
		d := New([]Target{{Name: "chat", Open: func() (connector.Connector, error) { return w, nil }, Concurrency: 8, Rate: 20, Timeout: time.Minute}},
			Options{Instance: "0", Clock: machine{}, Rules: everything{}, Partitions: 4})
		d.Seat(t.Context(), Seat{}) // one of four
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 25 {
			c := call(fmt.Sprint("p", i), event.LaneLeaver)
			wg.Go(func() { d.Do(t.Context(), c) })
		}
		wg.Wait()
		if took := time.Since(began); w.most.Load() > 2 || took < 14*time.Second { // 75 requests, 5 a second
			t.Errorf("%d calls at a time, all done in %s", w.most.Load(), took)
		}
	})
}

func TestATargetThatCannotBeOpenedIsAFailureOfItsCalls(t *testing.T) {
	t.Parallel()
	bad := connector.Errorf(connector.Invalid, "open target chat", "no such secret")
	d := newDesk(nil, func(t *Target) { t.Open = func() (connector.Connector, error) { return nil, bad } })
	r, ok := d.Do(t.Context(), call("a", event.LaneJoiner))
	if !ok || r.Class != connector.Transient || r.Message == "" {
		t.Errorf("result: %+v", r)
	}
}

func TestNumberedNamesNeedATargetThatKnowsTheOwner(t *testing.T) {
	t.Parallel()
	c := call("a", event.LaneJoiner)
	c.Want.Numbered = true
	r, _ := newDesk(anonymous{memory.NewTarget()}).Do(t.Context(), c)
	if r.Class != connector.Unsupported {
		t.Errorf("result: %+v", r)
	}
}

type anonymous struct{ *memory.Target }

func (anonymous) Describe(context.Context) (connector.Descriptor, error) {
	return connector.Descriptor{Connector: "anonymous"}, nil
}

func TestAConnectorInUseIsClosedByItsLastUser(t *testing.T) {
	t.Parallel()
	closed := 0
	d := newDesk(nil, func(t *Target) {
		t.Open = func() (connector.Connector, error) {
			return closer{memory.NewTarget(), &closed}, nil
		}
	})
	target := d.targets["chat"]
	first, err1 := target.open()
	second, err2 := target.open()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	first.denied = true
	target.give(first)
	if closed != 0 {
		t.Fatal("closed while in use")
	}
	target.give(second)
	d.Close()
	if closed != 1 {
		t.Errorf("closed %d times", closed)
	}
}

type closer struct {
	*memory.Target
	closed *int
}

func (c closer) Close() error { *c.closed++; return nil }

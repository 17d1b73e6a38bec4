package desk

import (
	"context"
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

// few lets few accounts be made in an hour.
type few struct {
	everything
	count int
}

func (f few) Guards() ([]guard.Rule, bool) {
	return []guard.Rule{{Name: "few", Action: "create", Window: time.Hour, Count: f.count}}, true
}

func gated(count, partitions int) (*Desk, *memory.Target) {
	m := memory.NewTarget()
	t := Target{Name: "chat", Open: func() (connector.Connector, error) { return m, nil }, Concurrency: 16, Timeout: 10 * time.Second}
	return New([]Target{t}, Options{Instance: "0", Clock: machine{}, Rules: few{count: count}, Partitions: partitions, Settle: time.Second}), m
}

func TestOfManyCallsAtATimeExactlyTheLimitPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, m := gated(7, 1)
		d.Seat(t.Context(), Seat{})
		time.Sleep(settleGate)
		var wg sync.WaitGroup
		var firsts atomic.Int32
		for i := range 100 {
			wg.Go(func() {
				if r, _ := d.Do(t.Context(), call(fmt.Sprint("p", i), event.LaneJoiner)); r.Held != nil && r.Held.First {
					firsts.Add(1)
				}
			})
		}
		wg.Wait()
		if n := len(m.Objects()); n != 7 || firsts.Load() != 1 {
			t.Errorf("%d accounts, want 7; %d calls say that they tripped the guard", n, firsts.Load())
		}
	})
}

func TestACallWaitsForItsPartitionToBeSeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, _ := gated(1, 1)
		var done atomic.Bool
		go func() {
			d.Do(t.Context(), call("p", event.LaneJoiner))
			done.Store(true)
		}()
		d.Seat(t.Context(), Seat{Partition: 1})
		synctest.Wait()
		if done.Load() {
			t.Fatal("a call was made before it was known what its partition had counted")
		}
		d.Seat(t.Context(), Seat{})
		synctest.Wait()
		if !done.Load() {
			t.Fatal("the call is not made")
		}
	})
}

func TestNoGuardTripsWhilePartitionsChangeHands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, m := gated(6, 3)
		try := func(id string, partition int32) account.Result {
			c := call(id, event.LaneJoiner)
			c.Partition = partition
			r, _ := d.Do(t.Context(), c)
			return r
		}
		d.Seat(t.Context(), Seat{})
		for i := range 2 { // a third of 6
			try(fmt.Sprint("p", i), 0)
		}
		if r := try("p2", 0); r.Held != nil || !r.Refused || r.RetryAfter != settleGate {
			t.Fatalf("before the other partitions came: %+v", r)
		}
		ctx, lose := context.WithCancel(t.Context())
		d.Seat(ctx, Seat{Partition: 1, Counted: map[string][]guard.Count{"x|chat": {{Scope: "few", Until: time.Now().Add(time.Hour)}}}})
		d.Seat(ctx, Seat{Partition: 2})
		for i := range 5 {
			try(fmt.Sprint("q", i), 2)
		}
		if n := len(m.Objects()); n != 5 { // with x, who was counted elsewhere, 6
			t.Fatalf("%d accounts", n)
		}
		lose()
		synctest.Wait()
		time.Sleep(settleGate)
		if r := try("p3", 0); r.Held == nil || len(m.Objects()) != 5 {
			t.Errorf("with one partition of three: %+v", r)
		}
	})
}

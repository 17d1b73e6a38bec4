package desk

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/account"
)

func TestALeaverDoesNotWaitForTheTurnOfItsOwnEarlierCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.NewTarget()
		m.SetLatency(time.Second)
		d := newDesk(m, func(t *Target) { t.Concurrency = 1 })
		var wg sync.WaitGroup
		for _, id := range []string{"a", "b", "c", "d", "ana"} {
			wg.Go(func() {
				c := call(id, event.LaneBulk)
				c.Intent.Event = "e-" + id
				r, ok := d.Do(t.Context(), c)
				if !ok || r.Overtaken != (id == "ana") {
					t.Errorf("%s: %v %+v", id, ok, r)
				}
				if r.Overtaken { // as the topology does
					c.Want.Lane, c.Want.State, c.Intent.Event = event.LaneLeaver, event.AccountDisabled, "e-leaver"
					began := time.Now()
					d.Do(t.Context(), c)
					if took := time.Since(began); took > 10*time.Second {
						t.Errorf("the leaver waited %s", took)
					}
				}
			})
			synctest.Wait()
		}
		d.Overtake("chat", "ana|chat", "e-ana")
		wg.Wait()
		for _, o := range m.Objects() {
			if o.Account == "ana" && o.Enabled {
				t.Error("what was overtaken has been made")
			}
		}
		if len(d.targets["chat"].queue.waiting)+len(d.targets["chat"].queue.overtaken) > 0 {
			t.Error("something is remembered")
		}
	})
}

func TestACallThatIsOvertakenBeforeItComesIsNotMade(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.NewTarget()
		d := newDesk(m)
		do := func(intended string) account.Result {
			c := call("ana", event.LaneBulk)
			c.Intent.Event = intended
			r, _ := d.Do(t.Context(), c)
			return r
		}
		d.Overtake("chat", "ana|chat", "one")
		if r := do("one"); !r.Overtaken || len(m.Objects()) > 0 {
			t.Errorf("%+v", r)
		}
		d.Overtake("chat", "ana|chat", "one") // too late
		if r := do("two"); r.Overtaken || len(m.Objects()) != 1 {
			t.Errorf("another call: %+v", r)
		}
	})
}

package desk

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/account"
)

func TestABreakerOpensAfterThreeFailuresProbesByReadingAndTriesOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		d := newDesk(target)
		do := func(id string) account.Result {
			r, _ := d.Do(t.Context(), call(id, event.LaneJoiner))
			return r
		}
		target.FailNext(4, memory.Fault{})
		for i := range 3 {
			if r := do("a"); r.Refused || r.Down != (i == 2) {
				t.Fatalf("failure %d: %+v", i, r)
			}
		}
		if r := do("a"); !r.Refused || r.Class != connector.Transient {
			t.Fatalf("open, but: %+v", r)
		}
		if h := d.Probe(t.Context(), "chat"); h != Down {
			t.Fatalf("probe of a dead target: %s", h)
		}
		if h := d.Probe(t.Context(), "chat"); h != Down {
			t.Fatalf("a probe a moment later asked the target again: %s", h)
		}
		time.Sleep(time.Second)
		if first, second := d.Probe(t.Context(), "chat"), d.Probe(t.Context(), "chat"); first != Trial || second != Down {
			t.Fatalf("probes of a target that is back: %s, %s", first, second)
		}
		if r := do("a"); r.Class != "" {
			t.Fatalf("trial: %+v", r)
		}
		if h := d.Probe(t.Context(), "chat"); h != Up {
			t.Fatalf("after a good trial: %s", h)
		}
	})
}

func TestATargetThatReadsButDoesNotWriteIsTriedMoreAndMoreRarelyExceptByNewWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		target.FailNext(1000, memory.Fault{AfterCommit: true, Class: connector.Transient}) // meets writes only
		d := newDesk(target)
		calls := 0
		for i := range 600 {
			if i < 3 || d.Probe(t.Context(), "chat") == Trial {
				d.Do(t.Context(), call(fmt.Sprint("old", i), event.LaneJoiner))
				calls++
			}
			time.Sleep(time.Second)
		}
		if calls > 20 {
			t.Errorf("%d calls in 10 minutes", calls)
		}
		target.Heal()
		fresh := call("new", event.LaneJoiner)
		fresh.Intent.Attempt = 1
		if r, _ := d.Do(t.Context(), fresh); r.Class != "" {
			t.Errorf("new work: %+v", r)
		}
	})
}

func TestOnlyTheKindOfWriteThatIsDeniedStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		granting := func(id string) account.Call {
			c := call(id, event.LaneJoiner)
			c.Want.Entitlements, c.Want.Kinds = []string{"group/staff"}, []string{"group"}
			return c
		}
		denyGrants := &picky{Target: target}
		d := newDesk(denyGrants)
		for _, who := range []string{"admin", "admin", "admin", "a"} { // that may be the accounts
			if r, _ := d.Do(t.Context(), granting(who)); r.Class != connector.Denied || r.Refused || r.Down || r.RemoteID == "" {
				t.Fatalf("denied: %+v", r)
			}
		}
		if r, _ := d.Do(t.Context(), granting("b")); r.Class != connector.Denied || !r.Down {
			t.Fatalf("the third account in a row: %+v", r)
		}
		if r, _ := d.Do(t.Context(), granting("b")); r.Class != connector.Denied || !r.Refused || denyGrants.grants != 5 {
			t.Fatalf("tried all the same (%d grants): %+v", denyGrants.grants, r)
		}
		if r, _ := d.Do(t.Context(), call("c", event.LaneJoiner)); r.Class != "" {
			t.Fatalf("another kind: %+v", r)
		}
		time.Sleep(rightTrial)
		denyGrants.allow = true
		if h := d.Probe(t.Context(), "chat"); h != Trial {
			t.Fatalf("probe: %s", h)
		}
		if r, _ := d.Do(t.Context(), granting("b")); r.Class != "" {
			t.Fatalf("after the right came back: %+v", r)
		}
	})
}

type picky struct {
	*memory.Target
	allow  bool
	grants int
}

func (p *picky) Apply(ctx context.Context, op connector.Op) (connector.Result, error) {
	if op.Verb == connector.Grant && !p.allow {
		p.grants++
		return connector.Result{}, connector.Errorf(connector.Denied, "grant", "403")
	}
	return p.Target.Apply(ctx, op)
}

func TestATargetThatAsksForQuietGetsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		target.FailNext(1, memory.Fault{Class: connector.Throttled, RetryAfter: time.Minute})
		d := newDesk(target)
		if r, _ := d.Do(t.Context(), call("a", event.LaneJoiner)); r.Class != connector.Throttled || r.Refused {
			t.Fatalf("throttled: %+v", r)
		}
		if r, _ := d.Do(t.Context(), call("b", event.LaneLeaver)); !r.Refused || r.RetryAfter != time.Minute {
			t.Fatalf("next: %+v", r)
		}
		time.Sleep(time.Minute)
		if r, _ := d.Do(t.Context(), call("b", event.LaneLeaver)); r.Class != "" {
			t.Fatalf("after: %+v", r)
		}
	})
}

func TestAShortPauseIsWaitedForInTheMiddleOfACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		target.FailNext(2, memory.Fault{Class: connector.Throttled, RetryAfter: 2 * time.Second})
		d := newDesk(target)
		began := time.Now()
		if r, _ := d.Do(t.Context(), call("a", event.LaneJoiner)); r.Class != "" || len(target.Journal()) != 1 || time.Since(began) < 4*time.Second {
			t.Fatalf("%+v after %s, journal %v", r, time.Since(began), target.Journal())
		}
	})
}

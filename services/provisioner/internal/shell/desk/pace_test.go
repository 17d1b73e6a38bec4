package desk

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

func TestATargetThatRefusesForADayIsAskedAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(machine{}, 20)
		for began := time.Now(); time.Since(began) < 24*time.Hour; { // it lets us read, and has no changes left for today
			if err := p.wait(t.Context(), "read"); err != nil {
				t.Fatal(err)
			}
			p.answered(time.Now())
			if err := p.wait(t.Context(), "write"); err != nil {
				t.Fatal(err)
			}
			p.throttled(time.Now(), time.Second)
		}
		began := time.Now()
		for range 10 {
			if err := p.wait(t.Context(), "write"); err != nil {
				t.Fatal(err)
			}
			p.answered(time.Now())
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("ten requests took %s: %v a second are left", took, rate.Limit(p.learnt))
		}
	})
}

func TestWhoWaitsForARightIsToldToTryOnceInAWhile(t *testing.T) {
	t.Parallel()
	var r rights
	now := time.Unix(0, 0)
	for _, account := range []string{"a", "b", "c"} {
		r.note("delete", account, "denied", now)
	}
	tries := 0
	for range 100 { // nobody needs to delete any more: who tries needs something else
		if r.health(now) == Trial {
			tries++
		}
		now = now.Add(time.Second)
	}
	if tries != 9 {
		t.Errorf("told %d times in 100 s, want every 10 s", tries)
	}
}

package account_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/guard"
)

func TestBackoffStaysBetweenASecondAndAQuarterOfAnHourAndSpreads(t *testing.T) {
	t.Parallel()
	for tries := 1; tries < 200; tries++ {
		if d := account.Backoff("intent-1", tries); d < time.Second || d > 15*time.Minute {
			t.Fatalf("try %d waits %s", tries, d)
		}
	}
	var sum time.Duration
	const n = 1000
	for i := range n {
		d := account.Backoff(fmt.Sprintf("intent-%d", i), 20)
		if d != account.Backoff(fmt.Sprintf("intent-%d", i), 20) {
			t.Fatal("the same try waits differently")
		}
		sum += d
	}
	if mean := sum / n; mean < 7*time.Minute || mean > 8*time.Minute {
		t.Errorf("mean of full jitter under 15 min is %s", mean)
	}
}

// TestWhateverHappensTheLatestVersionIsAppliedInTheEnd drives random histories and then lets every call succeed.
func TestWhateverHappensTheLatestVersionIsAppliedInTheEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), ids: map[event.EventID]bool{}}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			m.step(t)
			m.check(t)
		}
		for n := 0; m.state.Intent != nil || m.state.Wait != account.WaitNothing; n++ {
			if n > 100 {
				t.Fatalf("does not come to rest: %+v", m.state)
			}
			m.settle()
			m.check(t)
		}
		if m.newest > 0 && (m.state.Applied != m.newest || m.state.Open != nil) {
			t.Fatalf("newest %d, state %+v", m.newest, m.state)
		}
	})
}

type model struct {
	state    account.State
	now      time.Time
	wakeAt   time.Time
	newest   int64
	applied  int64
	causes   int
	ids      map[event.EventID]bool
	repeated bool
	calls    int // announced
}

var classes = []connector.Class{"", connector.Transient, connector.Throttled, connector.Ambiguous, connector.Conflict, connector.NotFound,
	connector.Denied, connector.Invalid, connector.Unsupported}

func (m *model) work() account.Work {
	m.causes++
	return account.Work{State: m.state, Cause: fmt.Sprint("c", m.causes), Now: m.now, Instance: "0"}
}

func (m *model) step(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(t, "seconds")) * time.Second)
	switch rapid.SampledFrom([]string{"want", "answer", "answer", "wake", "nudge", "late", "release", "hold", "decide"}).Draw(t, "op") {
	case "want":
		v := rapid.Int64Range(1, m.newest+2).Draw(t, "version")
		m.newest = max(m.newest, v)
		m.take(m.work().Wanted(event.Desired{IdentityID: "id-1", Target: "chat", Version: v, State: event.AccountActive, AccountName: "ana"}))
	case "answer":
		r := m.answer()
		r.Class = rapid.SampledFrom(classes).Draw(t, "class")
		r.Refused = r.Class != "" && rapid.Bool().Draw(t, "refused")
		r.Down = rapid.Bool().Draw(t, "down")
		m.take(m.work().Answered(r))
	case "hold":
		r := m.answer()
		r.Held = &account.Held{Trip: "mass.12345678", Guard: "mass"}
		m.take(m.work().Answered(r))
	case "decide":
		m.take(m.work().Decided(decision(rapid.SampledFrom([]event.GuardAct{event.GuardRelease, event.GuardCancel}).Draw(t, "decision"))))
	case "late":
		r := m.answer()
		r.Attempt += 100
		m.take(m.work().Answered(r))
	case "wake":
		m.take(m.work().Woken())
	case "nudge":
		if m.newest > 0 {
			m.take(m.work().Nudged(event.DriftEvent{Meta: event.Meta{EventID: "d"}}))
		}
	case "release":
		w := m.work()
		w.State = m.state.Released(m.now)
		m.take(w.Woken())
	}
}

func (m *model) answer() account.Result {
	r := account.Result{Account: "ana", RemoteID: "r1", State: event.AccountActive}
	if i := m.state.Intent; i != nil {
		r.Intent, r.Attempt, r.Round = i.ID, i.Attempt, i.Round
	}
	return r
}

func decision(kind event.GuardAct) guard.Trip {
	return guard.Trip{ID: "mass.12345678", Guard: "mass", Decision: kind}
}

// settle lets the account have what it waits for.
func (m *model) settle() {
	switch {
	case m.state.Intent != nil:
		m.take(m.work().Answered(m.answer()))
	case m.state.Wait == account.WaitHeld:
		m.take(m.work().Decided(decision(event.GuardRelease)))
	case m.state.Wait == account.WaitCancelled:
		m.take(m.work().Wanted(event.Desired{IdentityID: "id-1", Target: "chat", Version: m.newest, State: event.AccountActive, AccountName: "ana"}))
	case m.state.Wait == account.WaitParked:
		m.take(m.work().Reconsidered())
	default:
		m.state = m.state.Released(m.now)
		m.now = m.now.Add(time.Hour)
		m.take(m.work().Woken())
	}
}

func (m *model) take(d account.Decision) {
	for i := range d.Events {
		if m.ids[d.Events[i].EventID] {
			m.repeated = true
		}
		m.ids[d.Events[i].EventID] = true
		if d.Events[i].Kind == event.ProvisionIntended {
			m.calls++
		}
	}
	if d.Call != nil {
		m.calls--
	}
	m.state, m.wakeAt = d.State, d.WakeAt
}

func (m *model) check(t *rapid.T) {
	s := m.state
	switch {
	case s.Applied < m.applied:
		t.Fatalf("applied went back from %d to %d", m.applied, s.Applied)
	case m.repeated:
		t.Fatal("an event id came twice")
	case m.calls != 0:
		t.Fatal("a call without its intent, or an intent without its call")
	case s.Intent != nil && s.Wait != account.WaitNothing:
		t.Fatalf("in flight and waiting: %+v", s)
	case s.Next != nil && (s.Intent == nil || s.Next.Version <= s.Want.Version):
		t.Fatalf("next without need: %+v", s)
	case (s.Wait == account.WaitHeld) != (s.Hold != ""):
		t.Fatalf("held by no guard, or by one without waiting: %+v", s)
	case s.Wait == account.WaitBackoff && m.wakeAt.IsZero():
		t.Fatal("backing off without a timer")
	}
	m.applied = s.Applied
}

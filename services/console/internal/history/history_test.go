package history_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/history"
)

func day(n int) time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

// said is an event decided on one day about another, after which the person is this.
func said(t testing.TB, decided, effective int, p event.Person, changed ...string) history.Event {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return history.Event{EffectiveAt: day(effective), KnownAt: day(decided), OccurredAt: day(max(decided, effective)), Changed: changed, Person: b}
}

func worker(department, title string, status event.Status, end int) event.Person {
	p := event.Person{ID: "p-1", Status: status, Start: day(0), Profile: event.Profile{Department: department, Title: title}}
	if end > 0 {
		p.End = day(end)
	}
	return p
}

func TestThePastIsAnsweredByWhatWasKnownThenOrByWhatIsKnownNow(t *testing.T) {
	t.Parallel()
	late := said(t, 20, 10, worker("Sales", "Lead", event.StatusActive, 0), "department")
	late.OccurredAt = day(20)
	over := said(t, 30, 25, worker("Sales", "Lead", event.StatusEnded, 25))
	over.OccurredAt = day(30)
	events := []history.Event{
		said(t, 0, 0, worker("Finance", "Analyst", event.StatusActive, 0)),
		said(t, 15, 15, worker("Finance", "Lead", event.StatusActive, 0), "title"),
		late, // a move of day 10, learnt on day 20
		over, // an end of day 25, learnt on day 30
	}
	for _, c := range []struct {
		at, known int
		want      string
	}{
		{5, 5, "Finance Analyst active"},
		{12, 12, "Finance Analyst active"},
		{12, 20, "Sales Analyst active"}, // the department only: the title is of day 15
		{16, 16, "Finance Lead active"},
		{27, 27, "Sales Lead active"},
		{27, 30, "Sales Lead ended"},
		{24, 30, "Sales Lead active"},
		{90, 31, "Sales Lead ended"},
	} {
		p, there, err := history.AsOf(events, day(c.at), day(c.known))
		if got := fmt.Sprintf("%s %s %s", p.Department, p.Title, p.Status); err != nil || !there || got != c.want {
			t.Errorf("at day %d, known by day %d: %s, %v, %v; want %s", c.at, c.known, got, there, err, c.want)
		}
	}
	if _, there, _ := history.AsOf(events, day(5), day(-1)); there {
		t.Error("somebody was known before the first word")
	}
}

func TestWhatIsDatedAheadComesWithItsDay(t *testing.T) {
	t.Parallel()
	hire := worker("Finance", "Analyst", event.StatusPrehire, 40)
	hire.Start = day(10)
	events := []history.Event{{EffectiveAt: day(10), KnownAt: day(1), OccurredAt: day(1), Person: said(t, 1, 10, hire).Person}}
	for at, want := range map[int]event.Status{2: event.StatusPrehire, 10: event.StatusActive, 39: event.StatusActive, 40: event.StatusEnded} {
		if p, there, err := history.AsOf(events, day(at), day(2)); err != nil || !there || p.Status != want {
			t.Errorf("day %d, known by day 2: %s, %v, %v; want %s", at, p.Status, there, err, want)
		}
	}
}

// At any moment, what was known then of then is what the last event by then says: what the pipeline held.
func TestWhatLiveStateSaidIsWhatTheEvidenceSaysItSaid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var events []history.Event
		live := map[int]event.Person{}
		p := worker("Finance", "Analyst", event.StatusActive, 0)
		for d := 0; d < 30; d++ {
			if d > 0 && rapid.Bool().Draw(rt, "quiet") {
				live[d] = p
				continue
			}
			p.Department = rapid.SampledFrom([]string{"Finance", "Sales", "Audit"}).Draw(rt, "department")
			p.Attributes = map[string]string{"desk": rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "desk")}
			p.Emergency = rapid.IntRange(0, 9).Draw(rt, "emergency") == 0
			p.End = time.Time{}
			if end := rapid.IntRange(0, 60).Draw(rt, "end"); end > d {
				p.End = day(end)
			}
			e := said(t, d, d-rapid.IntRange(0, 5).Draw(rt, "late"), p, "department", "attributes.desk")
			e.OccurredAt = day(d)
			events = append(events, e)
			live[d] = p
		}
		for d, want := range live {
			if !want.End.IsZero() && !day(d).Before(want.End) {
				continue // an event would have come with that day
			}
			got, there, err := history.AsOf(events, day(d), day(d))
			if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); err != nil || !there || a != b {
				rt.Fatalf("day %d: %s, %v; live said %s", d, a, err, b)
			}
		}
	})
}

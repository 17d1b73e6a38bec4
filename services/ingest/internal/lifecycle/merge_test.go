package lifecycle

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

// alarms is a feed of a source of alarms that has said more than is kept as it came: its first alarm is in the base only.
func alarms(t *testing.T, name string, from time.Time) Feed {
	t.Helper()
	f := Feed{Source: "soc", Key: "worker", Authority: signal, Timezone: "UTC"}
	for i := range maxFacts + 1 {
		at := from.Add(time.Duration(i) * time.Minute)
		kind := event.Absent
		if i == 0 {
			kind = event.Emergency
		}
		f.insert(newFact(event.Fact{ID: fmt.Sprint(name, i), KnownAt: at, Record: event.SourceRecord{ID: fmt.Sprint(i), Kind: kind, RecordedAt: at}}))
	}
	f.compact(time.UTC, from.Add(time.Hour).UnixMilli())
	if f.base == nil || len(f.base.Track.Holds) != 1 {
		t.Fatalf("the alarm is not in the base: %+v", f.base)
	}
	return f
}

func TestOfTwoFoldedFeedsOfOneWorkerThatMergeNeitherBaseIsLost(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	a, b := alarms(t, "a", day), alarms(t, "b", day.Add(24*time.Hour))
	for _, order := range [][2]Feed{{a, b}, {b, a}} {
		var s State
		s.put(order[0])
		s.put(order[1])
		s.put(order[0]) // once more changes nothing
		if len(s.Feeds) != 1 {
			t.Fatalf("%d feeds", len(s.Feeds))
		}
		var holds []string
		for _, h := range s.Feeds[0].walk(time.UTC).Holds {
			holds = append(holds, h.By.Fact)
		}
		if want := []string{"a0", "b0"}; !slices.Equal(holds, want) || len(s.Feeds[0].facts) != len(a.facts)+len(b.facts) {
			t.Errorf("holds %v, want %v; %d facts", holds, want, len(s.Feeds[0].facts))
		}
	}
}

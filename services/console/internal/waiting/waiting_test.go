package waiting_test

import (
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/waiting"
)

func TestTheRoomHoldsWhoWaitsNowTheLongestFirst(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	r := waiting.New()
	r.Put("hr/1", &event.Waiting{Source: "hr", SourceKey: "1", Since: at, Count: 1})
	r.Put("hr/2", &event.Waiting{Source: "hr", SourceKey: "2", Since: at.Add(-time.Hour), Count: 1})
	r.Put("hr/3", &event.Waiting{Source: "hr", SourceKey: "3", Since: at, Count: 1})
	_, changed, waits := r.Get("hr/1")
	if !waits {
		t.Fatal("hr/1 does not wait")
	}
	r.Put("hr/1", &event.Waiting{Source: "hr", SourceKey: "1", Since: at, Count: 2})
	r.Put("hr/3", nil)
	select {
	case <-changed:
	default:
		t.Error("who waits for a change is not told")
	}
	all := r.List()
	if len(all) != 2 || all[0].SourceKey != "2" || all[1].Count != 2 {
		t.Errorf("listed: %+v", all)
	}
}

package queue_test

import (
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/queue"
)

func TestTheQueueHoldsWhatIsOpenNowLeaversFirst(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	q := queue.New()
	q.Put("id-ana|keys", &event.Ticket{ID: "t-1", OpenedAt: at, Lane: event.LaneJoiner})
	q.Put("id-bo|keys", &event.Ticket{ID: "t-2", OpenedAt: at.Add(time.Hour), Lane: event.LaneLeaver})
	q.Put("id-cyn|keys", &event.Ticket{ID: "t-3", OpenedAt: at.Add(-time.Hour), Lane: event.LaneMover})
	_, changed, open := q.Get("t-1")
	if !open {
		t.Fatal("t-1 is not open")
	}
	q.Put("id-ana|keys", &event.Ticket{ID: "t-4", OpenedAt: at.Add(time.Minute)}) // overtaken
	q.Put("id-cyn|keys", nil)
	select {
	case <-changed:
	default:
		t.Error("who waits is not told")
	}
	if _, _, open := q.Get("t-1"); open {
		t.Error("a ticket that was overtaken is still open")
	}
	var ids []string
	for _, one := range q.List(func(event.Ticket) bool { return true }) {
		ids = append(ids, one.ID)
	}
	if len(ids) != 2 || ids[0] != "t-2" || ids[1] != "t-4" {
		t.Errorf("listed: %v", ids)
	}
}

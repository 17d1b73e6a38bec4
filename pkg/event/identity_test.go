package event_test

import (
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

func TestEndsAndWhatTakesThemBackOvertakeAndNothingElse(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	until := func(day string) *event.Profile { return &event.Profile{EndDate: day} }
	for _, c := range []struct {
		name   string
		record event.SourceRecord
		want   event.Topic
	}{
		{"an emergency", event.SourceRecord{Kind: event.Emergency}, event.UrgentRecords},
		{"an end", event.SourceRecord{Kind: event.Terminate}, event.UrgentRecords},
		{"an end taken back", event.SourceRecord{Kind: event.ReverseTermination}, event.UrgentRecords},
		{"a leave", event.SourceRecord{Kind: event.Suspend}, event.UrgentRecords},
		{"a worker without an end", event.SourceRecord{Kind: event.Upsert, Person: until("")}, event.SourceRecords},
		{"a worker who ends next week", event.SourceRecord{Kind: event.Upsert, Person: until("2026-03-17")}, event.SourceRecords},
		{"a worker whose last day has begun in the far east", event.SourceRecord{Kind: event.Upsert, Person: until("2026-03-11")}, event.UrgentRecords},
		{"a worker who ended last week", event.SourceRecord{Kind: event.Upsert, Person: until("2026-03-03")}, event.UrgentRecords},
		{"a worker who ended last year", event.SourceRecord{Kind: event.Upsert, Person: until("2025-03-03")}, event.SourceRecords},
		{"an upsert of nobody", event.SourceRecord{Kind: event.Upsert}, event.SourceRecords},
		{"a worker missing from a listing", event.SourceRecord{Kind: event.Absent}, event.SourceRecords},
		{"a merge", event.SourceRecord{Kind: event.Merge}, event.SourceRecords},
	} {
		c.record.RecordedAt = at
		if got := c.record.Topic(); got != c.want {
			t.Errorf("%s goes to %s, want %s", c.name, got, c.want)
		}
	}
}

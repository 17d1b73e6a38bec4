package calendar_test

import (
	"testing"
	"time"

	"joinery.internal/services/ingest/internal/calendar"
)

// FuzzMoment reads any text as a moment. It is a date exactly if the general parser says so; what is valid begins before
// it ends.
func FuzzMoment(f *testing.F) {
	for _, text := range []string{"2026-03-02", "2024-02-29", "2023-02-29", "9999-12-31", "2026-03-02T09:00:00Z", "2026-03-02T09:00:00.123+05:45", "0000-01-01", "2026-3-2", ""} {
		f.Add(text, "Europe/Prague")
	}
	f.Add("2011-12-30", "Pacific/Apia") // a day that zone never had
	f.Fuzz(func(t *testing.T, text, name string) {
		m, zones := calendar.Moment(text), calendar.NewZones()
		_, err := time.Parse(time.DateOnly, text)
		if m.IsDate() != (err == nil) {
			t.Fatalf("%q is a date: %v, but %v", text, m.IsDate(), err)
		}
		zone := zones.Zone(name)
		if begin, end := m.Begin(zone), m.End(zone); m.Valid() == nil && begin.After(end) {
			t.Fatalf("%q begins %s and ends %s", text, begin, end)
		}
	})
}

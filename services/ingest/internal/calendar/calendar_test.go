package calendar_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"joinery.internal/services/ingest/internal/calendar"
)

func TestADayBeginsAndEndsWhereItsZoneSaysSo(t *testing.T) {
	t.Parallel()
	zones := calendar.NewZones()
	for _, c := range []struct {
		name, zone string
		moment     calendar.Moment
		begin, end string
	}{
		{"a plain day in winter", "Europe/Prague", "2026-03-02", "2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z"},
		{"the day clocks go forward has 23 hours", "Europe/Prague", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"the day clocks go back has 25 hours", "Europe/Prague", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"a leap day", "America/New_York", "2028-02-29", "2028-02-29T05:00:00Z", "2028-03-01T05:00:00Z"},
		{"the last day of a year ahead of UTC", "Pacific/Auckland", "2026-12-31", "2026-12-30T11:00:00Z", "2026-12-31T11:00:00Z"},
		{"midnight is missing: the day begins at 01:00", "Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"},
		{"midnight comes twice: the first counts", "America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"},
		{"the hour before midnight comes twice", "Africa/Cairo", "2026-10-30", "2026-10-29T22:00:00Z", "2026-10-30T22:00:00Z"},
		{"an instant is itself", "Europe/Prague", "2026-03-02T09:00:00+01:00", "2026-03-02T08:00:00Z", "2026-03-02T08:00:00Z"},
	} {
		zone := zones.Zone(c.zone)
		if got := c.moment.Begin(zone).Format(time.RFC3339); got != c.begin {
			t.Errorf("%s: %s in %s begins %s, want %s", c.name, c.moment, c.zone, got, c.begin)
		}
		if got := c.moment.End(zone).Format(time.RFC3339); got != c.end {
			t.Errorf("%s: %s in %s ends %s, want %s", c.name, c.moment, c.zone, got, c.end)
		}
	}
}

func TestEveryDayEndsWhereTheNextBeginsAndHoldsItsInstants(t *testing.T) {
	t.Parallel()
	names := []string{"UTC", "Europe/Prague", "America/New_York", "America/Havana", "Africa/Cairo", "Asia/Kolkata",
		"Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut", "America/Asuncion"}
	rapid.Check(t, func(rt *rapid.T) {
		zones := calendar.NewZones()
		zone := zones.Zone(rapid.SampledFrom(names).Draw(rt, "zone"))
		instant := time.Unix(rapid.Int64Range(0, 2_500_000_000).Draw(rt, "unix"), 0)
		day := calendar.Day(instant, zone)
		begin, end := day.Begin(zone), day.End(zone)
		if begin.After(instant) || !end.After(instant) {
			rt.Fatalf("%s does not lie in %s .. %s", instant.UTC(), begin, end)
		}
		if calendar.Day(begin, zone) != day || calendar.Day(begin.Add(-time.Second), zone) >= day {
			rt.Fatalf("%s is not the first instant of %s in %s", begin, day, zone)
		}
	})
}

func TestWhatIsNoMomentIsNamedWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for _, bad := range []calendar.Moment{"", "tomorrow", "2026-02-30", "2026-3-2", "02.03.2026", "0001-01-01", "1899-12-31", "2026-03-02 09:00"} {
		if bad.Valid() == nil {
			t.Errorf("%q counts as a moment", bad)
		}
	}
	if calendar.Moment("2026-03-02T09:00:00Z").ValidDate() == nil {
		t.Error("an instant counts as a date")
	}
	if _, err := calendar.NewZones().Find("Europe/Atlantis"); err == nil {
		t.Error("Europe/Atlantis counts as a time zone")
	}
}

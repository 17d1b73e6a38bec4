// Package calendar reads dates the way people mean them: a day begins at its first instant in a time zone and ends
// where the next one begins, whatever daylight saving does to the hours between.
//
// It owns Moment and the time zones by name. It does not know what a date is about. Moments are values; Zones
// remembers what it found and belongs to one goroutine.
//
//	zone, err := zones.Find("Europe/Prague")
//	calendar.Moment("2026-03-02").End(zone) // 2026-03-02T23:00:00Z
package calendar

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

const dateLayout = "2006-01-02"

// Never is the year that sources write when they mean "no end".
const Never = 9999

// Moment is a date (`2026-03-02`, in whichever time zone it is read) or an instant (RFC 3339), as the source wrote
// it. The empty Moment is none.
type Moment string

// At is the moment of an instant.
func At(t time.Time) Moment { return Moment(t.UTC().Format(time.RFC3339Nano)) }

// Day is the date on which t falls in zone.
func Day(t time.Time, zone *time.Location) Moment { return Moment(t.In(zone).Format(dateLayout)) }

// Valid says what is wrong with m, without repeating it.
func (m Moment) Valid() error {
	t, _, err := m.parse()
	switch {
	case err != nil:
		return errors.New("neither a date like 2026-03-02 nor an instant like 2026-03-02T09:00:00Z")
	case t.Year() < 1900 || t.Year() > Never:
		return fmt.Errorf("the year must be between 1900 and %d", Never)
	}
	return nil
}

// ValidDate is Valid for what must be a date.
func (m Moment) ValidDate() error {
	if _, isDate, err := m.parse(); err != nil || !isDate {
		return errors.New("not a date like 2026-03-02")
	}
	return m.Valid()
}

// IsDate says whether m is a date.
func (m Moment) IsDate() bool {
	_, isDate, err := m.parse()
	return err == nil && isDate
}

// IsNever says whether m is in the year that means "no end".
func (m Moment) IsNever() bool {
	t, _, err := m.parse()
	return err == nil && t.Year() >= Never
}

// Begin is the first instant of the date in zone, or the instant itself. The zero time if m is not valid.
func (m Moment) Begin(zone *time.Location) time.Time {
	t, isDate, err := m.parse()
	switch {
	case err != nil:
		return time.Time{}
	case isDate:
		return startOfDay(t, zone)
	}
	return t.UTC()
}

// End is the first instant after the date in zone, or the instant itself. The zero time if m is not valid.
func (m Moment) End(zone *time.Location) time.Time {
	t, isDate, err := m.parse()
	switch {
	case err != nil:
		return time.Time{}
	case isDate:
		return startOfDay(t.AddDate(0, 0, 1), zone)
	}
	return t.UTC()
}

// DayBefore is the date before m, in zone.
func (m Moment) DayBefore(zone *time.Location) Moment {
	return Day(m.Begin(zone).Add(-time.Nanosecond), zone)
}

func (m Moment) parse() (t time.Time, isDate bool, err error) {
	if t, ok := m.date(); ok {
		return t, true, nil
	}
	t, err = time.Parse(time.RFC3339Nano, string(m))
	return t, false, err
}

// date reads a date without the general parser: the fold reads very many.
func (m Moment) date() (time.Time, bool) {
	if len(m) != len(dateLayout) || m[4] != '-' || m[7] != '-' {
		return time.Time{}, false
	}
	var n [3]int
	for i, digits := range [...]Moment{m[:4], m[5:7], m[8:]} {
		for _, c := range []byte(digits) {
			if c < '0' || c > '9' {
				return time.Time{}, false
			}
			n[i] = 10*n[i] + int(c-'0')
		}
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], 0, 0, 0, 0, time.UTC)
	return t, t.Day() == n[2] && int(t.Month()) == n[1]
}

// startOfDay is the first instant at which the calendar in zone shows the day of date. Midnight may be missing (the
// day then begins at 01:00) or come twice (the first counts).
func startOfDay(date time.Time, zone *time.Location) time.Time {
	y, mo, d := date.Date()
	t := time.Date(y, mo, d, 0, 0, 0, 0, zone)
	begun := func(t time.Time) bool {
		ty, tmo, td := t.In(zone).Date()
		return cmp.Or(ty-y, int(tmo-mo), td-d) >= 0
	}
	if earlier := t.Add(-time.Hour); begun(earlier) {
		return earlier.UTC()
	}
	for step := time.Hour; !begun(t); {
		if next := t.Add(step); !begun(next) || step == time.Minute {
			t = next
			continue
		}
		step = time.Minute
	}
	return t.UTC()
}

// Zones finds time zones by their IANA name and remembers them.
type Zones struct{ known map[string]*time.Location }

// NewZones returns an empty memory.
func NewZones() *Zones { return &Zones{known: map[string]*time.Location{}} }

// Find returns the zone of that name.
func (z *Zones) Find(name string) (*time.Location, error) {
	if zone, ok := z.known[name]; ok {
		return zone, nil
	}
	if name == "" || strings.EqualFold(name, "local") {
		return nil, errors.New("not the name of a time zone such as Europe/Prague")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, errors.New("not the name of a time zone such as Europe/Prague")
	}
	z.known[name] = zone
	return zone, nil
}

// Zone is Find for names that were checked when they came in; UTC stands in for one that has gone since.
func (z *Zones) Zone(name string) *time.Location {
	zone, err := z.Find(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

package reference

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // zones of persons, whatever the machine has

	"joinery.internal/pkg/event"
)

// feed is all that one source said of one worker.
type feed struct {
	source, key, authority, zone string
	facts                        []version
}

// version is a fact at its place in the order of versions.
type version struct {
	event.Fact
	recorded time.Time // never after it was known
	position time.Time // along the sequence it never goes back
}

// feeds sorts facts into feeds, each fact once, in the order of versions. The first fact of a feed to arrive says whose
// authority it has.
func feeds(facts []event.Fact) []*feed {
	var out []*feed
	seen := map[string]bool{}
	for _, f := range facts {
		if seen[f.ID] {
			continue
		}
		seen[f.ID] = true
		i := slices.IndexFunc(out, func(have *feed) bool { return have.source == f.Record.Source && have.key == f.Record.SourceKey })
		if i < 0 {
			i = len(out)
			out = append(out, &feed{source: f.Record.Source, key: f.Record.SourceKey, authority: f.Authority, zone: f.Timezone})
		}
		recorded := f.Record.RecordedAt
		if recorded.After(f.KnownAt) {
			recorded = f.KnownAt
		}
		out[i].facts = append(out[i].facts, version{Fact: f, recorded: recorded, position: recorded})
	}
	slices.SortFunc(out, func(a, b *feed) int { return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.key, b.key)) })
	for _, f := range out {
		f.sort()
	}
	return out
}

func (f *feed) sort() {
	slices.SortStableFunc(f.facts, func(a, b version) int { // alike: as they came
		return cmp.Or(cmp.Compare(a.number(), b.number()), a.recorded.Compare(b.recorded), a.KnownAt.Compare(b.KnownAt))
	})
	var high time.Time
	for i := range f.facts {
		if v := &f.facts[i]; v.Record.Sequence != nil {
			if v.recorded.After(high) {
				high = v.recorded
			}
			v.position = high
		}
	}
	slices.SortStableFunc(f.facts, func(a, b version) int { // numbered ones first, as the sort before left them
		return a.position.Compare(b.position)
	})
	for _, v := range f.facts {
		if v.Record.Person != nil && v.Record.Person.Timezone != "" {
			f.zone = v.Record.Person.Timezone
		}
	}
}

// number sorts what has none last.
func (v version) number() int64 {
	if v.Record.Sequence == nil {
		return 1<<63 - 1
	}
	return *v.Record.Sequence
}

// from is when it takes effect, until the end of what day it holds if it is a date.
func (v version) from(zone *time.Location) time.Time {
	if v.Record.EffectiveAt == "" {
		return v.recorded
	}
	return begin(v.Record.EffectiveAt, zone)
}

func (v version) until(zone *time.Location) time.Time {
	if v.Record.EffectiveAt == "" {
		return v.recorded
	}
	return end(v.Record.EffectiveAt, zone)
}

// rank is when it begins to hold among what else is said.
func (v version) rank(zone *time.Location) time.Time {
	from := v.from(zone)
	if v.Record.Sequence != nil && v.position.After(from) {
		return v.position
	}
	return from
}

type jobs []job

// profileAt is what a source says that does not employ.
func (j jobs) profileAt(now time.Time) (map[string]string, bool) {
	if len(j) == 0 || j[0].statements[0].from.After(now) {
		return nil, false
	}
	return at(j[0].statements, now), true
}

type told struct {
	jobs         jobs
	early        []version // what was said of a job before any was known
	holds, lifts []hold
}

// read goes through the versions of a feed, oldest first.
func (f *feed) read() told {
	zone := location(f.zone)
	var t told
	for _, v := range f.facts {
		switch {
		case v.Record.Kind == event.Emergency:
			t.holds = append(t.holds, hold{v.from(zone), v.KnownAt})
		case v.Record.Kind == event.EmergencyLift:
			t.lifts = append(t.lifts, hold{v.from(zone), v.KnownAt})
		case v.Record.Kind == event.Upsert && f.authority == "employment":
			t.snapshot(f, v, zone)
		case v.Record.Kind == event.Upsert:
			if len(t.jobs) == 0 {
				t.jobs = jobs{{}}
			}
			t.jobs[0].insert(statement{from: v.rank(zone), says: words(v)})
		case f.authority == "employment" && len(t.jobs) > 0:
			t.word(v, zone)
		case f.authority == "employment":
			t.early = append(t.early, v)
		}
	}
	for i := range t.jobs {
		t.jobs[i].id, t.jobs[i].zone = name(f.source, f.key, i), zone
	}
	t.jobs.closed()
	return t
}

var locations sync.Map // by name: loading one is slow

func location(name string) *time.Location {
	if zone, ok := locations.Load(name); ok {
		return zone.(*time.Location)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = time.UTC
	}
	locations.Store(name, zone)
	return zone
}

// snapshot takes a worker as a whole.
func (t *told) snapshot(f *feed, v version, zone *time.Location) {
	says := words(v)
	start, ends := says["start_date"], says["end_date"]
	j := t.which(v, start, zone)
	if ends == "" && j.workerType != "" && says["worker_type"] != "" && says["worker_type"] != j.workerType &&
		(j.contractDay == "" || !v.from(zone).After(end(j.contractDay, zone))) {
		j.contract, j.contractBy, j.contractDay = time.Time{}, time.Time{}, ""
	}
	if ends != "" && ends != j.contractDay {
		if j.saidTwice(zone) {
			j.terminated = time.Time{}
		}
		j.reversed = false
		j.contract, j.contractBy, j.contractDay = end(ends, zone), v.KnownAt, ends
		if ends[:4] == "9999" {
			j.contract = time.Time{}
		}
	}
	from := v.rank(zone)
	own := j.start
	if start != "" {
		own = begin(start, zone)
	}
	s := statement{from: from}
	if len(j.statements) == 0 || !from.After(own) {
		s.from = time.Time{}
	}
	if len(j.statements) == 0 {
		s.says = j.defined(says)
	} else {
		was := at(j.statements, s.from)
		s.says = keep(says, was["worker_type"], was["employee_number"], was["timezone"])
		if !s.from.IsZero() && s.from.After(v.position) {
			s.instead = was
		}
	}
	j.workerType, j.number, j.tzName = cmp.Or(says["worker_type"], j.workerType), cmp.Or(says["employee_number"], j.number), cmp.Or(says["timezone"], j.tzName)
	j.insert(s)
}

func (j *job) defined(says map[string]string) map[string]string {
	return keep(says, j.workerType, j.number, j.tzName)
}

// keep fills what defines an employment where a snapshot is silent on it.
func keep(says map[string]string, workerType, number, zone string) map[string]string {
	out := maps.Clone(says)
	for name, value := range map[string]string{"worker_type": workerType, "employee_number": number, "timezone": zone} {
		if out[name] == "" && value != "" {
			out[name] = value
		}
	}
	return out
}

func (j *job) insert(s statement) {
	j.statements = append(j.statements, s)
	slices.SortStableFunc(j.statements, func(a, b statement) int { return a.from.Compare(b.from) })
}

// which job a snapshot with that start speaks of: one with the same start, else a new one after an end or a rescission,
// else the last one, which it moves or, with another worker type while it runs, succeeds.
func (t *told) which(v version, start string, zone *time.Location) *job {
	begun := func(day string, like job) *job {
		t.jobs = append(t.jobs, job{startDay: day, start: begin(day, zone), startBy: v.KnownAt, announced: v.KnownAt, workerType: like.workerType, number: like.number, tzName: like.tzName})
		return &t.jobs[len(t.jobs)-1]
	}
	if len(t.jobs) == 0 {
		j := begun(cmp.Or(start, v.from(zone).In(zone).Format(time.DateOnly)), job{})
		for _, e := range t.early {
			j.early(e, zone)
		}
		if !j.terminated.After(j.start) { // it ended another job, which nobody spoke of
			j.terminated = time.Time{}
		}
		return j
	}
	last := &t.jobs[len(t.jobs)-1]
	if start == "" {
		day := t.ofTheDay(v, zone)
		if e := t.endOf(day); e.IsZero() || e.After(v.from(zone)) {
			return &t.jobs[day]
		}
		return last
	}
	for i := len(t.jobs) - 1; i >= 0; i-- {
		if t.jobs[i].startDay == start {
			return &t.jobs[i]
		}
	}
	kind, e := v.Record.Person.WorkerType, last.said()
	switch {
	case last.rescinded:
		return begun(start, *last)
	case last.start.After(v.position): // not begun: put off, unless it was cut off altogether
		if !e.IsZero() && !e.After(last.start) && !begin(start, zone).Before(e) {
			return begun(start, *last)
		}
	case !e.IsZero() && start >= e.Add(-1).In(zone).Format(time.DateOnly),
		kind != "" && last.workerType != "" && kind != last.workerType && begin(start, zone).After(last.start):
		return begun(start, *last)
	}
	last.startDay, last.start, last.startBy = start, begin(start, zone), v.KnownAt
	return last
}

// words are what a snapshot says, by name.
func words(v version) map[string]string {
	p := v.Record.Person
	out := map[string]string{"employee_number": p.EmployeeNumber, "given_name": p.GivenName, "family_name": p.FamilyName, "display_name": p.DisplayName,
		"email": p.Email, "phone": p.Phone, "title": p.Title, "department": p.Department, "company": p.Company, "cost_centre": p.CostCentre,
		"location": p.Location, "manager": p.Manager, "worker_type": p.WorkerType, "start_date": p.StartDate, "end_date": p.EndDate, "timezone": p.Timezone}
	for name, value := range p.Attributes {
		out["attributes."+name] = value
	}
	maps.DeleteFunc(out, func(_, value string) bool { return value == "" })
	return out
}

// begin is the first instant at which the calendar of the zone shows that day, or the instant itself.
func begin(when string, zone *time.Location) time.Time {
	if len(when) != len(time.DateOnly) {
		return end(when, zone)
	}
	day, err := time.Parse(time.DateOnly, when)
	if err != nil {
		return time.Time{}
	}
	for t := day.Add(-27 * time.Hour); ; t = t.Add(time.Hour) { // zones are at most 26 hours apart
		if t.In(zone).Format(time.DateOnly) < when {
			continue
		}
		for t.Add(-time.Minute).In(zone).Format(time.DateOnly) >= when {
			t = t.Add(-time.Minute)
		}
		return t
	}
}

// end is the first instant after that day, or the instant itself.
func end(when string, zone *time.Location) time.Time {
	if day, err := time.Parse(time.DateOnly, when); err == nil {
		return begin(day.AddDate(0, 0, 1).Format(time.DateOnly), zone)
	}
	t, err := time.Parse(time.RFC3339Nano, when)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

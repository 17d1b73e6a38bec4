// Package reference is the specification of the fold, written as plainly as it can be: from all facts about a person and
// a moment it works out, from scratch and with lists and maps, who that person is. Package lifecycle must agree.
//
// It shares nothing with lifecycle but the types of events, not even the calendar; it keeps nothing between calls, and
// is slow. It does not know of events, timers, bounded memory, parked facts, merges and splits. Tests and benchmarks use
// it; no service does. Safe for concurrent use.
//
//	person := reference.Fold(facts, now) // nil: nobody is known
package reference

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/event"
)

// Fold is the person at a moment as far as the facts tell.
func Fold(facts []event.Fact, now time.Time) *event.Person {
	var jobs []job
	var holds, lifts []hold
	var profiles []map[string]string
	for _, f := range feeds(facts) {
		told := f.read()
		holds, lifts = append(holds, told.holds...), append(lifts, told.lifts...)
		if f.authority == "employment" {
			jobs = append(jobs, told.jobs...)
		} else if says, ok := told.jobs.profileAt(now); ok {
			profiles = append(profiles, says)
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	slices.SortFunc(jobs, func(a, b job) int { return byWeight(a, b, now) })
	main := jobs[0]
	p := event.Person{ID: facts[0].IdentityID, Profile: main.profile(now, profiles), Status: main.status(now), Start: main.start, End: main.end,
		Emergency: held(holds, lifts, jobs, now)}
	for _, j := range jobs[1:] {
		if s := j.status(now); s == event.StatusActive || s == event.StatusLeave {
			p.Spells = append(p.Spells, event.Spell{ID: j.id, Profile: j.profile(now, profiles), Status: s, Start: j.start, End: j.end})
		}
	}
	slices.SortFunc(p.Spells, func(a, b event.Spell) int { return cmp.Compare(a.ID, b.ID) })
	return &p
}

// job is one employment.
type job struct {
	id                         string
	zone                       *time.Location
	startDay                   string
	start, end                 time.Time
	contract, terminated       time.Time
	contractBy, byTermination  time.Time // known
	startBy, endBy, announced  time.Time // known
	contractDay                string
	termination                string // the fact that said it
	reversed                   bool   // an end was taken back, and none said since
	rescinded                  bool
	rescindedAt                time.Time // known
	before                     *job      // whose place it takes, the day it ends
	statements                 []statement
	leaves                     []leave
	workerType, number, tzName string // as last given
}

// statement is what a snapshot says, and from when.
type statement struct {
	from    time.Time // zero: always
	says    map[string]string
	instead map[string]string // of a plan: what held when it was made; only the difference counts
}

type leave struct {
	from time.Time
	on   bool
}

type hold struct{ from, known time.Time }

// status: an end beats all, then what is to come, then leave.
func (j job) status(now time.Time) event.Status {
	switch {
	case !j.happens(), !j.end.IsZero() && !now.Before(j.end):
		return event.StatusEnded
	case now.Before(j.start):
		return event.StatusPrehire
	case j.onLeave(now):
		return event.StatusLeave
	}
	return event.StatusActive
}

func (j job) onLeave(now time.Time) bool {
	on := j.before != nil && j.before.onLeave(now)
	for _, l := range j.leaves { // sorted
		if !l.from.After(now) {
			on = l.on
		}
	}
	return on
}

// says is what holds of the person in the job; before its first day, as it will be on that day.
func (j job) says(now time.Time) map[string]string {
	if now.Before(j.start) {
		now = j.start
	}
	return at(j.statements, now)
}

func at(statements []statement, now time.Time) map[string]string {
	says := map[string]string{}
	for i, s := range statements { // sorted
		switch {
		case i > 0 && s.from.After(now):
			return says
		case s.instead == nil:
			says = s.says
		default:
			says = after(says, s.instead, s.says)
		}
	}
	return says
}

// after is says with what differs between one and other changed.
func after(says, one, other map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range says {
		out[name] = value
	}
	for _, m := range []map[string]string{one, other} {
		for name := range m {
			if one[name] == other[name] {
				continue
			}
			if delete(out, name); other[name] != "" {
				out[name] = other[name]
			}
		}
	}
	return out
}

func (j job) profile(now time.Time, profiles []map[string]string) event.Profile {
	out := map[string]string{}
	for _, says := range append([]map[string]string{j.says(now)}, profiles...) {
		for name, value := range says {
			if out[name] == "" {
				out[name] = value
			}
		}
	}
	out["start_date"], out["timezone"], out["end_date"] = j.start.In(j.zone).Format(time.DateOnly), j.zone.String(), ""
	if !j.end.IsZero() {
		out["end_date"] = j.end.Add(-1).In(j.zone).Format(time.DateOnly)
	}
	p := event.Profile{EmployeeNumber: out["employee_number"], GivenName: out["given_name"], FamilyName: out["family_name"], DisplayName: out["display_name"],
		Email: out["email"], Phone: out["phone"], Title: out["title"], Department: out["department"], Company: out["company"], CostCentre: out["cost_centre"],
		Location: out["location"], Manager: out["manager"], WorkerType: out["worker_type"], StartDate: out["start_date"], EndDate: out["end_date"], Timezone: out["timezone"]}
	for name, value := range out {
		if own, ok := strings.CutPrefix(name, "attributes."); ok {
			if p.Attributes == nil {
				p.Attributes = map[string]string{}
			}
			p.Attributes[own] = value
		}
	}
	return p
}

// byWeight puts the job that counts first.
func byWeight(a, b job, now time.Time) int {
	weight := func(j job) int {
		if !j.happens() {
			return 4
		}
		return map[event.Status]int{event.StatusActive: 0, event.StatusLeave: 1, event.StatusPrehire: 2, event.StatusEnded: 3}[j.status(now)]
	}
	if weight(a) == 3 && weight(b) == 3 {
		return cmp.Or(b.end.Compare(a.end), cmp.Compare(a.id, b.id))
	}
	return cmp.Or(weight(a)-weight(b), a.start.Compare(b.start), cmp.Compare(a.id, b.id))
}

// held says whether an emergency stands: in effect, not lifted since, and the person not out of all jobs since.
func held(holds, lifts []hold, jobs []job, now time.Time) bool {
	for _, h := range holds {
		since := h.from
		if h.known.After(since) {
			since = h.known
		}
		lifted := slices.ContainsFunc(lifts, func(l hold) bool { return l.known.After(since) })
		if !h.from.After(now) && !lifted && !outOfAll(jobs, since, now) {
			return true
		}
	}
	return false
}

func outOfAll(jobs []job, since, now time.Time) bool {
	for _, j := range jobs {
		var out time.Time // since when, and known
		switch {
		case j.rescinded:
			out = j.rescindedAt
		case !j.happens():
			out = j.endBy
		case !j.end.IsZero() && !j.end.After(now):
			if out = j.end; j.endBy.After(out) {
				out = j.endBy
			}
		default:
			continue
		}
		employed := slices.ContainsFunc(jobs, func(o job) bool {
			return !o.rescinded && !o.start.After(out) && (o.end.IsZero() || o.end.After(out))
		})
		expected := slices.ContainsFunc(jobs, func(o job) bool { return o.happens() && o.start.After(out) && !o.announced.After(out) })
		if !out.Before(since) && !employed && !expected {
			return true
		}
	}
	return false
}

// said is when the job ends by what was said of it: the earlier of contract and termination.
func (j *job) said() time.Time {
	if !j.terminated.IsZero() && (j.contract.IsZero() || !j.terminated.After(j.contract)) {
		return j.terminated
	}
	return j.contract
}

// happens says whether there is a day on which the job is held.
func (j *job) happens() bool {
	return !j.rescinded && (j.said().IsZero() || j.said().After(j.start))
}

// close works out when the jobs of one worker end. There is one at a time: the next one ends those before it.
func (j jobs) closed() {
	for i := range j {
		j[i].end, j[i].endBy = j[i].said(), j[i].contractBy
		if j[i].end.Equal(j[i].terminated) {
			j[i].endBy = j[i].byTermination
		}
		for _, next := range j[i+1:] {
			if next.happens() && (j[i].end.IsZero() || next.start.Before(j[i].end)) {
				j[i].end, j[i].endBy = next.start, next.startBy
			}
		}
	}
	for i := range j {
		for k := range i {
			if j[k].happens() && j[k].end.Equal(j[i].start) {
				j[i].before = &j[k]
			}
		}
	}
}

func name(source, key string, n int) string { return fmt.Sprintf("%s/%s/%d", source, key, n) }

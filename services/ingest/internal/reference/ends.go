package reference

import (
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// word takes a record that is not a snapshot.
func (t *told) word(v version, zone *time.Location) {
	last := &t.jobs[len(t.jobs)-1]
	switch v.Record.Kind {
	case event.Terminate, event.CorrectTermination:
		for i := range t.jobs {
			if t.endedBy(i, v, zone) {
				defer t.jobs[i].terminate(v, zone) // once all are known
			}
		}
	case event.ReverseTermination:
		t.takeBack(v, zone)
	case event.Rescind:
		last.rescinded, last.rescindedAt = true, v.KnownAt
	case event.Suspend, event.Resume:
		t.jobs[t.ofTheDay(v, zone)].leave(v, zone)
	}
}

// early takes what was said before the job was known.
func (j *job) early(v version, zone *time.Location) {
	switch v.Record.Kind {
	case event.Terminate, event.CorrectTermination:
		j.terminate(v, zone)
	case event.ReverseTermination:
		j.terminated = time.Time{}
	case event.Suspend, event.Resume:
		j.leave(v, zone)
	}
}

// ofTheDay is the last job begun when the day of the record is over; if there is none, the last one.
func (t *told) ofTheDay(v version, zone *time.Location) int {
	n := len(t.jobs) - 1
	for i := range t.jobs {
		if t.jobs[i].start.Before(v.until(zone)) {
			n = i
		}
	}
	return n
}

// endedBy says whether a termination ends job i: it is the job of the day, or one that the termination before ended, or, if
// there was none, one planned to begin some other time than right after the end. What is over is not brought back while
// another job is to come.
func (t *told) endedBy(i int, v version, zone *time.Location) bool {
	day, spoken := t.ofTheDay(v, zone), t.spokenOf(v, zone)
	if slices.Contains(spoken, i) {
		return true
	}
	if i == day {
		e := t.endOf(i)
		return i == len(t.jobs)-1 || e.IsZero() || e.After(v.position) || !v.until(zone).After(e)
	}
	return len(spoken) == 0 && i > day && t.jobs[i].start.After(v.position) && !t.jobs[i].start.Equal(v.until(zone))
}

// spokenOf are the jobs that the last termination ended, if the record can be about that: nobody has begun another job
// since, and what the record says is not about a later day or job.
func (t *told) spokenOf(v version, zone *time.Location) (out []int) {
	terminated := -1
	for i, j := range t.jobs {
		if !j.terminated.IsZero() {
			terminated = i
		}
	}
	if terminated < 0 {
		return nil
	}
	for _, j := range t.jobs[terminated+1:] {
		if !j.rescinded && !j.start.After(v.position) {
			return nil
		}
	}
	kind, e := v.Record.Kind, t.endOf(terminated)
	over := !e.IsZero() && !e.After(v.position)
	if kind != event.ReverseTermination && t.ofTheDay(v, zone) > terminated || kind == event.Terminate && over && terminated < len(t.jobs)-1 {
		return nil
	}
	for i, j := range t.jobs {
		if !j.terminated.IsZero() && j.termination == t.jobs[terminated].termination {
			out = append(out, i)
		}
	}
	return out
}

// endOf is when job i ends as far as it is told by now.
func (t *told) endOf(i int) time.Time {
	all := slices.Clone(t.jobs)
	all.closed()
	return all[i].end
}

// takeBack takes back a rescission, else a termination, else the end of a contract; nothing if that was done already.
func (t *told) takeBack(v version, zone *time.Location) {
	if last := &t.jobs[len(t.jobs)-1]; last.rescinded {
		last.rescinded, last.reversed = false, true
		return
	}
	spoken := t.spokenOf(v, zone)
	for _, i := range spoken {
		j := &t.jobs[i]
		if j.saidTwice(zone) {
			j.contract, j.contractDay = time.Time{}, ""
		}
		j.terminated, j.reversed = time.Time{}, true
	}
	n := t.ofTheDay(v, zone)
	over := !t.endOf(n).IsZero() && !t.endOf(n).After(v.position)
	if len(spoken) == 0 && (over || !t.jobs[n].reversed) {
		t.jobs[n].contract, t.jobs[n].contractDay = time.Time{}, ""
	}
}

func (j *job) terminate(v version, zone *time.Location) {
	if j.saidTwice(zone) {
		j.contract, j.contractDay = time.Time{}, ""
	}
	j.terminated, j.byTermination, j.termination, j.reversed = v.until(zone), v.KnownAt, v.ID, false
}

// saidTwice says whether termination and contract name the same last day.
func (j *job) saidTwice(zone *time.Location) bool {
	return !j.terminated.IsZero() && j.terminated.Add(-1).In(zone).Format(time.DateOnly) == j.contractDay
}

// leave puts a leave, or a return, at its place. The same said again before it has come moves it, unless the other stands
// between.
func (j *job) leave(v version, zone *time.Location) {
	l := leave{v.rank(zone), v.Record.Kind == event.Suspend}
	earlier := slices.DeleteFunc(slices.Clone(j.leaves), func(o leave) bool { return o.from.After(l.from) })
	later := slices.DeleteFunc(slices.Clone(j.leaves), func(o leave) bool { return !o.from.After(l.from) })
	moved := func(o leave) bool { return o.on == l.on && o.from.After(v.position) }
	for len(earlier) > 0 && moved(earlier[len(earlier)-1]) {
		earlier = earlier[:len(earlier)-1]
	}
	for len(later) > 0 && moved(later[0]) {
		later = later[1:]
	}
	j.leaves = slices.Concat(earlier, []leave{l}, later)
}

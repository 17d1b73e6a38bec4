package lifecycle

import (
	"slices"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// ending is when access of a spell ends, and why. The zero time: it is open.
type ending struct {
	at        time.Time
	by        origin
	contract  bool
	succeeded bool // by the next spell, and nothing ends before that
}

func (e ending) after(t time.Time) bool { return e.at.IsZero() || e.at.After(t) }

// ends is when what was said of the spell itself ends it.
func (sp *spell) ends(zone *time.Location) ending {
	var e ending
	if at := sp.Contract.At; at != "" && !at.IsNever() {
		e = ending{at: at.End(zone), by: sp.Contract.By, contract: true}
	}
	if at := sp.Termination.At; at != "" && !at.IsNever() {
		if t := at.End(zone); e.at.IsZero() || !t.After(e.at) {
			e = ending{at: t, by: sp.Termination.By}
		}
	}
	return e
}

// end is when spell i ends: a worker has one employment at a time, so it is over where the next one begins.
func (t *track) end(i int, zone *time.Location) ending {
	e := t.Spells[i].ends(zone)
	for j := i + 1; j < len(t.Spells); j++ {
		next := &t.Spells[j]
		if begins := next.Start.At.Begin(zone); next.runs(zone) && (e.at.IsZero() || begins.Before(e.at)) {
			e = ending{begins, next.Start.By, true, true}
		}
	}
	return e
}

// runs says whether the spell ever does.
func (sp *spell) runs(zone *time.Location) bool {
	e := sp.ends(zone).at
	return sp.Void == origin{} && (e.IsZero() || e.After(sp.Start.At.Begin(zone)))
}

// oneEnd says whether the same last day was said in both ways.
func (sp *spell) oneEnd(zone *time.Location) bool {
	return sp.Termination.At != "" && calendar.Day(sp.Termination.At.End(zone).Add(-time.Nanosecond), zone) == sp.Contract.At
}

// last is the spell begun last; of a worker without any, what is said of the one to come.
func (w *walker) last() *spell {
	if len(w.Spells) == 0 {
		return &w.Early
	}
	return &w.Spells[len(w.Spells)-1]
}

// on is the spell that a word about a day speaks of: the last one begun by the end of it, else the last.
func (w *walker) on(n fact) int {
	at := n.moment().End(w.zone)
	for i := range slices.Backward(w.Spells) {
		if w.Spells[i].Start.At.Begin(w.zone).Before(at) {
			return i
		}
	}
	return len(w.Spells) - 1
}

// terminate ends the employment of the day. Said first, it ends those planned too: a plan of before does not bring back
// who is dismissed. But what begins where the end is comes of it, as a conversion does. Said again, it moves the end.
func (w *walker) terminate(n fact) {
	if len(w.Spells) == 0 {
		w.Early.terminate(n, w.zone)
		return
	}
	day, end := w.on(n), n.moment().End(w.zone)
	ended := w.terminated(n)
	if len(ended) == 0 {
		for i := day + 1; i < len(w.Spells); i++ {
			if begins := w.Spells[i].Start.At.Begin(w.zone); begins.UnixMilli() > n.position && !begins.Equal(end) {
				ended = append(ended, i)
			}
		}
	}
	revives := w.overBy(n, day) && end.After(w.end(day, w.zone).at)
	if !revives || day == len(w.Spells)-1 {
		ended = append(ended, day)
	}
	for _, i := range ended {
		w.Spells[i].terminate(n, w.zone)
	}
}

func (sp *spell) terminate(n fact, zone *time.Location) {
	if sp.oneEnd(zone) {
		sp.Contract = dated{}
	}
	sp.Termination, sp.Reversed = dated{n.moment(), n.origin()}, false
}

// overBy says whether spell i was over when n was said.
func (w *walker) overBy(n fact, i int) bool {
	e := w.end(i, w.zone).at
	return !e.IsZero() && e.UnixMilli() <= n.position
}

// terminated are the spells ended by the termination said last, unless another spell has begun since: what corrects it or
// takes it back speaks of them. So does another termination, unless they were over and there is another to be ended.
func (w *walker) terminated(n fact) (out []int) {
	newest := len(w.Spells) - 1
	for ; newest >= 0 && w.Spells[newest].Termination.At == ""; newest-- {
		sp := &w.Spells[newest]
		if (sp.Void == origin{}) && sp.Start.At.Begin(w.zone).UnixMilli() <= n.position {
			return nil
		}
	}
	switch {
	case newest < 0:
		return nil
	case n.Kind == event.ReverseTermination:
	case w.on(n) > newest, n.Kind == event.Terminate && w.overBy(n, newest) && newest < len(w.Spells)-1:
		return nil
	}
	for i := range w.Spells {
		if w.Spells[i].Termination.By == w.Spells[newest].Termination.By {
			out = append(out, i)
		}
	}
	return out
}

// reverse takes back the newest reason why employment does not go on: a rescission, a termination, else the end of the
// contract. Said twice, there is nothing left to take back.
func (w *walker) reverse(n fact) {
	last := w.last()
	if (last.Void != origin{}) {
		last.Void, last.Reversed = origin{}, true
		return
	}
	if len(w.Spells) == 0 {
		w.Early.Termination = dated{}
		return
	}
	if terminated := w.terminated(n); len(terminated) > 0 {
		for _, i := range terminated {
			sp := &w.Spells[i]
			if sp.oneEnd(w.zone) {
				sp.Contract = dated{}
			}
			sp.Termination, sp.Reversed = dated{}, true
		}
		return
	}
	if i := w.on(n); !w.Spells[i].Reversed || w.overBy(n, i) {
		w.Spells[i].Contract = dated{}
	}
}

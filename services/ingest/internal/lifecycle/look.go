package lifecycle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// employment is the authority of sources that may hire and end.
const employment = "employment"

// tracked is what the facts of a feed come to.
type tracked struct {
	track
	source, key, authority string
	zone                   *time.Location
}

// phase is where a spell stands, the one that counts first.
type phase int

const (
	live phase = iota
	onLeave
	ahead
	over
	void
)

// standing is a spell at a moment.
type standing struct {
	*spell
	id     string // of the feed and the spell in it
	source string
	zone   *time.Location
	start  time.Time
	end    ending
	phase  phase
	leave  origin // why it is on leave, or back
	top    slice
}

// view is the person at a moment.
type view struct {
	at      int64
	spells  []standing // the one that counts first; none: no one is known
	shown   []string   // facts whose snapshot holds, of every spell and every other source
	says    sayings    // of all sources
	held    bool       // an emergency hold stands
	heldBy  origin
	heldSrc string
}

// known says whether there is anybody.
func (v view) known() bool { return len(v.spells) > 0 }

// spell is the one that counts.
func (v view) spell() standing { return v.spells[0] }

func (v view) status() event.Status {
	switch v.spell().phase {
	case live:
		return event.StatusActive
	case onLeave:
		return event.StatusLeave
	case ahead:
		return event.StatusPrehire
	}
	return event.StatusEnded
}

// find returns the spell of that id.
func (v view) find(id string) (standing, bool) {
	for _, s := range v.spells {
		if s.id == id {
			return s, true
		}
	}
	return standing{}, false
}

// tracks folds all feeds.
func (m Model) tracks(s State) []tracked {
	out := make([]tracked, len(s.Feeds))
	for i := range s.Feeds {
		f := &s.Feeds[i]
		zone := m.zones.Zone(f.zoneName())
		out[i] = tracked{f.walk(zone), f.Source, f.Key, f.Authority, zone}
	}
	return out
}

// look is the person at the moment now, Unix milliseconds.
func look(tracks []tracked, now int64) view {
	v := view{at: now}
	for _, t := range tracks {
		if t.authority != employment {
			continue
		}
		for i := range t.Spells {
			s := t.standing(i, now)
			v.spells, v.shown = append(v.spells, s), append(v.shown, s.top.By.Fact)
		}
	}
	if !v.known() {
		return v
	}
	slices.SortFunc(v.spells, byWeight)
	v.hold(tracks)
	v.say(tracks)
	return v
}

func (t tracked) standing(i int, now int64) standing {
	sp := &t.Spells[i]
	s := standing{spell: sp, id: fmt.Sprintf("%s/%s/%d", t.source, t.key, i), source: t.source, zone: t.zone,
		start: sp.Start.At.Begin(t.zone), end: sp.end(t.zone)}
	away, by := sp.onLeave(now)
	s.leave = by
	switch {
	case sp.Void != origin{}:
		s.phase = void
	case !s.end.at.IsZero() && s.end.at.UnixMilli() <= now:
		s.phase = over
	case s.start.UnixMilli() > now:
		s.phase = ahead
	case away:
		s.phase = onLeave
	}
	s.top, _ = sp.top(max(now, s.start.UnixMilli()))
	return s
}

// byWeight puts the spell that counts first: the live before the absent, coming, ended and rescinded; of those alike
// the one begun first, of ended ones the one ended last.
func byWeight(a, b standing) int {
	if a.phase == over && b.phase == over {
		return cmp.Or(b.end.at.Compare(a.end.at), cmp.Compare(a.id, b.id))
	}
	return cmp.Or(cmp.Compare(a.phase, b.phase), a.start.Compare(b.start), cmp.Compare(a.id, b.id))
}

// say folds the attributes: the spell that counts, then profile sources by name where it is silent.
func (v *view) say(tracks []tracked) {
	s := v.spell()
	v.says = sayings{}
	v.says.fill(s.top.Says)
	for _, t := range tracks {
		if t.authority == employment || len(t.Spells) == 0 {
			continue
		}
		if top, ok := t.Spells[0].top(v.at); ok && top.Rank <= v.at {
			v.says.fill(top.Says)
			v.shown = append(v.shown, top.By.Fact)
		}
	}
	v.says[startDate] = string(calendar.Day(s.start, s.zone))
	v.says[timezone] = s.zone.String()
	delete(v.says, endDate)
	if !s.end.at.IsZero() {
		v.says[endDate] = string(calendar.Day(s.end.at.Add(-time.Nanosecond), s.zone))
	}
}

// hold finds an emergency that stands: taken effect, and not made moot by an end of employment that came into force
// after it.
func (v *view) hold(tracks []tracked) {
	for _, t := range tracks {
		for _, h := range t.Holds {
			from := h.At.Begin(t.zone).UnixMilli()
			if from <= v.at && !v.moot(max(from, h.By.Known)) {
				v.held, v.heldBy, v.heldSrc = true, h.By, t.source
			}
		}
	}
}

// moot says whether the person was out of employment at some time after since.
func (v *view) moot(since int64) bool {
	for _, s := range v.spells {
		var inForce int64
		switch s.phase {
		case over:
			inForce = max(s.end.at.UnixMilli(), s.end.by.Known)
		case void:
			inForce = s.Void.Known
		default:
			continue
		}
		if inForce >= since && !v.employedAt(inForce) {
			return true
		}
	}
	return false
}

func (v *view) employedAt(t int64) bool {
	return slices.ContainsFunc(v.spells, func(s standing) bool {
		return s.phase != void && s.start.UnixMilli() <= t && (s.end.at.IsZero() || s.end.at.UnixMilli() > t)
	})
}

// person is what others see.
func (v view) person(id event.IdentityID) *event.Person {
	if !v.known() {
		return nil
	}
	s := v.spell()
	return &event.Person{ID: id, Profile: v.says.profile(), Status: v.status(), Start: s.start.UTC(), End: s.end.at, Emergency: v.held}
}

// entry is the public part.
func (v view) entry(id event.IdentityID) *event.DirectoryEntry {
	if !v.known() {
		return nil
	}
	p := v.says.profile()
	name := p.DisplayName
	if name == "" {
		name = strings.TrimSpace(p.GivenName + " " + p.FamilyName)
	}
	return &event.DirectoryEntry{IdentityID: id, EmployeeNumber: p.EmployeeNumber, Email: p.Email, DisplayName: name,
		Department: p.Department, Manager: p.Manager, Status: v.status()}
}

// milestone is a moment at which the person may come to differ, and the fact behind it.
type milestone struct {
	at     int64
	by     origin
	source string
}

// milestones are the moments in (after, until], in order. Until 0 means for ever.
func milestones(tracks []tracked, after, until int64) []milestone {
	var out []milestone
	for _, t := range tracks {
		add := func(at int64, by origin) {
			if at > after && (until == 0 || at <= until) {
				out = append(out, milestone{at, by, t.source})
			}
		}
		for i := range t.Spells {
			sp := &t.Spells[i]
			if (sp.Void == origin{} && sp.Start.At != "") {
				add(sp.Start.At.Begin(t.zone).UnixMilli(), sp.Start.By)
				if e := sp.end(t.zone); !e.at.IsZero() {
					add(e.at.UnixMilli(), e.by)
				}
			}
			for _, s := range sp.Slices {
				add(s.Rank, s.By)
			}
			for _, l := range sp.Leaves {
				add(l.Rank, l.By)
			}
		}
		for _, h := range t.Holds {
			add(h.At.Begin(t.zone).UnixMilli(), h.By)
		}
	}
	slices.SortStableFunc(out, func(a, b milestone) int { return cmp.Compare(a.at, b.at) })
	return out
}

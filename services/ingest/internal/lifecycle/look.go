package lifecycle

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// employing is the authority of sources that may hire and end.
const employing = "employment"

// signal is the authority of sources that only contain and report.
const signal = "signal"

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
	void   origin // why there never was or will be a day of it
	top    slice
}

// view is the person at a moment.
type view struct {
	at      int64
	tracks  []tracked
	spells  []standing   // the one that counts first; none: no one is known
	others  []employment // that go on beside it, by id
	shown   []string     // facts whose snapshot holds, of every spell and every other source
	says    *sayings     // of all sources
	held    bool         // an emergency hold stands
	heldBy  origin
	heldSrc string
	lifted  origin // why none does any more
}

// employment is a spell as others see it.
type employment struct {
	id         string
	says       *sayings
	status     event.Status
	start, end time.Time
}

// known says whether there is anybody.
func (v view) known() bool { return len(v.spells) > 0 }

// spell is the one that counts.
func (v view) spell() standing { return v.spells[0] }

func (v view) status() event.Status { return v.spell().phase.status() }

func (p phase) status() event.Status {
	switch p {
	case live:
		return event.StatusActive
	case onLeave:
		return event.StatusLeave
	case ahead:
		return event.StatusPrehire
	}
	return event.StatusEnded
}

// goingOn says whether what a fact says is what holds in an employment that goes on, or in the one that counts.
func (v view) goingOn(fact string) bool {
	return slices.ContainsFunc(v.spells, func(s standing) bool {
		return s.top.By.Fact == fact && (s.id == v.spell().id || s.phase <= onLeave)
	})
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
	v := view{at: now, tracks: tracks, says: silence}
	for _, t := range tracks {
		if t.authority != employing {
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
	v.accompany(tracks)
	return v
}

// meanwhile is the person between an employment that has ended and one that is to come.
func (v view) meanwhile() view {
	v.spells = slices.DeleteFunc(slices.Clone(v.spells), func(s standing) bool { return s.phase == ahead })
	v.says = v.told(v.spell(), v.tracks)
	return v
}

func (t tracked) standing(i int, now int64) standing {
	sp := &t.Spells[i]
	s := standing{spell: sp, id: t.source + "/" + t.key + "/" + strconv.Itoa(i), source: t.source, zone: t.zone,
		start: sp.Start.At.Begin(t.zone), end: t.end(i, t.zone)}
	away, by := t.onLeave(i, now, t.zone)
	s.leave = by
	switch {
	case sp.Void != origin{}:
		s.phase, s.void = void, sp.Void
	case !sp.runs(t.zone): // ended before it could begin
		s.phase, s.void = void, s.end.by
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

// say folds the attributes of the spell that counts.
func (v *view) say(tracks []tracked) {
	v.says = v.told(v.spell(), tracks)
	for _, t := range tracks {
		if top, ok := t.profile(v.at); ok {
			v.shown = append(v.shown, top.By.Fact)
		}
	}
}

// told is what is said of the person in a spell: by its own source, then by profile sources by name where that is silent.
func (v *view) told(s standing, tracks []tracked) *sayings {
	says := s.top.Says.copy()
	for _, t := range tracks {
		if top, ok := t.profile(v.at); ok {
			says.fill(top.Says)
		}
	}
	says.field[startDate] = string(calendar.Day(s.start, s.zone))
	says.field[timezone] = s.zone.String()
	says.field[endDate] = ""
	if !s.end.at.IsZero() {
		says.field[endDate] = string(calendar.Day(s.end.at.Add(-time.Nanosecond), s.zone))
	}
	return says
}

// profile is what a source that may not hire says at the moment now.
func (t tracked) profile(now int64) (slice, bool) {
	if t.authority == employing || len(t.Spells) == 0 {
		return slice{}, false
	}
	top, ok := t.Spells[0].top(now)
	return top, ok && top.Rank <= now
}

// accompany lists the other employments: access is the union over what goes on.
func (v *view) accompany(tracks []tracked) {
	for _, s := range v.spells[1:] {
		if s.phase == live || s.phase == onLeave {
			v.others = append(v.others, employment{s.id, v.told(s, tracks), s.phase.status(), s.start.UTC(), s.end.at})
		}
	}
	slices.SortFunc(v.others, func(a, b employment) int { return cmp.Compare(a.id, b.id) })
}

func sameEmployments(a, b []employment) bool {
	return slices.EqualFunc(a, b, func(a, b employment) bool {
		d := a.says.to(b.says)
		return a.id == b.id && a.status == b.status && a.start.Equal(b.start) && a.end.Equal(b.end) && d.mask == 0 && len(d.extra) == 0
	})
}

// hold finds an emergency that stands: taken effect, and since then neither lifted nor made moot by an end of employment.
func (v *view) hold(tracks []tracked) {
	for _, t := range tracks {
		for _, h := range t.Holds {
			from := h.At.Begin(t.zone).UnixMilli()
			inForce := max(from, h.By.Known)
			if lift, ok := liftedSince(tracks, inForce); ok {
				v.lifted = lift
			} else if from <= v.at && !v.moot(inForce) {
				v.held, v.heldBy, v.heldSrc = true, h.By, t.source
			}
		}
	}
}

// liftedSince finds the word of two people that ends a hold in force since then.
func liftedSince(tracks []tracked, inForce int64) (origin, bool) {
	for _, t := range tracks {
		for _, l := range t.Lifts {
			if l.By.Known > inForce { // at the same moment the alarm counts
				return l.By, true
			}
		}
	}
	return origin{}, false
}

// moot says whether the person was out of employment at some time after since, and was not to come back: a plan of before
// brings back nobody who is held.
func (v *view) moot(since int64) bool {
	for _, s := range v.spells {
		var inForce int64
		switch s.phase {
		case over:
			inForce = max(s.end.at.UnixMilli(), s.end.by.Known)
		case void:
			inForce = s.void.Known
		default:
			continue
		}
		if inForce >= since && !v.employedAt(inForce) && !v.expectedAt(inForce) {
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

// expectedAt says whether an employment to come was known of.
func (v *view) expectedAt(t int64) bool {
	return slices.ContainsFunc(v.spells, func(s standing) bool {
		return s.Announced <= t && s.start.UnixMilli() > t && s.runs(s.zone)
	})
}

// person is what others see.
func (v view) person(id event.IdentityID) *event.Person {
	if !v.known() {
		return nil
	}
	s := v.spell()
	p := &event.Person{ID: id, Profile: v.says.profile(), Status: v.status(), Start: s.start.UTC(), End: s.end.at, Emergency: v.held}
	for _, e := range v.others {
		p.Spells = append(p.Spells, event.Spell{ID: e.id, Profile: e.says.profile(), Status: e.status, Start: e.start, End: e.end})
	}
	return p
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
	e := &event.DirectoryEntry{IdentityID: id, EmployeeNumber: p.EmployeeNumber, Email: p.Email, DisplayName: name,
		Department: p.Department, Manager: p.Manager, Status: v.status(), Likeness: p.Likeness(), Held: v.held}
	for _, s := range v.spells {
		says := s.top.Says
		for _, alias := range [...]string{says.field[employeeNumber], says.field[email]} {
			if alias != "" && alias != e.EmployeeNumber && alias != e.Email {
				e.Aliases = append(e.Aliases, alias)
			}
		}
		e.Workers = append(e.Workers, s.id[:strings.LastIndexByte(s.id, '/')])
	}
	for _, list := range []*[]string{&e.Aliases, &e.Workers} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return e
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
				if e := t.end(i, t.zone); !e.at.IsZero() {
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

package lifecycle

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// Model decides. It belongs to one goroutine.
type Model struct{ zones *calendar.Zones }

// New returns a model that finds time zones in zones.
func New(zones *calendar.Zones) Model { return Model{zones} }

// Decision is what follows from a fact or from time.
type Decision struct {
	State   State
	Events  []*event.IdentityEvent
	Forward []event.Fact          // for other identities
	Entry   *event.DirectoryEntry // nil: as it was
	Next    time.Time             // when Due is to be called; zero: never
}

// Reasons of transitions that change nothing: a closed set.
const (
	reasonSeen         = "seen"           // duplicate_ignored: this very record was taken before
	reasonUnchanged    = "unchanged"      // duplicate_ignored: a new record that says what is known
	reasonSuperseded   = "superseded"     // stale_ignored: something newer holds; history is completed
	reasonHistory      = "before_history" // stale_ignored: older than the facts that are kept
	reasonOtherSpell   = "other_spell"    // stale_ignored: it speaks of an employment that does not count now
	reasonNoEmployment = "no_employment"  // stale_ignored: there is no employment it could speak of
	reasonMoot         = "moot"           // emergency_lifted: there is no employment left that it holds
	correlated         = "correlated"     // exception.resolved: how
	byPerson           = "person"         // likewise
)

// Decide takes a fact. recordID names the record that carries it; event ids derive from it. An error means that the fact
// can never be taken.
func (m Model) Decide(s State, f event.Fact, recordID string, now time.Time) (Decision, error) {
	d := m.begin(s, f.IdentityID, recordID, now)
	before := d.advance()
	if to, ok := d.state.elsewhere(f); ok {
		d.sendOn(f, to)
		return d.finish(before), nil
	}
	if moves(f.Record.Kind) && f.Parked == "" {
		return d.move(f, before)
	}
	if f.Record.Kind == event.Observation {
		d.observe(f, before)
		return d.finish(before), nil
	}
	return d.fact(f, before), nil
}

// fact takes what a source said of a worker of this person.
func (d *deciding) fact(f event.Fact, before view) Decision {
	feed := d.state.feed(f)
	kept := newFact(f)
	switch {
	case feed.seen(f.ID):
		d.ignore(event.DuplicateIgnored, reasonSeen, f)
		return d.finish(before)
	case feed.base.covers(kept) && !feed.base.lacks(kept, d.model.zones.Zone(feed.zoneName())):
		d.resolve(f)
		d.ignore(event.StaleIgnored, reasonHistory, f)
		return d.finish(before)
	case f.Parked != "":
		feed.insert(kept)
		d.quarantine(f)
		return d.finish(before)
	}
	d.resolve(f)
	feed.insert(kept)
	d.tracks = d.model.tracks(d.state)
	after := look(d.tracks, d.state.At)
	zone := d.model.zones.Zone(feed.zoneName())
	changes := classify(before, after, cause{kept.origin(), feed.Source, effect(kept, zone), f.Record.Kind, false})
	switch {
	case kept.Kind == event.Absent:
		d.suspect(f, after)
	case len(changes) == 0:
		d.silent(f, feed, after)
	}
	d.emit(changes, before)
	return d.finish(after)
}

// Due looks again because a time has come.
func (m Model) Due(s State, id event.IdentityID, recordID string, now time.Time) Decision {
	d := m.begin(s, id, recordID, now)
	return d.finish(d.advance())
}

// effect is when a fact takes effect: an end at the end of its day, all else at the beginning.
func effect(f fact, zone *time.Location) time.Time {
	if f.Kind == event.Terminate || f.Kind == event.CorrectTermination {
		return f.moment().End(zone)
	}
	return f.moment().Begin(zone)
}

// deciding is a decision in the making.
type deciding struct {
	model   Model
	id      event.IdentityID
	record  string
	now     time.Time
	state   State
	tracks  []tracked
	start   view // as others know the person
	events  []*event.IdentityEvent
	forward []event.Fact
}

func (m Model) begin(s State, id event.IdentityID, recordID string, now time.Time) *deciding {
	s.Feeds = slices.Clone(s.Feeds)
	tracks := m.tracks(s)
	return &deciding{model: m, id: id, record: recordID, now: now.UTC(), state: s, tracks: tracks, start: look(tracks, s.At)}
}

// advance moves the look on to now, from one moment that matters to the next, and names what time alone has changed: a look
// that comes late tells what looks in time would have.
func (d *deciding) advance() view {
	now := max(d.now.UnixMilli(), d.state.At)
	due := milestones(d.tracks, d.state.At, now)
	d.state.At = now
	before := d.start
	for i, m := range due {
		if !before.known() || i+1 < len(due) && due[i+1].at == m.at {
			continue
		}
		after := look(d.tracks, m.at)
		d.emit(classify(before, after, cause{by: m.by, source: m.source, at: time.UnixMilli(m.at).UTC(), timer: true}), before)
		before = after
	}
	return look(d.tracks, now)
}

func (d *deciding) finish(v view) Decision {
	out := Decision{Events: d.events, Forward: d.forward}
	if entry := v.entry(d.id); entry != nil {
		if before := d.start.entry(d.id); before == nil || !reflect.DeepEqual(before, entry) {
			out.Entry = entry
		}
	}
	if next := milestones(d.tracks, d.state.At, 0); len(next) > 0 && v.known() {
		out.Next = time.UnixMilli(next[0].at).UTC()
	}
	for i := range d.state.Feeds {
		f := &d.state.Feeds[i]
		f.compact(d.model.zones.Zone(f.zoneName()), d.state.At)
	}
	out.State = d.state
	return out
}

func (d *deciding) emit(changes []change, before view) {
	for _, c := range changes {
		e := d.event(c.kind, c.source, c.by.Fact)
		e.Reason, e.EffectiveAt, e.KnownAt = c.by.Reason, c.at.UTC(), time.UnixMilli(c.by.Known).UTC()
		e.Person, e.Before, e.Changed = c.person.person(d.id), before.person(d.id), c.changed
		e.Message = message(c.kind, c.person)
		d.events = append(d.events, e)
		before = c.person
	}
}

func (d *deciding) event(kind event.Kind, source, causation string) *event.IdentityEvent {
	return &event.IdentityEvent{Meta: event.Meta{
		EventID: event.EventID(event.DeriveID("e", len(d.events), d.record, string(d.id))), Kind: kind, IdentityID: d.id,
		CausationID: causation, Source: source, Actor: "ingest", OccurredAt: d.now}}
}

// about is a transition that concerns the record rather than the person.
func (d *deciding) about(kind event.Kind, f event.Fact) *event.IdentityEvent {
	e := d.event(kind, f.Record.Source, f.ID)
	e.EffectiveAt, e.KnownAt = effect(newFact(f), d.model.zones.Zone(f.Timezone)), f.KnownAt.UTC()
	d.events = append(d.events, e)
	return e
}

func (d *deciding) ignore(kind event.Kind, reason string, f event.Fact) {
	e := d.about(kind, f)
	e.Outcome, e.Reason = "ignored", reason
	e.Message = fmt.Sprintf("A record of kind %s changes nothing.", f.Record.Kind)
}

// silent names why a fact that was taken changes nothing now. What it changes later is named when it does.
func (d *deciding) silent(f event.Fact, feed *Feed, after view) {
	fact := func(id string) func(milestone) bool { return func(m milestone) bool { return m.by.Fact == id } }
	newest := feed.facts[len(feed.facts)-1].ID == f.ID
	isUpsert := f.Record.Kind == event.Upsert
	switch {
	case !after.known():
		d.ignore(event.StaleIgnored, reasonNoEmployment, f)
	case slices.ContainsFunc(milestones(d.tracks, d.state.At, 0), fact(f.ID)):
	case !newest || isUpsert && !slices.Contains(after.shown, f.ID):
		d.ignore(event.StaleIgnored, reasonSuperseded, f)
	case isUpsert && feed.Authority == employing && !after.goingOn(f.ID):
		d.ignore(event.StaleIgnored, reasonOtherSpell, f)
	default:
		d.ignore(event.DuplicateIgnored, reasonUnchanged, f)
	}
}

func (d *deciding) suspect(f event.Fact, v view) {
	e := d.about(event.SuspectAbsence, f)
	e.Reason, e.Person = f.Record.Reason, v.person(d.id)
	e.Message = "The worker is missing from a full snapshot of the source; nobody is ended by that."
}

// observe puts a signal on record; the state keeps nothing of it.
func (d *deciding) observe(f event.Fact, v view) {
	e := d.about(event.SignalObserved, f)
	e.Outcome, e.Reason = "observed", f.Record.Reason
	if v.known() {
		e.Person = v.person(d.id)
	}
	e.Message = "A source told of a signal from which nothing follows."
}

// exception names what a person may have to look at while a record waits.
func exception(f event.Fact) event.Exception {
	return event.Exception{ExceptionID: event.DeriveID("x", 0, f.ID), Class: "quarantined"}
}

func (d *deciding) quarantine(f event.Fact) {
	for _, kind := range []event.Kind{event.Quarantined, event.ExceptionOpened} {
		e := d.about(kind, f)
		e.Exception = exception(f)
		e.OpenedAt = f.KnownAt.UTC()
		e.Outcome, e.Reason = "quarantined", f.Parked
		e.Message = "Nobody with the keys of this record is known yet; it waits and is applied once somebody is."
		if len(f.Candidates) > 0 {
			e.Candidates, e.Message = f.Candidates, "This may be somebody known, though no key says so; it waits until a person says whose it is."
		}
	}
}

// resolve closes the exception of a record that waited.
func (d *deciding) resolve(f event.Fact) {
	if f.ParkedAt.IsZero() {
		return
	}
	e := d.about(event.ExceptionResolved, f)
	e.Exception = exception(f)
	e.OpenedAt, e.Resolution = f.ParkedAt.UTC(), correlated
	e.Outcome, e.Reason = "resolved", correlated
	e.Message = "Somebody with the keys of this record is known now; it is applied."
	if f.Actor != "" {
		e.Actor, e.Resolution, e.Reason = string(f.Actor), byPerson, byPerson
		e.Message = "A person said whose record this is; it is applied."
		if f.Why != "" {
			e.Message = "A person said whose record this is: " + f.Why
		}
	}
}

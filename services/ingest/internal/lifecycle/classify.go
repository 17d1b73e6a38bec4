package lifecycle

import (
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// cause is what made the person differ: a fact, or a moment that came.
type cause struct {
	by     origin
	source string
	at     time.Time // when it takes effect
	kind   event.RecordKind
	timer  bool
}

// change is one transition of the person.
type change struct {
	kind    event.Kind
	at      time.Time // when it holds
	by      origin
	source  string
	changed []string
	person  view // as it left them
}

// differ compares two views of one person. What the transitions of the employment explain is taken out of rest;
// what is left is named last.
//
//	before \ after  prehire            active, leave      ended
//	nobody          hire               hire               hire, then as from active
//	prehire         -                  started            termination, contract_ended, hire_rescinded
//	active, leave   (termination,      leave_started,     termination, contract_ended, hire_rescinded
//	                rehire)            leave_ended
//	ended           rehire, hire; or, if it turns out to go on, as it ended: termination_reversed,
//	                termination_corrected, contract_end_changed, conversion
type differ struct {
	before, after view
	cause         cause
	rest          []string // changed attributes not yet explained
	out           []change
}

// classify names what differs between before and after. Nothing differs: no changes.
func classify(before, after view, c cause) []change {
	if !after.known() {
		return nil
	}
	d := &differ{before: before, after: after, cause: c, rest: differing(before, after)}
	if after.held && !before.held {
		d.emergency()
	}
	if !before.known() {
		d.joined(event.Hire)
		return d.out
	}
	d.employment()
	d.attributes()
	if before.held && !after.held {
		d.lifted()
	}
	return d.out
}

// differing are the attributes that differ; dates do too when only the hour of the day does.
func differing(before, after view) []string {
	names := differences(before.says, after.says)
	if !before.known() {
		return names
	}
	was, is := before.spell(), after.spell()
	if !was.start.Equal(is.start) {
		names = append(names, startDate.String())
	}
	if !was.end.at.Equal(is.end.at) {
		names = append(names, endDate.String())
	}
	if !sameEmployments(before.others, after.others) {
		names = append(names, spells)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// spells is the name of what differs when another employment does.
const spells = "spells"

func (d *differ) employment() {
	was, is := d.before.status(), d.after.status()
	same := d.before.spell().id == d.after.spell().id
	switch {
	case is == event.StatusEnded && was != event.StatusEnded:
		d.left()
	case was == event.StatusEnded && is != event.StatusEnded && (d.revived() || d.converted()),
		was == event.StatusPrehire && isLive(d.after) && d.revived():
		d.returned()
	case was == event.StatusEnded && is != event.StatusEnded:
		d.joined(d.joining())
	case is == event.StatusPrehire && was != event.StatusPrehire && d.gone():
		d.left()
		d.out[len(d.out)-1].person = d.after.meanwhile()
		d.joined(d.joining())
	case was == event.StatusPrehire && is != event.StatusPrehire && is != event.StatusEnded:
		d.started()
		d.endMoved(same)
	case same && d.after.spell().phase == void && d.before.spell().phase != void:
		d.left()
	default:
		d.endMoved(same)
		d.leave(was, is)
	}
}

// emit adds a transition that is due to the cause, and explains these attributes by it.
func (d *differ) emit(kind event.Kind, at time.Time, explains ...string) {
	d.emitBy(kind, at, d.cause.by, d.cause.source, explains...)
}

// emitBy is emit for what a timer made happen: the fact behind it is then the one that set the date.
func (d *differ) emitBy(kind event.Kind, at time.Time, by origin, source string, explains ...string) {
	if !d.cause.timer {
		by, source = d.cause.by, d.cause.source
	}
	var changed []string
	for _, name := range explains {
		if i, found := slices.BinarySearch(d.rest, name); found {
			changed = append(changed, name)
			d.rest = slices.Delete(d.rest, i, i+1)
		}
	}
	d.out = append(d.out, change{kind, at, by, source, changed, d.after})
}

// emergency names the record that called for the hold, whatever made it stand.
func (d *differ) emergency() {
	d.out = append(d.out, change{kind: event.EmergencyTermination, at: d.cause.at, by: d.after.heldBy, source: d.after.heldSrc, person: d.after})
}

// lifted names why the hold stands no more, unless the end that made it moot has been named.
func (d *differ) lifted() {
	c := d.cause
	lifted := change{kind: event.EmergencyLifted, at: c.at, by: c.by, source: c.source, person: d.after}
	switch {
	case c.kind == event.EmergencyLift:
		d.out = append(d.out, lifted)
	case !slices.ContainsFunc(d.out, isEnd):
		lifted.by.Reason = reasonMoot
		d.out = append(d.out, lifted)
	}
}

func isEnd(c change) bool {
	return c.kind == event.Termination || c.kind == event.ContractEnded || c.kind == event.HireRescinded
}

// joined is a hire or a rehire. What is over by the time we learn of it is named too.
func (d *differ) joined(kind event.Kind) {
	s := d.after.spell()
	d.emitBy(kind, s.start, s.Start.By, s.source, slices.Clone(d.rest)...)
	switch s.phase {
	case over, void:
		d.left()
	case onLeave:
		d.emitBy(event.LeaveStarted, d.cause.at, s.leave, s.source)
	}
}

// joining is rehire if the person worked here before.
func (d *differ) joining() event.Kind {
	new := d.after.spell()
	for _, s := range d.after.spells {
		if s.id != new.id && s.phase == over && s.start.Before(new.start) && s.start.Before(s.end.at) {
			return event.Rehire
		}
	}
	return event.Hire
}

func (d *differ) started() {
	s := d.after.spell()
	d.emitBy(event.Started, s.start, s.Start.By, s.source, startDate.String())
	if s.phase == onLeave {
		d.emitBy(event.LeaveStarted, d.cause.at, s.leave, s.source)
	}
}

// left is the end of the employment that counted.
func (d *differ) left() {
	s := d.after.spell()
	if d.before.known() {
		if ended, ok := d.after.find(d.before.spell().id); ok {
			s = ended
		}
	}
	switch {
	case s.phase == void:
		d.emitBy(event.HireRescinded, d.now(), s.void, s.source, slices.Clone(d.rest)...)
	case s.end.contract && !isEmployee(s):
		d.emitBy(event.ContractEnded, s.end.at, s.end.by, s.source, endDate.String(), spells)
	default:
		d.emitBy(event.Termination, s.end.at, s.end.by, s.source, endDate.String(), spells)
	}
}

// gone says whether the spell that had counted is over now.
func (d *differ) gone() bool {
	is, ok := d.after.find(d.before.spell().id)
	return ok && is.phase >= over
}

// revived says whether the spell that counts had ended, or had been withdrawn.
func (d *differ) revived() bool {
	was, ok := d.before.find(d.after.spell().id)
	return ok && was.phase >= over
}

// converted says whether the end that was told turns out to be a conversion: the spell that counts begins there, and is of
// another type.
func (d *differ) converted() bool {
	was, ok := d.after.find(d.before.spell().id)
	return ok && was.phase == over && was.end.at.Equal(d.after.spell().start) && slices.Contains(d.rest, workerType.String())
}

// returned is the employment that had ended going on.
func (d *differ) returned() {
	is := d.after.spell()
	was, ok := d.before.find(is.id)
	if !ok {
		was = d.before.spell()
	}
	switch {
	case was.phase == void:
		d.joined(d.joining())
	case slices.Contains(d.rest, workerType.String()):
		at := d.cause.at
		if was.id != is.id {
			at = is.start
		}
		d.emit(event.Conversion, at, slices.Clone(d.rest)...)
	case d.cause.kind == event.ReverseTermination:
		d.emit(event.TerminationReversed, d.cause.at, endDate.String())
	case was.end.contract && !isEmployee(was):
		d.emit(event.ContractEndChanged, d.now(), endDate.String())
	default:
		d.emit(event.TerminationCorrected, d.now(), endDate.String())
	}
}

// endMoved is another end of the same spell, while the person stays as they are.
func (d *differ) endMoved(same bool) {
	was, is := d.before.spell(), d.after.spell()
	if !same || was.end.at.Equal(is.end.at) {
		return
	}
	wasContract := was.end.at.IsZero() || was.end.contract
	isContract := is.end.at.IsZero() || is.end.contract
	switch {
	case wasContract && isContract && (!isEmployee(is) || was.end.succeeded || is.end.succeeded):
		d.emit(event.ContractEndChanged, d.now(), endDate.String())
	case is.end.at.IsZero(), !wasContract && isContract:
		d.emit(event.TerminationReversed, d.now(), endDate.String())
	case was.end.at.IsZero(), wasContract && !isContract:
		d.emit(event.TerminationScheduled, is.end.at, endDate.String())
	default:
		d.emit(event.TerminationCorrected, d.now(), endDate.String())
	}
}

func (d *differ) leave(was, is event.Status) {
	s := d.after.spell()
	switch {
	case was == event.StatusActive && is == event.StatusLeave:
		d.emitBy(event.LeaveStarted, d.cause.at, s.leave, s.source)
	case was == event.StatusLeave && is == event.StatusActive:
		d.emitBy(event.LeaveEnded, d.cause.at, s.leave, s.source)
	}
}

// attributes names what else differs.
func (d *differ) attributes() {
	if len(d.rest) == 0 {
		return
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(d.rest, n) })
	}
	kind := event.ProfileChange
	switch {
	case has(workerType.String()) && isLive(d.before) && isLive(d.after):
		kind = event.Conversion
	case has(company.String(), location.String(), title.String(), costCentre.String(), manager.String(), spells):
		kind = event.Transfer
	case has(department.String()):
		kind = event.DepartmentChange
	}
	d.emit(kind, d.now(), slices.Clone(d.rest)...)
}

// now is when what a fact about another date changes at once takes effect: not later than it is known.
func (d *differ) now() time.Time {
	known := time.UnixMilli(d.cause.by.Known).UTC()
	if d.cause.at.After(known) && !d.cause.timer {
		return known
	}
	return d.cause.at
}

func isEmployee(s standing) bool {
	t := s.top.Says.field[workerType]
	return t == "" || t == "employee"
}

func isLive(v view) bool { return v.spell().phase <= onLeave }

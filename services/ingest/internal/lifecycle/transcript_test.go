package lifecycle_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/transcript"
	"joinery.internal/services/ingest/internal/calendar"
	"joinery.internal/services/ingest/internal/lifecycle"
)

// A transcript is prose, then lines of a play; all times are those of the person's zone:
//
//	zone Europe/Prague                       default of the sources
//	at 2026-02-16 09:00                      what time it is now; what falls due on the way happens on the way
//	hr: upsert #1 start_date=2026-03-02      a record of the source hr, of its sequence 1
//	  recorded= effective= key= id= reason=  say the rest; recorded is now unless said
//	  who=bo                                 the fact is found to be that person's; nobody named: ann's
//	hr: merge key=7 other=8 who=bo into=ann  worker 8, who is bo so far, is ann
//
// The sources named hr... hire and end, crm... set attributes, soc... signal. What follows is indented.
func TestTheTranscriptsOfEveryCaseHold(t *testing.T) {
	t.Parallel()
	transcript.Run(t, func(t *testing.T, text string) string {
		p := &play{t: t, model: lifecycle.New(calendar.NewZones()), people: map[event.IdentityID]*one{}}
		for line := range strings.Lines(text) {
			p.line(strings.TrimRight(line, "\n"))
		}
		return p.out.String()
	})
}

type play struct {
	t      *testing.T
	model  lifecycle.Model
	people map[event.IdentityID]*one
	zone   *time.Location
	now    time.Time
	said   int
	out    strings.Builder
}

// one is a person of the play.
type one struct {
	id    event.IdentityID
	state lifecycle.State
	due   time.Time
}

func (p *play) one(id event.IdentityID) *one {
	if p.people[id] == nil {
		p.people[id] = &one{id: id}
	}
	return p.people[id]
}

// next is for whom something falls due first.
func (p *play) next() *one {
	var first *one
	for _, id := range slices.Sorted(maps.Keys(p.people)) {
		if o := p.people[id]; !o.due.IsZero() && (first == nil || o.due.Before(first.due)) {
			first = o
		}
	}
	return first
}

func (p *play) line(line string) {
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case strings.HasPrefix(line, "  "):
		return // what followed the last time
	case word == "zone":
		p.zone = calendar.NewZones().Zone(rest)
	case word == "at":
		fmt.Fprintln(&p.out, line)
		p.wait(rest)
		return
	case strings.HasSuffix(word, ":"):
		fmt.Fprintln(&p.out, line)
		p.says(strings.TrimSuffix(word, ":"), strings.Fields(rest))
		return
	}
	fmt.Fprintln(&p.out, line)
}

func (p *play) time(text string) time.Time {
	at, err := time.ParseInLocation("2006-01-02 15:04", strings.Replace(text, "T", " ", 1), p.zone)
	if err != nil {
		p.t.Fatalf("%q is not a time: %v", text, err)
	}
	return at
}

func (p *play) wait(text string) {
	to := p.time(text)
	for o := p.next(); o != nil && !o.due.After(to); o = p.next() {
		p.now = o.due
		p.keep(o, p.model.Due(o.state, o.id, "tick/"+p.now.String(), p.now))
	}
	p.now = to
}

func (p *play) says(source string, words []string) {
	p.said++
	r := event.SourceRecord{ID: strconv.Itoa(p.said), Source: source, SourceKey: "7", RecordedAt: p.now, Kind: event.RecordKind(words[0])}
	f := event.Fact{IdentityID: "ann", Authority: authority(source), Timezone: p.zone.String(), KnownAt: p.now}
	values := map[string]string{}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case strings.HasPrefix(name, "#"):
			n, err := strconv.ParseInt(name[1:], 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			r.Sequence = &n
		case name == "recorded":
			r.RecordedAt = p.time(value)
		case name == "effective":
			r.EffectiveAt = value
		case name == "reason":
			r.Reason = value
		case name == "key":
			r.SourceKey = value
		case name == "id":
			r.ID = value
		case name == "who":
			f.IdentityID = event.IdentityID(value)
		case name == "other":
			r.RelatedKey = value
		case name == "into":
			f.Related = event.IdentityID(value)
		case name == "parked":
			f.Parked = value
		case name == "may_be":
			f.Candidates = []event.IdentityID{event.IdentityID(value)}
		case name == "actor":
			f.Actor = event.IdentityID(value)
		case name == "waited_since":
			f.ParkedAt = p.time(value)
		default:
			values[name] = value
		}
	}
	if r.Kind == event.Upsert {
		r.Person = person(p.t, values)
	}
	f.ID, f.Record = event.DeriveID("f", 0, source, r.ID), r
	p.decide(f)
}

func (p *play) decide(f event.Fact) {
	o := p.one(f.IdentityID)
	d, err := p.model.Decide(o.state, f, fmt.Sprintf("facts/0/%d/%s", p.said, f.ID), p.now)
	if err != nil {
		p.t.Fatal(err)
	}
	p.keep(o, d)
	for _, sent := range d.Forward {
		p.decide(sent)
	}
}

func authority(source string) string {
	switch {
	case strings.HasPrefix(source, "hr"):
		return "employment"
	case strings.HasPrefix(source, "soc"), source == event.OwnSource:
		return "signal"
	}
	return "profile"
}

func person(t *testing.T, values map[string]string) *event.Profile {
	b, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	var profile event.Profile
	if err := json.Unmarshal(b, &profile); err != nil {
		t.Fatal(err)
	}
	return &profile
}

// keep stores the decision as the changelog would, and writes down what was decided.
func (p *play) keep(o *one, d lifecycle.Decision) {
	b, err := d.State.AppendBinary(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	o.state = lifecycle.State{}
	if err := o.state.UnmarshalBinary(b); err != nil {
		p.t.Fatal(err)
	}
	o.due = d.Next
	for _, e := range d.Events {
		if err := e.Valid(); err != nil {
			p.t.Fatal(err)
		}
		p.show(e)
	}
	if d.Entry != nil {
		status := string(d.Entry.Status)
		if d.Entry.Held {
			status += ", held"
		}
		fmt.Fprintf(&p.out, "  %s directory%s: %s %s\n", p.at(p.now), named(o.id), status, strings.TrimSpace(d.Entry.DisplayName+" "+d.Entry.Department))
	}
	if d.Events == nil && d.Entry == nil && d.Forward == nil {
		fmt.Fprintf(&p.out, "  %s nothing yet\n", p.at(p.now))
	}
}

// named says of whom a line is, unless it is of ann.
func named(id event.IdentityID) string {
	if id == "ann" {
		return ""
	}
	return " of " + string(id)
}

func (p *play) at(t time.Time) string { return t.In(p.zone).Format("2006-01-02 15:04 MST") }

func (p *play) show(e *event.IdentityEvent) {
	fmt.Fprintf(&p.out, "  %s %s%s", p.at(e.OccurredAt), e.Kind, named(e.IdentityID))
	if e.Person != nil {
		fmt.Fprintf(&p.out, ", %s", e.Person.Status)
		if !e.Person.End.IsZero() {
			fmt.Fprintf(&p.out, " until %s", p.at(e.Person.End))
		}
		if e.Person.Emergency {
			fmt.Fprint(&p.out, ", EMERGENCY")
		}
		for _, other := range e.Person.Spells {
			fmt.Fprintf(&p.out, ", also %s at %s", other.Status, strings.TrimSpace(other.Company+" "+other.Department))
		}
		if e.Person.MergedInto != "" {
			fmt.Fprintf(&p.out, ", is %s", e.Person.MergedInto)
		}
	}
	fmt.Fprintf(&p.out, ", holds from %s", p.at(e.EffectiveAt))
	if e.Reason != "" {
		fmt.Fprintf(&p.out, ", reason %s", e.Reason)
	}
	for _, id := range e.Candidates {
		fmt.Fprintf(&p.out, ", may be %s", id)
	}
	if len(e.Changed) > 0 {
		fmt.Fprintf(&p.out, ", changed %s", strings.Join(e.Changed, " "))
	}
	fmt.Fprintln(&p.out)
}

// rows are those of the table in which it is specified what each case must do, and the transcripts that play them: every
// file whose name begins so. The rows without one are not decided here.
var rows = []struct{ row, files string }{
	{"hire, dated ahead", "hire_dated_"},
	{"start moved", "start_moved_"},
	{"no-show, rescinded", "no_show_"},
	{"transfer, department change", "transfer_"},
	{"back within grace", "transfer_and_back"},
	{"privilege change", "privilege_change_"},
	{"profile change (name, mail)", "profile_"},
	{"manager change", "manager_change"},
	{"leave, return", "leave_"},
	{"contractor", "contractor_"},
	{"end date moved", "end_date_"},
	{"contractor becomes employee", "contractor_becomes_"},
	{"termination, dated ahead", "termination_dated_ahead"},
	{"termination, past", "termination_past"},
	{"termination corrected", "termination_corrected"},
	{"termination reversed", "termination_reversed"},
	{"emergency", "emergency"},
	{"rehire, same number", "rehire_same_number"},
	{"rehire, new number", "rehire_new_number"},
	{"two jobs", "two_jobs"},
	{"merge, split", "merge_"},
	{"manager or approver leaves", ""},                       // approval
	{"owner of roles, targets, service accounts leaves", ""}, // policy-resolver
	{"legal hold", ""},                                       // policy-resolver
	{"duplicate, replay, full re-emission", "duplicate_replay_"},
	{"poison", ""}, // app: poison_test.go
	{"unknown correlation", "unknown_correlation"},
	{"reorganisation", ""}, // policy-resolver, provisioner
	{"order: late, early, out of order", "order_"},
	{"time zones, daylight saving, leap days", "calendar_"},
}

func TestEveryRowOfTheTableIsPlayed(t *testing.T) {
	t.Parallel()
	played := map[string]bool{}
	for _, r := range rows {
		files, err := filepath.Glob("testdata/" + r.files + "*.txt")
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no transcript testdata/%s*.txt", r.row, r.files)
		}
		for _, file := range files {
			played[file] = played[file] || r.files != ""
		}
	}
	for file, named := range played {
		if !named {
			t.Errorf("%s is named after no row", file)
		}
	}
}

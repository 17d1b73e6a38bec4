package lifecycle_test

import (
	"encoding/json"
	"fmt"
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
//
// The sources named hr... hire and end, crm... set attributes, soc... signal. What follows is indented.
func TestTheTranscriptsOfEveryCaseHold(t *testing.T) {
	t.Parallel()
	transcript.Run(t, func(t *testing.T, text string) string {
		p := &play{t: t, model: lifecycle.New(calendar.NewZones())}
		for line := range strings.Lines(text) {
			p.line(strings.TrimRight(line, "\n"))
		}
		return p.out.String()
	})
}

type play struct {
	t     *testing.T
	model lifecycle.Model
	state lifecycle.State
	zone  *time.Location
	now   time.Time
	due   time.Time
	said  int
	out   strings.Builder
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
	for !p.due.IsZero() && !p.due.After(to) {
		p.now = p.due
		p.keep(p.model.Due(p.state, "p-1", "tick/"+p.now.String(), p.now))
	}
	p.now = to
}

func (p *play) says(source string, words []string) {
	p.said++
	r := event.SourceRecord{ID: strconv.Itoa(p.said), Source: source, SourceKey: "7", RecordedAt: p.now, Kind: event.RecordKind(words[0])}
	f := event.Fact{IdentityID: "p-1", Authority: authority(source), Timezone: p.zone.String(), KnownAt: p.now}
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
		case name == "parked":
			f.Parked = value
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
	d, err := p.model.Decide(p.state, f, fmt.Sprintf("facts/0/%d", p.said), p.now)
	if err != nil {
		p.t.Fatal(err)
	}
	p.keep(d)
}

func authority(source string) string {
	switch {
	case strings.HasPrefix(source, "hr"):
		return "employment"
	case strings.HasPrefix(source, "soc"):
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
func (p *play) keep(d lifecycle.Decision) {
	b, err := d.State.AppendBinary(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.state = lifecycle.State{}
	if err := p.state.UnmarshalBinary(b); err != nil {
		p.t.Fatal(err)
	}
	p.due = d.Next
	for _, e := range d.Events {
		if err := e.Valid(); err != nil {
			p.t.Fatal(err)
		}
		p.show(e)
	}
	if d.Entry != nil {
		fmt.Fprintf(&p.out, "  %s directory: %s %s\n", p.at(p.now), d.Entry.Status, strings.TrimSpace(d.Entry.DisplayName+" "+d.Entry.Department))
	}
	if d.Events == nil && d.Entry == nil {
		fmt.Fprintf(&p.out, "  %s nothing yet\n", p.at(p.now))
	}
}

func (p *play) at(t time.Time) string { return t.In(p.zone).Format("2006-01-02 15:04 MST") }

func (p *play) show(e *event.IdentityEvent) {
	fmt.Fprintf(&p.out, "  %s %s", p.at(e.OccurredAt), e.Kind)
	if e.Person != nil {
		fmt.Fprintf(&p.out, ", %s", e.Person.Status)
		if !e.Person.End.IsZero() {
			fmt.Fprintf(&p.out, " until %s", p.at(e.Person.End))
		}
		if e.Person.Emergency {
			fmt.Fprint(&p.out, ", EMERGENCY")
		}
	}
	fmt.Fprintf(&p.out, ", holds from %s", p.at(e.EffectiveAt))
	if e.Reason != "" {
		fmt.Fprintf(&p.out, ", reason %s", e.Reason)
	}
	if len(e.Changed) > 0 {
		fmt.Fprintf(&p.out, ", changed %s", strings.Join(e.Changed, " "))
	}
	fmt.Fprintln(&p.out)
}

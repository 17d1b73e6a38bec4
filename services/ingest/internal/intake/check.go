package intake

import (
	"fmt"
	"strings"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// Source is what intake knows of a source.
type Source struct {
	Name      string
	Authority Authority
	Timezone  string   // of workers without one
	Correlate []string // strong keys, in order: EmployeeNumber, Email
}

// Authority says what a source's records may do.
type Authority string

// The authorities, and what they may send.
const (
	Employment Authority = "employment" // everything
	Profile    Authority = "profile"    // attributes
	Signal     Authority = "signal"     // emergencies and observations
)

// Fault is why a record can never be taken as it is. It names places, never what stands there.
type Fault struct {
	Class string // key, invalid
	Text  string
}

func (f *Fault) Error() string { return f.Text }

func fault(class, format string, args ...any) error {
	return &Fault{Class: class, Text: fmt.Sprintf(format, args...)}
}

// Limits of what one record may hold; state grows with it.
const (
	maxText       = 1024 // bytes of a field
	maxAttributes = 64
)

// Checker checks records. It belongs to one goroutine.
type Checker struct {
	sources map[string]Source
	zones   *calendar.Zones
}

// NewChecker knows these sources.
func NewChecker(sources []Source, zones *calendar.Zones) *Checker {
	c := &Checker{sources: map[string]Source{}, zones: zones}
	for _, s := range sources {
		c.sources[s.Name] = s
	}
	return c
}

// Check returns the source of a record, or a Fault.
func (c *Checker) Check(key string, r event.SourceRecord) (Source, error) {
	switch {
	case r.Source == "" || r.SourceKey == "":
		return Source{}, fault("invalid", "source or source_key is empty; both name the worker")
	case r.Source == event.OwnSource:
		return Source{}, fault("invalid", "source: %s is the pipeline's own name; no source has it", event.OwnSource)
	case key != r.Source+"/"+r.SourceKey:
		return Source{}, fault("key", "the record key is not source/source_key; key the record so, or records of one worker lose their order")
	}
	src, ok := c.sources[r.Source]
	if !ok {
		return Source{}, fault("invalid", "source: there is no such source; add sources/%s.yaml or correct the name", printable(r.Source))
	}
	if err := c.kind(src, r); err != nil {
		return Source{}, err
	}
	if err := c.record(r); err != nil {
		return Source{}, err
	}
	return src, nil
}

// printable keeps a name from outside out of harm's way in messages.
func printable(name string) string {
	if len(name) > 64 {
		name = name[:64] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '/' {
			return '_'
		}
		return r
	}, name)
}

func (c *Checker) kind(src Source, r event.SourceRecord) error {
	switch r.Kind {
	case event.Upsert:
		if src.Authority == Signal {
			return refused(src, r.Kind)
		}
		if r.Person == nil {
			return fault("invalid", "person: an upsert is the worker as of effective_at; it needs one")
		}
	case event.Terminate, event.CorrectTermination, event.ReverseTermination, event.Rescind, event.Suspend, event.Resume:
		if src.Authority != Employment {
			return refused(src, r.Kind)
		}
	case event.Emergency:
		if src.Authority == Profile {
			return refused(src, r.Kind)
		}
	case event.Absent, event.Observation:
	case event.Merge, event.SplitOff:
		switch {
		case src.Authority != Employment:
			return refused(src, r.Kind)
		case r.RelatedKey == "" || r.RelatedKey == r.SourceKey:
			return fault("invalid", "related_key: %s is about two workers of the source; name the other one", r.Kind)
		}
	case event.EmergencyLift:
		return fault("invalid", "kind: no source lifts an emergency; two people do, see `joinery emergency lift`")
	default:
		return fault("invalid", "kind: none of upsert, terminate, correct_termination, reverse_termination, rescind, suspend, resume, absent, observation, emergency, merge, split")
	}
	return nil
}

func refused(src Source, kind event.RecordKind) error {
	return fault("invalid", "kind: a source with authority %s may not send %s; see spec.authority of the source %s", src.Authority, kind, src.Name)
}

func (c *Checker) record(r event.SourceRecord) error {
	switch {
	case r.ID == "":
		return fault("invalid", "id is empty; it is what makes taking a record twice harmless")
	case len(r.ID) > maxText || len(r.SourceKey) > maxText || len(r.Reason) > maxText || len(r.RelatedKey) > maxText:
		return fault("invalid", "id, source_key, related_key and reason may have at most %d bytes", maxText)
	case r.RecordedAt.IsZero() || r.RecordedAt.Year() < 1900 || r.RecordedAt.Year() > calendar.Never:
		return fault("invalid", "recorded_at: it is when the source knew it, and may not be missing")
	}
	if r.EffectiveAt != "" {
		if err := calendar.Moment(r.EffectiveAt).Valid(); err != nil {
			return fault("invalid", "effective_at: %v", err)
		}
	}
	if r.Person == nil {
		return nil
	}
	return c.person(*r.Person)
}

func (c *Checker) person(p event.Profile) error {
	for _, d := range []struct{ place, text string }{{"start_date", p.StartDate}, {"end_date", p.EndDate}} {
		if d.text == "" {
			continue
		}
		if err := calendar.Moment(d.text).ValidDate(); err != nil {
			return fault("invalid", "person.%s: %v", d.place, err)
		}
	}
	if p.Timezone != "" {
		if _, err := c.zones.Find(p.Timezone); err != nil {
			return fault("invalid", "person.timezone: %v", err)
		}
	}
	for _, t := range texts(&p) {
		if len(*t) > maxText {
			return fault("invalid", "person: a field has more than %d bytes", maxText)
		}
	}
	if len(p.Attributes) > maxAttributes {
		return fault("invalid", "person.attributes: more than %d", maxAttributes)
	}
	for name, value := range p.Attributes {
		if name == "" || len(name)+len(value) > maxText {
			return fault("invalid", "person.attributes: a name is empty, or an attribute has more than %d bytes", maxText)
		}
	}
	return nil
}

func texts(p *event.Profile) []*string {
	return []*string{&p.EmployeeNumber, &p.GivenName, &p.FamilyName, &p.DisplayName, &p.Email, &p.Phone, &p.Title,
		&p.Department, &p.Company, &p.CostCentre, &p.Location, &p.Manager, &p.WorkerType, &p.StartDate, &p.EndDate, &p.Timezone}
}

// Normalise trims what the source padded, and writes mail addresses in lower case.
func Normalise(r event.SourceRecord) event.SourceRecord {
	r.EffectiveAt, r.Reason = strings.TrimSpace(r.EffectiveAt), strings.TrimSpace(r.Reason)
	if r.Person == nil {
		return r
	}
	p := r.Person.Clone()
	for _, t := range texts(&p) {
		*t = strings.TrimSpace(*t)
	}
	p.Email = strings.ToLower(p.Email)
	r.Person = &p
	return r
}

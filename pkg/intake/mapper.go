package intake

import (
	"cmp"
	"fmt"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// Mapper makes source records of what one source sends, by the source's map.
type Mapper struct {
	bundle *policy.Bundle
	source string
}

// NewMapper returns the mapper of a source of a compiled configuration.
func NewMapper(bundle *policy.Bundle, source string) (*Mapper, error) {
	s, ok := bundle.Source(source)
	switch {
	case !ok:
		return nil, fmt.Errorf("map records: there is no source %q", source)
	case s.Map == nil:
		return nil, fmt.Errorf("map records: source %q has no map; write spec.map with source_key at least", source)
	}
	return &Mapper{bundle: bundle, source: source}, nil
}

// Source is the name of the source.
func (m *Mapper) Source() string { return m.source }

// Origin is what is known of a foreign record besides its content. Each field stands where the map says nothing.
type Origin struct {
	ID       string           // names the record: the same on every delivery, another for every other
	At       time.Time        // when the source knew it
	Sequence *int64           // see SequenceOf; nil: none
	Kind     event.RecordKind // empty: upsert
}

// Complete fills what a record lacks.
func (o Origin) Complete(r event.SourceRecord) event.SourceRecord {
	r.ID, r.Kind = cmp.Or(r.ID, o.ID), cmp.Or(r.Kind, o.Kind, event.Upsert)
	if r.Sequence == nil {
		r.Sequence = o.Sequence
	}
	if r.RecordedAt.IsZero() {
		r.RecordedAt = o.At.UTC().Truncate(time.Millisecond)
	}
	return r
}

// SequenceOf is a sequence for records of a source that numbers none: by time, and within one millisecond by number (a
// line, an offset). It goes on growing when the numbers begin anew, as they do when a topic is created again.
func SequenceOf(at time.Time, number int64) *int64 {
	n := at.UnixMilli()<<20 | number&(1<<20-1)
	return &n
}

// Map makes a source record of a foreign one: values as encoding/json gives them. The error is a Fault that names each
// field and the place of its expression.
func (m *Mapper) Map(record map[string]any, o Origin) (event.SourceRecord, error) {
	r, err := m.bundle.MapRecord(m.source, record)
	if err != nil {
		return event.SourceRecord{}, &Fault{Class: Invalid, Err: err}
	}
	out := o.Complete(event.SourceRecord{ID: r.ID, Source: m.source, SourceKey: r.SourceKey, Sequence: r.Sequence, RecordedAt: r.RecordedAt,
		EffectiveAt: r.EffectiveAt, Kind: event.RecordKind(r.Kind), Reason: r.Reason, Person: r.Person, RelatedKey: r.RelatedKey})
	if n := size(out); n > maxMapped {
		return event.SourceRecord{}, Faultf(Invalid, "the map makes a record of %d bytes, more than %d", n, maxMapped)
	}
	return out, nil
}

// maxMapped bounds the text of a source record, so that Kafka takes it. Ingest is stricter, field by field.
const maxMapped = 256 << 10

func size(r event.SourceRecord) int {
	n := len(r.ID) + len(r.SourceKey) + len(r.EffectiveAt) + len(r.Kind) + len(r.Reason) + len(r.RelatedKey)
	if r.Person == nil {
		return n
	}
	p := r.Person
	for _, s := range []string{p.EmployeeNumber, p.GivenName, p.FamilyName, p.DisplayName, p.Email, p.Phone, p.Title, p.Department, p.Company,
		p.CostCentre, p.Location, p.Manager, p.WorkerType, p.StartDate, p.EndDate, p.Timezone} {
		n += len(s)
	}
	for k, v := range p.Attributes {
		n += len(k) + len(v)
	}
	return n
}

package policy

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
)

// mapping makes a canonical record of a foreign one.
type mapping struct {
	fields     []attribute
	person     []attribute
	attributes []attribute
	hasPerson  bool
}

// Record is a foreign record in the fields of jml.source.record.v1. Empty is absent.
type Record struct {
	ID          string
	SourceKey   string
	Sequence    *int64
	RecordedAt  time.Time
	EffectiveAt string // a date or an instant
	Kind        string // empty: the mapping does not say, which means upsert
	Reason      string
	RelatedKey  string
	Person      *event.Profile // nil: the mapping has no person
}

// ErrRecord is returned for a record that a mapping cannot take.
var ErrRecord = errors.New("the record does not fit the mapping")

// FieldError is why one field of a map fails for a record.
type FieldError struct {
	Field string
	Expr  config.Expr // of the map
	Err   error
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("field %s, at %s: %v", e.Field, e.Expr.Pos(), e.Err)
}
func (e *FieldError) Unwrap() error { return e.Err }

// MapRecord makes a canonical record of a foreign one by the source's map. Every field that fails is in the error,
// with the place of its expression.
func (b *Bundle) MapRecord(source string, record map[string]any) (Record, error) {
	m, ok := b.mappings[source]
	if !ok {
		return Record{}, fmt.Errorf("map record: source %q has no map: %w", source, ErrUnknown)
	}
	act := recordActivation{recordAdapter{types.DefaultTypeAdapter}.NativeToValue(record)}
	var errs []error
	evaluate := func(list []attribute, set func(name, value string) error) {
		for _, f := range list {
			value, err := recordText(f.program, act)
			if err == nil {
				err = set(f.name, value)
			}
			if err != nil {
				errs = append(errs, &FieldError{f.name, f.program.source, err})
			}
		}
	}
	var out Record
	evaluate(m.fields, out.set)
	if m.hasPerson {
		out.Person = &event.Profile{Attributes: map[string]string{}}
		evaluate(m.person, func(name, value string) error { return setProfile(out.Person, name, value) })
		evaluate(m.attributes, func(name, value string) error {
			if value != "" {
				out.Person.Attributes[name] = value
			}
			return nil
		})
	}
	if out.SourceKey == "" && len(errs) == 0 {
		errs = append(errs, errors.New("source_key is empty"))
	}
	if len(errs) > 0 {
		return Record{}, fmt.Errorf("map record of source %s: %w: %w", source, ErrRecord, errors.Join(errs...))
	}
	return out, nil
}

type recordActivation struct{ record ref.Val }

func (a recordActivation) ResolveName(name string) (any, bool) { return a.record, name == "record" }
func (a recordActivation) Parent() cel.Activation              { return nil }

// quoted is how CEL and strconv repeat a value in an error. What a source holds of people does not belong in messages.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// recordText evaluates an expression of a map; null is absent, numbers and times are written out.
func recordText(p *program, act recordActivation) (string, error) {
	v, _, err := p.run.Eval(act)
	if err != nil {
		return "", errors.New(quoted.ReplaceAllString(err.Error(), `"…"`))
	}
	switch v := v.(type) {
	case types.String:
		return string(v), nil
	case types.Null:
		return "", nil
	case types.Double:
		if f := float64(v); f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatInt(int64(f), 10), nil
		}
		return strconv.FormatFloat(float64(v), 'g', -1, 64), nil
	case types.Bool, types.Int, types.Uint, types.Timestamp:
		return asText(v), nil
	}
	return "", fmt.Errorf("%s is no text, number, time or truth value", v.Type().TypeName())
}

func (r *Record) set(name, value string) error {
	switch name {
	case "id":
		r.ID = value
	case "source_key":
		r.SourceKey = value
	case "effective_at":
		r.EffectiveAt = value
	case "kind":
		r.Kind = value
	case "reason":
		r.Reason = value
	case "related_key":
		r.RelatedKey = value
	case "sequence":
		if value == "" {
			return nil
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return errors.New("not a whole number")
		}
		r.Sequence = &n
	case "recorded_at":
		if value == "" {
			return nil
		}
		t, err := recordedAt(value)
		if err != nil {
			return err
		}
		r.RecordedAt = t
	default:
		panic("policy: record field " + name + " of pkg/config is not known here")
	}
	return nil
}

// recordedAt reads a time, a date, or milliseconds since 1970, as `joinery produce` does.
func recordedAt(value string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, value); err == nil {
			return t.UTC(), nil
		}
	}
	ms, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return time.Time{}, errors.New("neither a time such as 2026-03-02T08:00:00Z, nor a date, nor milliseconds since 1970")
	}
	return time.UnixMilli(ms).UTC(), nil
}

func setProfile(p *event.Profile, name, value string) error {
	fields := map[string]*string{
		"employee_number": &p.EmployeeNumber, "given_name": &p.GivenName, "family_name": &p.FamilyName,
		"display_name": &p.DisplayName, "email": &p.Email, "phone": &p.Phone, "title": &p.Title,
		"department": &p.Department, "company": &p.Company, "cost_centre": &p.CostCentre, "location": &p.Location,
		"manager": &p.Manager, "worker_type": &p.WorkerType, "start_date": &p.StartDate, "end_date": &p.EndDate,
		"timezone": &p.Timezone,
	}
	field, ok := fields[name]
	if !ok {
		panic("policy: person field " + name + " of pkg/config is not known here")
	}
	*field = value
	return nil
}

// compileMapping compiles the map of a source.
func (c *compiler) compileMapping(s *config.Source) {
	if s.Map == nil {
		return
	}
	compile := func(prefix string, exprs config.Map[config.Expr]) []attribute {
		var out []attribute
		for _, e := range exprs {
			p := c.compile(e.Value, c.scopes.record, prefix+e.Key.Value, cel.StringType, cel.IntType, cel.UintType,
				cel.DoubleType, cel.BoolType, cel.TimestampType, cel.NullType)
			if p != nil {
				out = append(out, attribute{e.Key.Value, p})
			}
		}
		return out
	}
	m := &mapping{fields: compile("map.", s.Map.Fields())}
	if s.Map.Person != nil {
		m.hasPerson = true
		m.person = compile("map.person.", s.Map.Person.Fields())
		m.attributes = compile("map.person.attributes.", s.Map.Person.Attributes)
	}
	c.bundle.mappings[s.Name.Value] = m
}

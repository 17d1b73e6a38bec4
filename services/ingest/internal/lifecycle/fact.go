package lifecycle

import (
	"maps"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// fact is one thing a source said of a worker, as kept. Times are Unix milliseconds.
type fact struct {
	ID        string           `json:"i"`
	Kind      event.RecordKind `json:"t,omitempty"` // empty: upsert
	Sequence  *int64           `json:"n,omitempty"`
	Recorded  int64            `json:"r"` // never after Known: a source's clock may run ahead
	Known     int64            `json:"k"`
	Effective calendar.Moment  `json:"e,omitempty"` // empty: Recorded
	Reason    string           `json:"c,omitempty"`
	Says      sayings          `json:"p,omitempty"` // of an upsert; in JSON the difference to the upsert before

	position int64 // where in time the version order puts it: Recorded, or that of an earlier version if later
}

func newFact(f event.Fact) fact {
	r := f.Record
	known := f.KnownAt.UnixMilli()
	kept := fact{ID: f.ID, Kind: r.Kind, Sequence: r.Sequence, Known: known, Recorded: min(r.RecordedAt.UnixMilli(), known),
		Effective: calendar.Moment(r.EffectiveAt), Reason: r.Reason}
	if r.Kind == event.Upsert {
		kept.Kind, kept.Says = "", sayings{}
		if r.Person != nil {
			kept.Says = say(*r.Person)
		}
	}
	return kept
}

// moment is when f takes effect, as the source wrote it.
func (f fact) moment() calendar.Moment {
	if f.Effective == "" {
		return calendar.At(time.UnixMilli(f.Recorded))
	}
	return f.Effective
}

// rank is when what f says begins to hold among what else is said (see the package comment).
func (f fact) rank(zone *time.Location) int64 {
	effective := f.moment().Begin(zone).UnixMilli()
	if f.Sequence == nil {
		return effective
	}
	return max(effective, f.position)
}

func (f fact) origin() origin { return origin{Fact: f.ID, Reason: f.Reason, Known: f.Known} }

// origin is the fact behind something.
type origin struct {
	Fact   string `json:"i,omitempty"`
	Reason string `json:"c,omitempty"`
	Known  int64  `json:"k,omitempty"`
}

// sayings are the values of a snapshot by attribute name; what is absent is not said.
type sayings map[string]string

// Names of attributes that the rules know.
const (
	employeeNumber = "employee_number"
	department     = "department"
	workerType     = "worker_type"
	startDate      = "start_date"
	endDate        = "end_date"
	timezone       = "timezone"
	extra          = "attributes."
)

// carried attributes define a spell rather than describe the person in it: silence keeps the value last given.
var carried = [...]string{workerType, employeeNumber, timezone}

// fields of a profile by attribute name.
func fields(p *event.Profile) map[string]*string {
	return map[string]*string{
		employeeNumber: &p.EmployeeNumber, "given_name": &p.GivenName, "family_name": &p.FamilyName,
		"display_name": &p.DisplayName, "email": &p.Email, "phone": &p.Phone, "title": &p.Title,
		department: &p.Department, "company": &p.Company, "cost_centre": &p.CostCentre, "location": &p.Location,
		"manager": &p.Manager, workerType: &p.WorkerType, startDate: &p.StartDate, endDate: &p.EndDate, timezone: &p.Timezone,
	}
}

func say(p event.Profile) sayings {
	s := sayings{}
	for name, value := range fields(&p) {
		if *value != "" {
			s[name] = *value
		}
	}
	for name, value := range p.Attributes {
		if value != "" {
			s[extra+name] = value
		}
	}
	return s
}

// profile is the inverse of say.
func (s sayings) profile() event.Profile {
	var p event.Profile
	into := fields(&p)
	for name, value := range s {
		if field, ok := into[name]; ok {
			*field = value
			continue
		}
		if p.Attributes == nil {
			p.Attributes = map[string]string{}
		}
		p.Attributes[strings.TrimPrefix(name, extra)] = value
	}
	return p
}

// fill takes from other what s does not say.
func (s sayings) fill(other sayings) {
	for name, value := range other {
		if s[name] == "" {
			s[name] = value
		}
	}
}

// carry is s with the carried attributes of other where s is silent on them. Sayings never change once they are
// kept, so s itself will do when there is nothing to carry.
func (s sayings) carry(other sayings) sayings {
	out := s
	for _, name := range carried {
		if s[name] != "" || other[name] == "" {
			continue
		}
		if len(out) == len(s) {
			out = maps.Clone(s)
		}
		out[name] = other[name]
	}
	return out
}

// changedBy says whether s and other both say something of name, and not the same.
func (s sayings) changedBy(other sayings, name string) bool {
	return s[name] != "" && other[name] != "" && s[name] != other[name]
}

// to is what makes s into other; "" is no longer said.
func (s sayings) to(other sayings) sayings {
	delta := sayings{}
	for _, name := range differences(s, other) {
		delta[name] = other[name]
	}
	return delta
}

// with is s after delta.
func (s sayings) with(delta sayings) sayings {
	out := sayings{}
	maps.Copy(out, s)
	for name, value := range delta {
		if value == "" {
			delete(out, name)
			continue
		}
		out[name] = value
	}
	return out
}

// differences are the names on which a and b disagree, sorted.
func differences(a, b sayings) []string {
	differ := map[string]bool{}
	for name, value := range a {
		if b[name] != value {
			differ[name] = true
		}
	}
	for name, value := range b {
		if a[name] != value {
			differ[name] = true
		}
	}
	return slices.Sorted(maps.Keys(differ))
}

package lifecycle

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"joinery.internal/pkg/event"
)

// attribute is a field of a profile.
type attribute int

// The attributes in the order of their names; the state in the changelog knows them by these numbers: add, never move.
const (
	employeeNumber attribute = iota
	givenName
	familyName
	displayName
	email
	phone
	title
	department
	company
	costCentre
	location
	manager
	workerType
	startDate
	endDate
	timezone
	attributes // how many there are
)

var names = [attributes]string{"employee_number", "given_name", "family_name", "display_name", "email", "phone", "title", "department",
	"company", "cost_centre", "location", "manager", "worker_type", "start_date", "end_date", "timezone"}

func (a attribute) String() string { return names[a] }

// extra is what stands before the name of an attribute that is not a field.
const extra = "attributes."

// carried attributes define a spell rather than describe the person in it: silence keeps the value last given.
var carried = [...]attribute{workerType, employeeNumber, timezone}

// sayings are the values of a snapshot; what is empty is not said. They never change once they are shared.
type sayings struct {
	field [attributes]string
	extra []pair // by name
}

// pair is an attribute that is not a field, and its value.
type pair struct{ name, value string }

func byName(p pair, name string) int { return cmp.Compare(p.name, name) }

// silence says nothing.
var silence = new(sayings)

func fieldsOf(p *event.Profile) [attributes]*string {
	return [attributes]*string{&p.EmployeeNumber, &p.GivenName, &p.FamilyName, &p.DisplayName, &p.Email, &p.Phone, &p.Title, &p.Department,
		&p.Company, &p.CostCentre, &p.Location, &p.Manager, &p.WorkerType, &p.StartDate, &p.EndDate, &p.Timezone}
}

func say(p event.Profile) *sayings {
	s := new(sayings)
	for a, value := range fieldsOf(&p) {
		s.field[a] = *value
	}
	for name, value := range p.Attributes {
		if value != "" {
			s.set(name, value)
		}
	}
	return s
}

// profile is the inverse of say.
func (s *sayings) profile() event.Profile {
	var p event.Profile
	for a, value := range fieldsOf(&p) {
		*value = s.field[a]
	}
	for _, e := range s.extra {
		if p.Attributes == nil {
			p.Attributes = map[string]string{}
		}
		p.Attributes[e.name] = e.value
	}
	return p
}

// set puts an attribute that is not a field at its place. s must not be shared yet.
func (s *sayings) set(name, value string) {
	i, found := slices.BinarySearchFunc(s.extra, name, byName)
	if found {
		s.extra[i].value = value
		return
	}
	s.extra = slices.Insert(s.extra, i, pair{name, value})
}

// copy is s, to be changed.
func (s *sayings) copy() *sayings {
	out := *s
	out.extra = slices.Clone(s.extra)
	return &out
}

// fill takes from other what s does not say. s must not be shared yet.
func (s *sayings) fill(other *sayings) {
	for a, value := range other.field {
		if s.field[a] == "" {
			s.field[a] = value
		}
	}
	for _, e := range other.extra {
		if _, found := slices.BinarySearchFunc(s.extra, e.name, byName); !found {
			s.set(e.name, e.value)
		}
	}
}

// carry is s with the carried attributes of other where s is silent on them.
func (s *sayings) carry(other *sayings) *sayings {
	out := s
	for _, a := range carried {
		if s.field[a] != "" || other.field[a] == "" {
			continue
		}
		if out == s {
			out = s.copy()
		}
		out.field[a] = other.field[a]
	}
	return out
}

// changedBy says whether s and other both say something of a, and not the same.
func (s *sayings) changedBy(other *sayings, a attribute) bool {
	return s.field[a] != "" && other.field[a] != "" && s.field[a] != other.field[a]
}

// delta makes one set of sayings into another: the fields of mask, and each pair of extra, "" for what is no longer said.
type delta struct {
	mask  uint32
	field [attributes]string
	extra []pair
}

func (s *sayings) to(other *sayings) delta {
	var d delta
	for a, value := range other.field {
		if s.field[a] != value {
			d.mask |= 1 << a
			d.field[a] = value
		}
	}
	for _, e := range s.extra {
		if _, found := slices.BinarySearchFunc(other.extra, e.name, byName); !found {
			d.extra = append(d.extra, pair{e.name, ""})
		}
	}
	for _, e := range other.extra {
		if i, found := slices.BinarySearchFunc(s.extra, e.name, byName); !found || s.extra[i].value != e.value {
			d.extra = append(d.extra, e)
		}
	}
	return d
}

// with is s after d.
func (s *sayings) with(d delta) *sayings {
	if d.mask == 0 && len(d.extra) == 0 {
		return s
	}
	out := s.copy()
	for a := range attributes {
		if d.mask&(1<<a) != 0 {
			out.field[a] = d.field[a]
		}
	}
	for _, e := range d.extra {
		if e.value != "" {
			out.set(e.name, e.value)
		} else if i, found := slices.BinarySearchFunc(out.extra, e.name, byName); found {
			out.extra = slices.Delete(out.extra, i, i+1)
		}
	}
	return out
}

// differences are the names on which a and b disagree, sorted.
func differences(a, b *sayings) []string {
	d := a.to(b)
	var out []string
	for at, name := range names {
		if d.mask&(1<<at) != 0 {
			out = append(out, name)
		}
	}
	for _, e := range d.extra {
		out = append(out, extra+e.name)
	}
	slices.Sort(out)
	return out
}

// MarshalJSON writes what is said by name.
func (s *sayings) MarshalJSON() ([]byte, error) {
	values := map[string]string{}
	for a, value := range s.field {
		if value != "" {
			values[names[a]] = value
		}
	}
	for _, e := range s.extra {
		values[extra+e.name] = e.value
	}
	return json.Marshal(values)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *sayings) UnmarshalJSON(b []byte) error {
	values := map[string]string{}
	if err := json.Unmarshal(b, &values); err != nil {
		return err
	}
	for name, value := range values {
		if other, ok := strings.CutPrefix(name, extra); ok {
			s.set(other, value)
		} else if a := slices.Index(names[:], name); a >= 0 {
			s.field[a] = value
		}
	}
	return nil
}

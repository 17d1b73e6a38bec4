package event

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Status is where a person stands in their employment, folded from facts and the present time.
type Status string

const (
	StatusPrehire Status = "prehire" // hired, the first day not begun
	StatusActive  Status = "active"
	StatusLeave   Status = "leave" // employed, access inactive by policy
	StatusEnded   Status = "ended" // no live employment
	// StatusMerged is that of an identity that turned out to be another one, in the directory only.
	StatusMerged Status = "merged"
)

// Profile is what a source says of a worker: the `person` record of jml.source.record.v1.
// Every field may be absent (empty). Dates are `2026-03-02` in Timezone.
type Profile struct {
	EmployeeNumber string            `avro:"employee_number,omitzero" json:"employee_number,omitempty"`
	GivenName      string            `avro:"given_name,omitzero" json:"given_name,omitempty"`
	FamilyName     string            `avro:"family_name,omitzero" json:"family_name,omitempty"`
	DisplayName    string            `avro:"display_name,omitzero" json:"display_name,omitempty"`
	Email          string            `avro:"email,omitzero" json:"email,omitempty"`
	Phone          string            `avro:"phone,omitzero" json:"phone,omitempty"`
	Title          string            `avro:"title,omitzero" json:"title,omitempty"`
	Department     string            `avro:"department,omitzero" json:"department,omitempty"`
	Company        string            `avro:"company,omitzero" json:"company,omitempty"`
	CostCentre     string            `avro:"cost_centre,omitzero" json:"cost_centre,omitempty"`
	Location       string            `avro:"location,omitzero" json:"location,omitempty"`
	Manager        string            `avro:"manager,omitzero" json:"manager,omitempty"` // the manager's employee_number
	WorkerType     string            `avro:"worker_type,omitzero" json:"worker_type,omitempty"`
	StartDate      string            `avro:"start_date,omitzero" json:"start_date,omitempty"`
	EndDate        string            `avro:"end_date,omitzero" json:"end_date,omitempty"` // the last day worked
	Timezone       string            `avro:"timezone,omitzero" json:"timezone,omitempty"`
	Attributes     map[string]string `avro:"attributes" json:"attributes,omitempty"`
}

// Clone returns a copy that shares no map with p.
func (p Profile) Clone() Profile {
	p.Attributes = maps.Clone(p.Attributes)
	return p
}

// birthDate is the attribute that tells people of one name apart.
const birthDate = "birth_date"

// Likeness is what two records of one human have in common though no strong key says so: the name, however it is
// written, and the attribute birth_date. It is derived, not to be read; empty: too little is known to compare.
func (p Profile) Likeness() string {
	name := plain(p.GivenName + " " + p.FamilyName)
	if p.GivenName == "" || p.FamilyName == "" {
		name = plain(p.DisplayName)
	}
	if name == "" || p.Attributes[birthDate] == "" {
		return ""
	}
	return DeriveID("like", 0, name, p.Attributes[birthDate])
}

// plain is a name without case, accents and extra spaces.
func plain(name string) string {
	bare := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(name))
	return strings.Join(strings.Fields(bare), " ")
}

// Person is the present fold of all facts about one human: what policy sees as `person`.
type Person struct {
	ID       IdentityID `avro:"id" json:"id"`
	Profile  `avro:",inline"`
	Status   Status `avro:"status" json:"status"`
	Username string `avro:"username" json:"username,omitempty"`
	// Start is the first instant of the employment that counts; End is the instant access ends
	// (the end of the last day, in the person's time zone). Zero End: open-ended.
	Start time.Time `avro:"start,omitzero" json:"start,omitzero"`
	End   time.Time `avro:"end,omitzero" json:"end,omitzero"`
	// Emergency is set while an emergency hold stands: it beats every other status.
	Emergency bool `avro:"emergency" json:"emergency,omitempty"`
	// Spells are the other employments, by id; none for whoever has one job. Access is the union over all.
	Spells []Spell `avro:"spells" json:"spells,omitempty"`
	// MergedInto is set once this identity turned out to be another one: nothing is said of it any more.
	MergedInto IdentityID `avro:"merged_into" json:"merged_into,omitempty"`
}

// Clone returns a copy that shares no map and no list with p.
func (p Person) Clone() Person {
	p.Profile = p.Profile.Clone()
	p.Spells = slices.Clone(p.Spells)
	for i := range p.Spells {
		p.Spells[i].Profile = p.Spells[i].Profile.Clone()
	}
	return p
}

// As is the person as seen in one of their other employments.
func (p Person) As(s Spell) Person {
	p.Profile, p.Status, p.Start, p.End, p.Spells = s.Profile, s.Status, s.Start, s.End, nil
	return p
}

// Spell is another employment of a person that is live or to come, beside the one that counts.
type Spell struct {
	ID      string `avro:"id" json:"id"` // the same for as long as the employment lasts
	Profile `avro:",inline"`
	Status  Status    `avro:"status" json:"status"`
	Start   time.Time `avro:"start,omitzero" json:"start,omitzero"`
	End     time.Time `avro:"end,omitzero" json:"end,omitzero"`
}

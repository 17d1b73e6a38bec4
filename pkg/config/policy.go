package config

import (
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"

	"joinery.internal/pkg/event"
)

// Policy is one file of rules. All policies of a folder apply together.
type Policy struct {
	Name       Text
	Lifecycle  *Lifecycle   `key:"lifecycle"`
	Roles      Map[Role]    `key:"roles" keys:"name"`
	Approvals  Map[[]Stage] `key:"approvals" keys:"name" doc:"stages of each approval process, in order"`
	Separation []Separation `key:"separationOfDuties"`
	Guards     []Guard      `key:"guards"`
	Tests      []Test       `key:"tests"`
}

// Lifecycle says what happens around the beginning, the change and the end of an employment.
type Lifecycle struct {
	Prehire    time.Duration `key:"prehire" doc:"accounts exist this long before the start"`
	Mover      Mover         `key:"mover"`
	Leaver     Leaver        `key:"leaver"`
	Rehire     Rehire        `key:"rehire"`
	Leave      Leave         `key:"leave"`
	Contractor Contractor    `key:"contractor"`
}

// Mover says how long access that a move takes away is kept.
type Mover struct {
	Grace      time.Duration `key:"grace"`
	Privileged time.Duration `key:"privileged" doc:"the same for privileged roles"`
}

// Leaver says what happens after the end.
type Leaver struct {
	DeleteAfter time.Duration `key:"deleteAfter" default:"90d"`
	Urgent      Expr          `key:"urgent" doc:"CEL; true: the emergency lane"`
}

// Rehire says what is reused when somebody comes back.
type Rehire struct {
	Within        time.Duration `key:"within" default:"30d"`
	ReuseAccounts bool          `key:"reuseAccounts" default:"true"`
}

// Leave says what accounts are while their person is on leave.
type Leave struct {
	Accounts string `key:"accounts" default:"disabled" enum:"active disabled absent"`
}

// Contractor says what holds for contractors.
type Contractor struct {
	RequireEnd bool            `key:"requireEnd" default:"true"`
	MaxTerm    time.Duration   `key:"maxTerm" doc:"absent: no limit"`
	Remind     []time.Duration `key:"remind" doc:"this long before the end"`
}

// Role is a set of entitlements and the ways to get it.
type Role struct {
	Description string       `key:"description"`
	Birthright  Expr         `key:"birthright" doc:"CEL; whoever it is true for has the role"`
	Privileged  bool         `key:"privileged"`
	Requestable *Requestable `key:"requestable"`
	Owner       *Owner       `key:"owner"`
	Include     []Text       `key:"include" doc:"roles whose grants come with this one"`
	Grants      []Grant      `key:"grants"`
}

// Requestable says who may ask for a role and who decides.
type Requestable struct {
	When        Expr          `key:"when" doc:"CEL; absent: everybody"`
	MaxDuration time.Duration `key:"maxDuration" doc:"absent: no limit"`
	Approval    Text          `key:"approval" doc:"an approval process; absent: granted without one"`
}

// Stage is one step of an approval process.
type Stage struct {
	Name          Text          `key:"name" is:"required" like:"name"`
	Approvers     Expr          `key:"approvers" is:"required" doc:"CEL; a list of identity ids"`
	Quorum        int           `key:"quorum" default:"1" min:"1"`
	Exclude       []string      `key:"exclude" enum:"requester beneficiary previous" doc:"absent: requester and beneficiary"`
	EscalateAfter time.Duration `key:"escalateAfter"`
	EscalateTo    Expr          `key:"escalateTo"`
	Fallback      Expr          `key:"fallback" doc:"CEL; who decides when there is no approver"`
	DenyAfter     time.Duration `key:"denyAfter"`
}

func (s *Stage) check(d *decoder, n *yaml.Node) {
	if (s.EscalateAfter > 0) != !s.EscalateTo.IsZero() {
		d.fault(n, "stage %q has one of escalateAfter and escalateTo; it needs both or neither", s.Name.Value)
	}
	if s.DenyAfter > 0 && s.EscalateAfter >= s.DenyAfter {
		d.fault(n, "stage %q denies before it escalates; make denyAfter longer than escalateAfter", s.Name.Value)
	}
}

// Separation says which roles nobody may hold together.
type Separation struct {
	Name       Text    `key:"name" is:"required" like:"name"`
	Roles      []Text  `key:"roles" is:"required"`
	AtMost     int     `key:"atMost" default:"1" min:"1"`
	OnConflict string  `key:"onConflict" default:"refuse" enum:"refuse report"`
	Waiver     *Waiver `key:"waiver" doc:"who may allow the conflict, and for how long"`
}

func (s *Separation) check(d *decoder, n *yaml.Node) {
	if len(s.Roles) > 0 && len(s.Roles) <= s.AtMost {
		d.fault(n, "separation of duties %q can never be broken: it names %d roles and allows %d", s.Name.Value, len(s.Roles), s.AtMost)
	}
}

// Waiver is an allowed conflict.
type Waiver struct {
	Approval    Text          `key:"approval" is:"required"`
	MaxDuration time.Duration `key:"maxDuration" is:"required"`
}

// Guard holds changes that come in masses. Zero Count or Percent: no such bound.
type Guard struct {
	Name    Text          `key:"name" is:"required" like:"name"`
	Action  string        `key:"action" is:"required" enum:"create update enable disable delete grant revoke emergency"`
	Window  time.Duration `key:"window" is:"required"`
	Count   int           `key:"count" min:"1"`
	Percent float64       `key:"percent" min:"0.01" max:"100" doc:"of the accounts there are: in the target, and of the people whom the source employs, where these are counted apart; 10 pass in any case"`
	Per     []string      `key:"per" enum:"source target role" doc:"counted apart for each of these"`
}

func (g *Guard) check(d *decoder, n *yaml.Node) {
	if keyNode(n, "count") == n && keyNode(n, "percent") == n {
		d.fault(n, "guard %q bounds nothing; write count, percent or both", g.Name.Value)
	}
	if g.Window == 0 && keyNode(n, "window") != n {
		d.fault(keyNode(n, "window"), "guard %q needs a window longer than 0s", g.Name.Value)
	}
}

// Test is an example that must hold before a policy is published.
type Test struct {
	Name   Text   `key:"name" is:"required"`
	Given  Given  `key:"given" is:"required"`
	Expect Expect `key:"expect" is:"required"`
}

// Given is what a test assumes.
type Given struct {
	Before *Facts     `key:"before" doc:"the person before the change"`
	Person Facts      `key:"person" is:"required"`
	Event  *TestEvent `key:"event"`
	Now    string     `key:"now" doc:"2026-03-02 or 2026-03-02T08:00:00Z"`
}

// TestEvent is the event a test assumes.
type TestEvent struct {
	Kind   string `key:"kind"`
	Source string `key:"source"`
	Reason string `key:"reason"`
}

// Expect is what must follow. What is not written is not compared.
type Expect struct {
	Roles *[]Text             `key:"roles" doc:"exactly the birthright roles"`
	Keep  *Map[time.Duration] `key:"keep" doc:"exactly the roles lost by the change and kept, and for how long"`
}

// Facts are the fields of a person that a test names.
type Facts struct {
	ID             string      `key:"id" default:"test"`
	Status         string      `key:"status" default:"active" enum:"prehire active leave ended"`
	Username       string      `key:"username"`
	EmployeeNumber string      `key:"employee_number"`
	GivenName      string      `key:"given_name"`
	FamilyName     string      `key:"family_name"`
	DisplayName    string      `key:"display_name"`
	Email          string      `key:"email"`
	Phone          string      `key:"phone"`
	Title          string      `key:"title"`
	Department     string      `key:"department"`
	Company        string      `key:"company"`
	CostCentre     string      `key:"cost_centre"`
	Location       string      `key:"location"`
	Manager        string      `key:"manager"`
	WorkerType     string      `key:"worker_type"`
	StartDate      string      `key:"start_date"`
	EndDate        string      `key:"end_date"`
	Timezone       string      `key:"timezone"`
	Attributes     Map[string] `key:"attributes"`
}

// Person returns the facts as policy sees them.
func (f *Facts) Person() event.Person {
	attributes := make(map[string]string, len(f.Attributes))
	for k, v := range f.Attributes.All() {
		attributes[k] = v
	}
	return event.Person{
		ID: event.IdentityID(f.ID), Status: event.Status(f.Status), Username: f.Username,
		Start: day(f.StartDate, f.Timezone, 0), End: day(f.EndDate, f.Timezone, 1),
		Profile: event.Profile{
			EmployeeNumber: f.EmployeeNumber, GivenName: f.GivenName, FamilyName: f.FamilyName, DisplayName: f.DisplayName,
			Email: f.Email, Phone: f.Phone, Title: f.Title, Department: f.Department, Company: f.Company,
			CostCentre: f.CostCentre, Location: f.Location, Manager: f.Manager, WorkerType: f.WorkerType,
			StartDate: f.StartDate, EndDate: f.EndDate, Timezone: f.Timezone, Attributes: attributes,
		},
	}
}

// day returns the beginning of a date in a zone, later by whole days; zero if the date is empty or wrong.
func day(date, zone string, later int) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}
	}
	t, err := time.ParseInLocation(time.DateOnly, date, loc)
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, later)
}

func (f *Facts) check(d *decoder, n *yaml.Node) {
	for key, date := range map[string]string{"start_date": f.StartDate, "end_date": f.EndDate} {
		if _, err := time.Parse(time.DateOnly, date); err != nil && date != "" {
			d.fault(keyNode(n, key), "%s must be a date such as 2026-03-02, not %q", key, date)
		}
	}
	if _, err := time.LoadLocation(f.Timezone); err != nil {
		d.fault(keyNode(n, "timezone"), "timezone must be an IANA time zone such as Europe/Prague, not %q", f.Timezone)
	}
}

// At returns the time a test assumes; zero if it names none.
func (g *Given) At() time.Time {
	if t, err := time.Parse(time.RFC3339, g.Now); err == nil {
		return t
	}
	return day(g.Now, "UTC", 0)
}

func (g *Given) check(d *decoder, n *yaml.Node) {
	if g.Now != "" && g.At().IsZero() {
		d.fault(keyNode(n, "now"), "now must be a date or a time such as 2026-03-02T08:00:00Z, not %q", g.Now)
	}
}

// DefaultLifecycle is what holds when no policy has a lifecycle.
func DefaultLifecycle() Lifecycle {
	var l Lifecycle
	setDefaults(&decoder{}, reflect.ValueOf(&l).Elem())
	return l
}

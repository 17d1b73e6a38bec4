package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/config/configtest"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

func TestTranscripts(t *testing.T) {
	t.Parallel()
	configtest.Run(t, func(files []config.File) string {
		if _, err := policy.Check(config.Load(files)); err != nil {
			return err.Error()
		}
		return "no fault"
	})
}

func good(t testing.TB) *policy.Bundle {
	t.Helper()
	b, err := policy.Check(config.LoadDir("../config/testdata/good"))
	if err != nil {
		t.Fatalf("compile the good example:\n%v", err)
	}
	return b
}

// compile compiles one policy of the given spec, and a target chat.
func compile(t testing.TB, spec string) *policy.Bundle {
	t.Helper()
	b, err := policy.Check(config.Load([]config.File{
		{Name: "policy/p.yaml", Data: []byte("apiVersion: joinery/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n" + spec)},
		{Name: "targets/chat.yaml", Data: []byte(`apiVersion: joinery/v1
kind: Target
metadata: {name: chat}
spec: {connector: memory, account: {name: person.id}, entitlements: [group]}`)},
	}))
	if err != nil {
		t.Fatalf("compile:\n%v", err)
	}
	return b
}

var now = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func alice() event.Person {
	return event.Person{ID: "p-alice", Status: event.StatusActive, Profile: event.Profile{EmployeeNumber: "1001", GivenName: "Alice",
		FamilyName: "Nováková", Department: "Finance", WorkerType: "employee", Attributes: map[string]string{"badge": "red"}}}
}

// directory is a company of a few, by id.
type directory struct {
	managers map[event.IdentityID]event.IdentityID
	members  map[string][]event.IdentityID
	numbers  map[string]event.IdentityID
	left     map[event.IdentityID]bool
}

func (d directory) ManagerOf(id event.IdentityID) (event.IdentityID, bool) {
	m, ok := d.managers[id]
	return m, ok
}
func (d directory) Present(id event.IdentityID) bool         { return !d.left[id] }
func (d directory) MembersOf(role string) []event.IdentityID { return d.members[role] }
func (d directory) ByEmployeeNumber(n string) (event.IdentityID, bool) {
	id, ok := d.numbers[n]
	return id, ok
}

var company = directory{
	managers: map[event.IdentityID]event.IdentityID{"p-alice": "p-bob", "p-bob": "p-carol"},
	members:  map[string][]event.IdentityID{"iam-duty": {"p-dan", "p-eve"}},
	numbers:  map[string]event.IdentityID{"1000": "p-olga"},
}

func TestABirthrightIsExplainedByItsRuleItsPlaceAndTheValuesItLookedAt(t *testing.T) {
	t.Parallel()
	got, err := good(t).Birthright(policy.Input{Person: alice(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	want := []policy.RoleDecision{
		{Role: "finance-reader", Rule: `person.department == "Finance"`, File: "policy/corp.yaml", Line: 17, Column: 20,
			Values: map[string]string{"person.department": "Finance"}, Granted: true},
		{Role: "staff-base", Rule: `person.worker_type == "employee"`, File: "policy/corp.yaml", Line: 14, Column: 20,
			Values: map[string]string{"person.worker_type": "employee"}, Granted: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestValuesNameEverythingARuleLooksAt(t *testing.T) {
	t.Parallel()
	b := compile(t, `
  roles:
    r:
      birthright: >-
        person.attributes.badge == "red" && person.attributes["lab key"] == "" && before.department != person.department
        && has(person.end) == false && person.start <= now && "badge" in person.attributes
        && ["a"].exists(x, x == event.kind || person.emergency)
`)
	in := policy.Input{Person: alice(), Now: now, Event: policy.EventInfo{Kind: "a"}}
	in.Person.Start = now.Add(-time.Hour)
	got, err := b.Birthright(in)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		`person.attributes["badge"]`: "red", `person.attributes["lab key"]`: "", "before.department": "", "person.department": "Finance",
		"person.end": "0001-01-01T00:00:00Z", "person.start": "2026-03-02T07:00:00Z", "now": "2026-03-02T08:00:00Z",
		"person.attributes": `{"badge": "red"}`, "event.kind": "a", "person.emergency": "false",
	}
	if !got[0].Granted || !maps.Equal(got[0].Values, want) {
		t.Errorf("granted %v\ngot  %v\nwant %v", got[0].Granted, got[0].Values, want)
	}
}

func TestAnAbsentAttributeIsEmptyAndCanBeToldFromAnEmptyOne(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]bool{
		`person.attributes.none == ""`:                    true,
		`person.attributes["none"] == ""`:                 true,
		`has(person.attributes.none)`:                     false,
		`has(person.attributes.badge)`:                    true,
		`"none" in person.attributes`:                     false,
		`"badge" in person.attributes`:                    true,
		`person.attributes.size() == 1`:                   true,
		`person.attributes.exists(k, k == "badge")`:       true,
		`person.attributes.all(k, k.startsWith("b"))`:     true,
		`person.attributes == {"badge": "red"}`:           true,
		`person.attributes[?"none"].hasValue()`:           false,
		`person.attributes.?badge.orValue("x") == "red"`:  true,
		`has(person.phone) || person.phone == ""`:         true,
		`person == before`:                                false,
		`before.id == "" && before.attributes.x == ""`:    true,
		`person.attributes[person.department] == ""`:      true,
		`[person].exists(p, p.department == "Finance")`:   true,
		`has(person.attributes) && !has(person.end_date)`: true,
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			b := compile(t, fmt.Sprintf("  roles:\n    r:\n      birthright: >-\n        %s\n", rule))
			got, err := b.Birthright(policy.Input{Person: alice(), Now: now})
			if err != nil || got[0].Granted != want {
				t.Errorf("granted %v, %v; want %v", got[0].Granted, err, want)
			}
		})
	}
}

func TestARuleThatFailsGrantsNothingAndIsNamed(t *testing.T) {
	t.Parallel()
	b := compile(t, `
  roles:
    bad: {birthright: 'int(person.attributes.level) > 3'}
    fine: {birthright: 'true'}
`)
	got, err := b.Birthright(policy.Input{Person: alice()})
	if err == nil || !strings.Contains(err.Error(), "birthright of role bad: evaluate the expression at policy/p.yaml:7:24") {
		t.Errorf("error %v", err)
	}
	if len(got) != 2 || got[0].Granted || !got[1].Granted {
		t.Errorf("decisions %+v", got)
	}
}

func TestGrantsComeWithWhatIsIncludedAndWithTheAccountsTheyImply(t *testing.T) {
	t.Parallel()
	b := good(t)
	got := b.Grants("payments-lead")
	want := []policy.Grant{
		{Role: "payments-lead", Target: "chat", Kind: "account"}, {Role: "payments-lead", Target: "chat", Kind: "group", Name: "payments"},
		{Role: "payments-lead", Target: "erp", Kind: "account"}, {Role: "payments-lead", Target: "erp", Kind: "role", Name: "payments-approver"},
		{Role: "payments-lead", Target: "erp", Kind: "role", Name: "reader"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := b.Grants("finance-reader", "payments-lead", "finance-reader", "gone"); len(got) != 7 {
		t.Errorf("grants of two roles: %+v", got)
	}
	if role, ok := b.Role("payments-lead"); !ok || !role.Privileged {
		t.Errorf("a role that includes a privileged one is privileged: %+v", role)
	}
}

func TestAnAccountIsNamedAndFilledByTheTargetsExpressions(t *testing.T) {
	t.Parallel()
	b := good(t)
	in := policy.Input{Person: alice()}
	got, err := b.Account("chat", in)
	want := policy.Account{Name: "alice.novakova", Numbered: true, Attributes: map[string]string{"displayName": "Alice Nováková", "emails.work": "", "title": ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	in.AccountName = "a.old-name"
	got, err = b.Account("directory", in)
	if err != nil || got.Numbered || got.Name != "a.old-name" || got.Attributes["mail"] != "a.old-name@acme.example" {
		t.Errorf("an existing name is kept: %+v, %v", got, err)
	}
	if _, err := b.Account("erp", policy.Input{}); !errors.Is(err, policy.ErrNoName) {
		t.Errorf("a person without number: error %v, want ErrNoName", err)
	}
	if _, err := b.Account("none", in); !errors.Is(err, policy.ErrUnknown) {
		t.Errorf("unknown target: error %v, want ErrUnknown", err)
	}
}

func TestANameInAnotherScriptIsNoAccountOfDotsAlone(t *testing.T) {
	t.Parallel()
	b := good(t)
	for _, family := range []string{"芳", "🎉", ""} {
		in := policy.Input{Person: event.Person{Profile: event.Profile{GivenName: family, FamilyName: family}}}
		if got, err := b.Account("chat", in); !errors.Is(err, policy.ErrNoName) {
			t.Errorf("%q: account %q, error %v, want ErrNoName", family, got.Name, err)
		}
	}
}

func TestAccountStatesFollowTheTargetThenThePolicy(t *testing.T) {
	t.Parallel()
	b := good(t)
	for _, tc := range []struct {
		target string
		status event.Status
		want   string
	}{
		{"chat", event.StatusActive, "active"}, {"chat", event.StatusPrehire, "disabled"}, {"chat", event.StatusEnded, "disabled"},
		{"directory", event.StatusPrehire, "absent"}, {"directory", event.StatusLeave, "disabled"}, {"directory", event.StatusEnded, "absent"},
		{"none", event.StatusActive, "absent"},
	} {
		if got := b.AccountState(tc.target, tc.status); got != tc.want {
			t.Errorf("%s, %s: %s, want %s", tc.target, tc.status, got, tc.want)
		}
	}
	if got := b.DeleteAfter("directory"); got != 90*24*time.Hour {
		t.Errorf("deleteAfter of directory = %v", got)
	}
}

func TestLifecycleIsAsWrittenElseTheDefaults(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	want := policy.Lifecycle{Prehire: 3 * day, MoverGrace: 14 * day, LeaverDeleteAfter: 90 * day, RehireWithin: 30 * day, ReuseAccounts: true,
		LeaveAccounts: "disabled", ContractorRequireEnd: true, ContractorMaxTerm: 180 * day, ContractorRemind: []time.Duration{30 * day, 7 * day}}
	if got := good(t).Lifecycle(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	want = policy.Lifecycle{LeaverDeleteAfter: 90 * day, RehireWithin: 30 * day, ReuseAccounts: true, LeaveAccounts: "disabled", ContractorRequireEnd: true}
	if got := compile(t, "  roles: {}\n").Lifecycle(); !reflect.DeepEqual(got, want) {
		t.Errorf("defaults: got  %+v\nwant %+v", got, want)
	}
}

func TestADismissalIsUrgentAndAResignationIsNot(t *testing.T) {
	t.Parallel()
	b := good(t)
	for reason, want := range map[string]bool{"dismissal": true, "resignation": false} {
		if got, err := b.Urgent(policy.Input{Event: policy.EventInfo{Reason: reason}}); err != nil || got != want {
			t.Errorf("%s: %v, %v", reason, got, err)
		}
	}
}

func TestApproversComeFromTheDirectory(t *testing.T) {
	t.Parallel()
	b := good(t)
	in := policy.Input{Person: alice(), Dir: company}
	type ask func(string, string, policy.Input) ([]event.IdentityID, error)
	for _, tc := range []struct {
		what  string
		ask   ask
		stage string
		want  []event.IdentityID
	}{
		{"manager", b.Approvers, "manager", []event.IdentityID{"p-bob"}},
		{"manager's manager", b.EscalateTo, "manager", []event.IdentityID{"p-carol"}},
		{"members of a role", b.Fallback, "manager", []event.IdentityID{"p-dan", "p-eve"}},
		{"owner of a role", b.Approvers, "owner", []event.IdentityID{"p-olga"}},
		{"a stage without fallback", b.Fallback, "owner", nil},
	} {
		if got, err := tc.ask("two-stage", tc.stage, in); err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, %v; want %v", tc.what, got, err, tc.want)
		}
	}
	if got, err := b.Approvers("ciso", "ciso", in); err != nil || got != nil {
		t.Errorf("an owner whom nobody knows: %v, %v", got, err)
	}
	if got, err := b.Approvers("two-stage", "manager", policy.Input{Person: alice()}); err != nil || got != nil {
		t.Errorf("without directory: %v, %v", got, err)
	}
	if _, err := b.Approvers("two-stage", "third", in); !errors.Is(err, policy.ErrUnknown) {
		t.Errorf("unknown stage: %v", err)
	}
	want := policy.Stage{Name: "manager", Quorum: 1, Exclude: []string{"requester", "beneficiary"}, EscalateAfter: 24 * time.Hour, DenyAfter: 120 * time.Hour, HasFallback: true}
	if got := b.Stages("two-stage"); len(got) != 2 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("stages %+v", got)
	}
}

func TestARoleMayBeRequestedOnlyWhenItsConditionHolds(t *testing.T) {
	t.Parallel()
	b := good(t)
	bob := alice()
	bob.Department = "Sales"
	for _, tc := range []struct {
		role   string
		person event.Person
		want   bool
		reason string
	}{
		{"payments-approver", alice(), true, ""},
		{"payments-approver", bob, false, `role "payments-approver" can be requested only when person.department == "Finance"`},
		{"staff-base", bob, false, `role "staff-base" cannot be requested`},
		{"gone", bob, false, `there is no role "gone"`},
	} {
		if may, reason, err := b.MayRequest(tc.role, policy.Input{Person: tc.person}); err != nil || may != tc.want || reason != tc.reason {
			t.Errorf("%s: %v, %q, %v; want %v, %q", tc.role, may, reason, err, tc.want, tc.reason)
		}
	}
}

func TestSeparationOfDutiesSeesIncludedRoles(t *testing.T) {
	t.Parallel()
	b := good(t)
	want := []policy.Conflict{{Name: "pay-twice", Roles: []string{"payments-approver", "payments-creator"}, AtMost: 1, OnConflict: "refuse",
		Waiver: &policy.Waiver{Approval: "ciso", MaxDuration: 720 * time.Hour}}}
	if got := b.Conflicts([]string{"payments-lead", "payments-creator", "staff-base"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := b.Conflicts([]string{"payments-lead", "staff-base"}); got != nil {
		t.Errorf("no conflict: %+v", got)
	}
}

func TestAForeignRecordIsMappedAndWhatItLacksIsAbsent(t *testing.T) {
	t.Parallel()
	var record map[string]any
	text := `{"worker_id": "7", "version": 3, "agency": null}`
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		t.Fatal(err)
	}
	got, err := good(t).MapRecord("agency", record)
	three := int64(3)
	want := policy.Record{SourceKey: "7", Sequence: &three, Person: &event.Profile{EmployeeNumber: "C7", Attributes: map[string]string{}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	_, err = good(t).MapRecord("agency", map[string]any{"version": "x"})
	if !errors.Is(err, policy.ErrRecord) || !strings.Contains(err.Error(), "field employee_number, at sources/hr.yaml:") || !strings.Contains(err.Error(), "field sequence") {
		t.Errorf("a record without key: %v", err)
	}
	if got, err := good(t).MapRecord("payroll", map[string]any{"after": map[string]any{"id": json.Number("42")}}); err != nil || got.SourceKey != "42" || got.Person != nil {
		t.Errorf("nested: %+v, %v", got, err)
	}
	if _, err := good(t).MapRecord("payroll", map[string]any{"after": map[string]any{}}); !errors.Is(err, policy.ErrRecord) {
		t.Errorf("empty source_key: %v", err)
	}
}

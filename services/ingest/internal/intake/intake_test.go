package intake_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
	"joinery.internal/services/ingest/internal/intake"
)

var (
	hr  = intake.Source{Name: "hr", Authority: intake.Employment, Timezone: "Europe/Prague", Correlate: []string{intake.EmployeeNumber, intake.Email}}
	crm = intake.Source{Name: "crm", Authority: intake.Profile, Correlate: []string{intake.Email}}
	soc = intake.Source{Name: "soc", Authority: intake.Signal, Correlate: []string{intake.Email}}
)

func record() event.SourceRecord {
	return event.SourceRecord{ID: "1", Source: "hr", SourceKey: "1001", RecordedAt: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), Kind: event.Upsert,
		Person: &event.Profile{EmployeeNumber: "1001", GivenName: "Ann", Email: "ann@acme.example", StartDate: "2026-03-02"}}
}

func TestABadRecordIsNamedByPlaceAndNeverByValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, class, says string
		spoil             func(*event.SourceRecord)
	}{
		{"another source in the key", "key", "source/source_key", func(r *event.SourceRecord) { r.SourceKey = "1002" }},
		{"no worker", "invalid", "source_key is empty", func(r *event.SourceRecord) { r.SourceKey = "" }},
		{"no id", "invalid", "id is empty", func(r *event.SourceRecord) { r.ID = "" }},
		{"no recorded_at", "invalid", "recorded_at", func(r *event.SourceRecord) { r.RecordedAt = time.Time{} }},
		{"a kind nobody knows", "invalid", "kind: none of", func(r *event.SourceRecord) { r.Kind = "fire" }},
		{"an upsert of nobody", "invalid", "person: an upsert", func(r *event.SourceRecord) { r.Person = nil }},
		{"a merge", "unsupported", "merge is not supported", func(r *event.SourceRecord) { r.Kind = event.Merge }},
		{"a day that is none", "invalid", "effective_at: neither", func(r *event.SourceRecord) { r.EffectiveAt = "Secret-30" }},
		{"a start that is none", "invalid", "person.start_date: not a date", func(r *event.SourceRecord) { r.Person.StartDate = "Secret-31" }},
		{"an instant as the end date", "invalid", "person.end_date: not a date", func(r *event.SourceRecord) { r.Person.EndDate = "2026-03-02T09:00:00Z" }},
		{"a zone that is none", "invalid", "person.timezone: not the name", func(r *event.SourceRecord) { r.Person.Timezone = "Secret/City" }},
		{"a novel for a title", "invalid", "more than 1024 bytes", func(r *event.SourceRecord) { r.Person.Title = strings.Repeat("Secret", 1000) }},
		{"a nameless attribute", "invalid", "person.attributes", func(r *event.SourceRecord) { r.Person.Attributes = map[string]string{"": "Secret"} }},
	} {
		r := record()
		key := r.Source + "/" + r.SourceKey
		c.spoil(&r)
		_, err := intake.NewChecker([]intake.Source{hr}, calendar.NewZones()).Check(key, r)
		f, ok := errors.AsType[*intake.Fault](err)
		switch {
		case !ok || f.Class != c.class || !strings.Contains(f.Text, c.says):
			t.Errorf("%s: %v, want class %s saying %q", c.name, err, c.class, c.says)
		case strings.Contains(f.Text, "Secret"):
			t.Errorf("%s: the message repeats the value: %s", c.name, f.Text)
		}
	}
	r := record()
	r.Source = "ghost"
	if _, err := intake.NewChecker([]intake.Source{hr}, calendar.NewZones()).Check("ghost/1001", r); err == nil || !strings.Contains(err.Error(), "sources/ghost.yaml") {
		t.Errorf("a source nobody knows: %v", err)
	}
}

func TestASourceMaySendOnlyWhatItsAuthorityAllows(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{
		"hr":  "upsert terminate correct_termination reverse_termination rescind suspend resume absent emergency",
		"crm": "upsert absent",
		"soc": "absent emergency",
	}
	c := intake.NewChecker([]intake.Source{hr, crm, soc}, calendar.NewZones())
	for source, kinds := range allowed {
		for kind := range strings.FieldsSeq(allowed["hr"]) {
			r := record()
			r.Source, r.Kind = source, event.RecordKind(kind)
			_, err := c.Check(source+"/1001", r)
			if want := strings.Contains(" "+kinds+" ", " "+kind+" "); (err == nil) != want {
				t.Errorf("%s sends %s: %v", source, kind, err)
			}
		}
	}
}

type directory map[string]event.IdentityID

func (d directory) ByEmployeeNumber(s string) (event.IdentityID, bool) { id, ok := d[s]; return id, ok }
func (d directory) ByEmail(s string) (event.IdentityID, bool)          { id, ok := d[s]; return id, ok }

func TestARecordIsCorrelatedByLinkThenStrongKeysThenAsNew(t *testing.T) {
	t.Parallel()
	r := record()
	both := directory{"1001": "p-number", "ann@acme.example": "p-mail"}
	terminate := r
	terminate.Kind, terminate.Person = event.Terminate, nil
	for _, c := range []struct {
		name   string
		source intake.Source
		record event.SourceRecord
		linked event.IdentityID
		dir    directory
		id     event.IdentityID
		how    string
	}{
		{"the worker is known", hr, r, "p-linked", both, "p-linked", "link"},
		{"both keys are known: the first counts", hr, r, "", both, "p-number", "employee_number"},
		{"only the second key is known", hr, r, "", directory{"ann@acme.example": "p-mail"}, "p-mail", "email"},
		{"a key that is not in the source's list does not count", crm, r, "", directory{"1001": "p-number"}, "", ""},
		{"nobody is known, and the source may hire", hr, r, "", nil, event.IdentityID(event.DeriveID("p", 0, "employee_number", "1001")), "new"},
		{"nobody is known, and the source may not hire", crm, r, "", nil, "", ""},
		{"an end of nobody known does not make somebody", hr, terminate, "", both, "", ""},
	} {
		id, how, found := intake.Correlate(c.source, c.record, c.linked, c.dir)
		if id != c.id || how != c.how || found != (c.id != "") {
			t.Errorf("%s: %q by %q, want %q by %q", c.name, id, how, c.id, c.how)
		}
	}
}

func TestTwoSourcesThatMeetAPersonAtTheSameMomentNameThemAlike(t *testing.T) {
	t.Parallel()
	a, b := record(), record()
	b.Source, b.SourceKey, b.Person.Email = "payroll", "x-9", ""
	payroll := hr
	payroll.Name = "payroll"
	first, _, _ := intake.Correlate(hr, a, "", directory{})
	second, _, _ := intake.Correlate(payroll, b, "", directory{})
	if first != second {
		t.Errorf("%s and %s", first, second)
	}
}

func TestNormalisingTrimsAndLeavesTheRecordOfOthersAlone(t *testing.T) {
	t.Parallel()
	r := record()
	r.Person.Email, r.Person.Department = " Ann@Acme.Example ", "Finance "
	n := intake.Normalise(r)
	if n.Person.Email != "ann@acme.example" || n.Person.Department != "Finance" || r.Person.Department != "Finance " {
		t.Errorf("%+v of %+v", n.Person, r.Person)
	}
}

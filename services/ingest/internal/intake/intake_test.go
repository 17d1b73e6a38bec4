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
		{"a merge with nobody", "invalid", "related_key", func(r *event.SourceRecord) { r.Kind = event.Merge }},
		{"a split from oneself", "invalid", "related_key", func(r *event.SourceRecord) { r.Kind, r.RelatedKey = event.SplitOff, r.SourceKey }},
		{"a source that lifts an emergency", "invalid", "two people do", func(r *event.SourceRecord) { r.Kind = event.EmergencyLift }},
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
		"hr":  "upsert terminate correct_termination reverse_termination rescind suspend resume absent emergency merge split",
		"crm": "upsert absent",
		"soc": "absent emergency",
	}
	c := intake.NewChecker([]intake.Source{hr, crm, soc}, calendar.NewZones())
	for source, kinds := range allowed {
		for kind := range strings.FieldsSeq(allowed["hr"]) {
			r := record()
			r.Source, r.Kind, r.RelatedKey = source, event.RecordKind(kind), "1002"
			_, err := c.Check(source+"/1001", r)
			if want := strings.Contains(" "+kinds+" ", " "+kind+" "); (err == nil) != want {
				t.Errorf("%s sends %s: %v", source, kind, err)
			}
		}
	}
}

// directory has people by number, mail address, worker and likeness.
type directory map[string]event.IdentityID

func (d directory) Entry(event.IdentityID) (event.DirectoryEntry, bool) {
	return event.DirectoryEntry{}, false
}
func (d directory) ByEmployeeNumber(s string) (event.IdentityID, bool) { id, ok := d[s]; return id, ok }
func (d directory) ByEmail(s string) (event.IdentityID, bool)          { id, ok := d[s]; return id, ok }
func (d directory) ByWorker(s string) (event.IdentityID, bool)         { id, ok := d[s]; return id, ok }
func (d directory) Alike(s string) []event.IdentityID {
	if id, ok := d[s]; ok {
		return []event.IdentityID{id}
	}
	return nil
}

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
		m, found := intake.Correlate(c.source, c.record, c.linked, c.dir)
		if m.ID != c.id || m.To != c.id || m.How != c.how || found != (c.id != "") {
			t.Errorf("%s: %+v, want %q by %q", c.name, m, c.id, c.how)
		}
	}
}

func TestTwoSourcesThatMeetAPersonAtTheSameMomentNameThemAlike(t *testing.T) {
	t.Parallel()
	a, b := record(), record()
	b.Source, b.SourceKey, b.Person.Email = "payroll", "x-9", ""
	payroll := hr
	payroll.Name = "payroll"
	first, _ := intake.Correlate(hr, a, "", directory{})
	second, _ := intake.Correlate(payroll, b, "", directory{})
	if first.ID != second.ID {
		t.Errorf("%s and %s", first.ID, second.ID)
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

func TestSomebodyAlikeIsNeverTakenForTheSameOrForANewPersonByAMachine(t *testing.T) {
	t.Parallel()
	r := record()
	r.Person.GivenName, r.Person.FamilyName, r.Person.Attributes = "Ann", "Nováková", map[string]string{"birth_date": "1990-05-17"}
	other := event.Profile{DisplayName: "ANN  Novakova", Attributes: map[string]string{"birth_date": "1990-05-17"}}
	m, found := intake.Correlate(hr, r, "", directory{other.Likeness(): "p-9"})
	if found || len(m.Candidates) != 1 || m.Candidates[0] != "p-9" {
		t.Errorf("%+v, %v", m, found)
	}
	f := intake.ParkedFact(hr, r, m, r.RecordedAt)
	if f.Parked != "weak_match" || len(f.Candidates) != 1 || f.IdentityID == "p-9" {
		t.Errorf("%+v", f)
	}
	for name, spoil := range map[string]func(*event.Profile){
		"another birth date": func(p *event.Profile) { p.Attributes = map[string]string{"birth_date": "1991-05-17"} },
		"no birth date":      func(p *event.Profile) { p.Attributes = nil },
		"another name":       func(p *event.Profile) { p.FamilyName = "Novak" },
	} {
		p := r.Person.Clone()
		spoil(&p)
		if p.Likeness() == other.Likeness() {
			t.Errorf("%s: still alike", name)
		}
	}
}

func TestAMergeGoesToWhoIsAbsorbedAndASplitToWhoHasTheWorker(t *testing.T) {
	t.Parallel()
	r := record()
	r.Kind, r.Person, r.RelatedKey = event.Merge, nil, "1002"
	if m, found := intake.Correlate(hr, r, "p-1", directory{}); found {
		t.Errorf("the other worker is not known: %+v", m)
	}
	if m, found := intake.Correlate(hr, r, "", directory{"hr/1002": "p-2"}); found {
		t.Errorf("the worker itself is not known: %+v", m)
	}
	m, found := intake.Correlate(hr, r, "p-1", directory{"hr/1002": "p-2"})
	if f := intake.NewFact(hr, r, m, r.RecordedAt); !found || f.IdentityID != "p-2" || f.Related != "p-1" {
		t.Errorf("merge: %+v", f)
	}
	r.Kind = event.SplitOff
	m, found = intake.Correlate(hr, r, "p-1", directory{"hr/1002": "p-1"})
	if f := intake.NewFact(hr, r, m, r.RecordedAt); !found || f.IdentityID != "p-1" || f.Related != "" {
		t.Errorf("split: %+v", f)
	}
}

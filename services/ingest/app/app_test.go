package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/directory"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/services/ingest/app"
	"joinery.internal/services/ingest/internal/intake"
)

var start = time.Date(2026, 2, 16, 8, 0, 0, 0, time.UTC)

var sources = []intake.Source{
	{Name: "hr", Authority: intake.Employment, Timezone: "Europe/Prague", Correlate: []string{intake.EmployeeNumber, intake.Email}},
	{Name: "crm", Authority: intake.Profile, Timezone: "Europe/Prague", Correlate: []string{intake.Email}},
	{Name: "soc", Authority: intake.Signal, Timezone: "Europe/Prague", Correlate: []string{intake.Email}},
}

// play is both topologies of ingest, joined in memory; the directory is brought up to date only by sync.
type play struct {
	t       *testing.T
	dir     *directory.Directory
	intake  *streamtest.Harness
	ingest  *streamtest.Harness
	entries []event.DirectoryEntry
}

func open(t *testing.T) *play {
	s := &play{t: t, dir: directory.New()}
	s.intake = streamtest.New(t, app.Intake(sources, s.dir), start)
	s.ingest = streamtest.New(t, app.Ingest(), start)
	return s
}

// says feeds one record and passes on the facts it makes.
func (s *play) says(r event.SourceRecord) {
	s.t.Helper()
	if r.RecordedAt.IsZero() {
		r.RecordedAt = s.intake.Now()
	}
	s.intake.Feed(event.SourceRecords, r.Source+"/"+r.SourceKey, r)
	s.pass()
}

func (s *play) pass() {
	s.t.Helper()
	for _, topic := range []event.Topic{event.UrgentFacts, event.IdentityFacts} {
		for _, f := range streamtest.Out[event.Fact](s.intake, topic) {
			s.ingest.Feed(topic, string(f.IdentityID), f)
		}
		for { // what ingest sends on to itself
			sent := streamtest.Out[event.Fact](s.ingest, topic)
			if len(sent) == 0 {
				break
			}
			for _, f := range sent {
				s.ingest.Feed(topic, string(f.IdentityID), f)
			}
		}
	}
}

// sync lets the directory see what was emitted, and an idle tick pass.
func (s *play) sync() {
	s.t.Helper()
	for _, e := range streamtest.Out[event.DirectoryEntry](s.ingest, event.IdentityDirectory) {
		s.dir.Put(e)
		s.entries = append(s.entries, e)
	}
	s.advance(time.Second)
	s.pass()
}

func (s *play) advance(d time.Duration) {
	s.t.Helper()
	s.intake.Advance(d)
	s.ingest.Advance(d)
}

// happened lists the kinds emitted since the last call.
func (s *play) happened() string {
	s.t.Helper()
	var kinds []string
	for _, e := range streamtest.Out[event.IdentityEvent](s.ingest, event.IdentityEvents) {
		kinds = append(kinds, string(e.Kind))
	}
	return strings.Join(kinds, " ")
}

func (s *play) expect(want string) {
	s.t.Helper()
	if got := s.happened(); got != want {
		s.t.Errorf("happened: %q, want %q", got, want)
	}
}

func hire(key string) event.SourceRecord {
	seq := int64(1)
	return event.SourceRecord{ID: key + "-1", Source: "hr", SourceKey: key, Sequence: &seq, Kind: event.Upsert, Person: &event.Profile{EmployeeNumber: key,
		GivenName: "Ann", Email: "ann." + key + "@acme.example", Department: "Finance", WorkerType: "employee", StartDate: "2026-03-02"}}
}

func TestAHireStartsOnItsFirstDayAlsoAfterARestart(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.says(hire("1001"))
	s.expect("identity.hire")
	s.ingest.Restart()
	s.intake.Restart()
	s.advance(13 * 24 * time.Hour)
	s.expect("")
	s.advance(24 * time.Hour)
	s.expect("identity.started")
	s.says(hire("1001"))
	s.expect("identity.duplicate_ignored")
	s.sync()
	if len(s.entries) != 2 || s.entries[1].Status != event.StatusActive || s.entries[1].EmployeeNumber != "1001" {
		t.Errorf("directory entries: %+v", s.entries)
	}
}

func TestATransitionCarriesWhatEvidenceNeeds(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.says(hire("1001"))
	e := streamtest.Out[event.IdentityEvent](s.ingest, event.IdentityEvents)[0]
	first := time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	if e.EventID == "" || e.IdentityID == "" || e.CaseID != "" || e.CausationID == "" || e.Source != "hr" || e.Actor != "ingest" ||
		!e.EffectiveAt.Equal(first) || !e.KnownAt.Equal(start) || !e.OccurredAt.Equal(start) {
		t.Errorf("meta: %+v", e.Meta)
	}
	if e.Before != nil || e.Person == nil || e.Person.Status != event.StatusPrehire || !e.Person.Start.Equal(first) || e.Person.ID != e.IdentityID {
		t.Errorf("person: %+v before: %+v", e.Person, e.Before)
	}
}

func TestTheSameInputGivesTheSameOutput(t *testing.T) {
	t.Parallel()
	run := func() []event.IdentityEvent {
		s := open(t)
		s.says(hire("1001"))
		s.says(hire("1001"))
		s.advance(30 * 24 * time.Hour)
		return streamtest.Out[event.IdentityEvent](s.ingest, event.IdentityEvents)
	}
	a, b := run(), run()
	seen := map[event.EventID]bool{}
	for i := range a {
		if a[i].EventID != b[i].EventID || seen[a[i].EventID] {
			t.Errorf("event %d: %s and %s", i, a[i].EventID, b[i].EventID)
		}
		seen[a[i].EventID] = true
	}
}

func TestAProfileOfNobodyKnownWaitsAndIsAppliedByItself(t *testing.T) {
	t.Parallel()
	s := open(t)
	profile := event.SourceRecord{ID: "c1", Source: "crm", SourceKey: "77", Kind: event.Upsert, Person: &event.Profile{Email: "Ann.1001@acme.example", Phone: "123"}}
	s.says(profile)
	s.says(profile)
	quarantined := streamtest.Out[event.IdentityEvent](s.ingest, event.IdentityEvents)
	if len(quarantined) != 3 || quarantined[0].Kind != event.Quarantined || quarantined[1].Kind != event.ExceptionOpened ||
		quarantined[1].Class != "quarantined" || quarantined[1].ExceptionID == "" || quarantined[2].Kind != event.DuplicateIgnored {
		t.Fatalf("quarantine: %+v", quarantined)
	}
	s.advance(time.Hour)
	s.says(hire("1001"))
	s.expect("identity.hire")
	s.intake.Restart()
	s.sync()
	out := streamtest.Out[event.IdentityEvent](s.ingest, event.IdentityEvents)
	if len(out) != 2 || out[0].Kind != event.ExceptionResolved || out[1].Kind != event.ProfileChange || out[1].Person.Phone != "123" {
		t.Fatalf("release: %+v", out)
	}
	if out[0].ExceptionID != quarantined[1].ExceptionID || out[0].Resolution != "correlated" || !out[0].OpenedAt.Equal(start) {
		t.Errorf("resolved: %+v, opened: %+v", out[0].Exception, quarantined[1].Exception)
	}
	profile.ID, profile.Person = "c2", &event.Profile{Phone: "456"}
	s.says(profile)
	s.expect("identity.profile_change")
}

func TestAnEndOfAWorkerNotYetKnownWaitsForTheHire(t *testing.T) {
	t.Parallel()
	s := open(t)
	two := int64(2)
	s.says(event.SourceRecord{ID: "e", Source: "hr", SourceKey: "1001", Sequence: &two, Kind: event.Terminate, EffectiveAt: "2026-03-31"})
	s.expect("identity.quarantined exception.opened")
	s.says(hire("1001"))
	s.expect("identity.hire exception.resolved identity.termination_scheduled")
	s.advance(60 * 24 * time.Hour)
	s.expect("identity.started identity.termination")
}

func TestARehireUnderAnotherNumberIsTheSamePersonByMail(t *testing.T) {
	t.Parallel()
	s := open(t)
	first := hire("1001")
	first.Person.StartDate = "2025-01-01"
	s.says(first)
	two := int64(2)
	s.says(event.SourceRecord{ID: "e", Source: "hr", SourceKey: "1001", Sequence: &two, Kind: event.Terminate, EffectiveAt: "2026-01-31"})
	s.sync()
	again := hire("2002")
	again.Person.Email = first.Person.Email
	s.says(again)
	s.expect("identity.hire identity.termination identity.rehire")
	s.sync()
	if s.entries[0].IdentityID != s.entries[len(s.entries)-1].IdentityID {
		t.Errorf("two persons: %+v", s.entries)
	}
}

func TestAnEmergencyReachesThePersonByMail(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.says(hire("1001"))
	s.sync()
	s.says(event.SourceRecord{ID: "x", Source: "soc", SourceKey: "alert-1", Kind: event.Emergency, Reason: "account_takeover", Person: &event.Profile{Email: "ann.1001@acme.example"}})
	out := streamtest.Out[event.IdentityEvent](s.ingest, event.IdentityEvents)
	last := out[len(out)-1]
	if last.Kind != event.EmergencyTermination || last.Reason != "account_takeover" || !last.Person.Emergency {
		t.Errorf("%+v", last)
	}
}

func TestWhatCannotBeTakenIsADeadLetterAndTheNextRecordFlows(t *testing.T) {
	t.Parallel()
	s := open(t)
	bad := hire("1001")
	bad.Person.StartDate = "soon"
	s.says(bad)
	wrongKey := hire("1002")
	wrongKey.RecordedAt = start
	s.intake.Feed(event.SourceRecords, "hr/9999", wrongKey)
	s.intake.FeedRaw(event.SourceRecords, "hr/1003", []byte("not avro"))
	s.says(event.SourceRecord{ID: "m", Source: "hr", SourceKey: "1001", Kind: event.Merge})
	s.says(hire("1001"))
	s.expect("identity.hire")
	var classes []string
	for _, d := range streamtest.Out[event.DeadLetter](s.intake, event.DeadLetters) {
		classes = append(classes, d.Reason)
		if strings.Contains(d.Message, "soon") {
			t.Errorf("the dead letter's message repeats the value: %s", d.Message)
		}
	}
	if want := []string{"invalid", "key", "framing", "invalid"}; !slices.Equal(classes, want) {
		t.Errorf("classes %v, want %v", classes, want)
	}
	s.ingest.Feed(event.IdentityFacts, "p-other", event.Fact{ID: "f", IdentityID: "p-1"})
	if d := streamtest.Out[event.DeadLetter](s.ingest, event.DeadLetters); len(d) != 1 || d[0].Reason != "key" {
		t.Errorf("a fact under another key: %+v", d)
	}
}

func TestAHundredRecordsOfNobodyAreBounded(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 100 {
		s.says(event.SourceRecord{ID: fmt.Sprint(i), Source: "crm", SourceKey: "77", Kind: event.Upsert, Person: &event.Profile{Phone: fmt.Sprint(i)}})
	}
	if d := streamtest.Out[event.DeadLetter](s.intake, event.DeadLetters); len(d) != 36 || !strings.Contains(d[0].Message, "replay") {
		t.Errorf("%d dead letters: %+v", len(d), d[:1])
	}
}

func TestOnlyStrongKeysOfTheConfigurationCorrelate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sources"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := "apiVersion: joinery/v1\nkind: Source\nmetadata: {name: hr}\nspec:\n  authority: employment\n  intake: {records: {}}\n" +
		"  correlate: [display_name, email]\n  timezone: Europe/Prague\n"
	if err := os.WriteFile(filepath.Join(dir, "sources", "hr.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := app.Sources(cfg, nil)
	if len(got) != 1 || got[0].Name != "hr" || got[0].Authority != intake.Employment || got[0].Timezone != "Europe/Prague" || !slices.Equal(got[0].Correlate, []string{"email"}) {
		t.Errorf("%+v", got)
	}
}

func TestWhatAnAdapterRejectedIsADeadLetterOnceWithItsPlaceAndBytes(t *testing.T) {
	t.Parallel()
	s := open(t)
	r := event.Reject{ID: "acme.hr/2/9", Source: "hr", Class: "decode", Message: "the record ends in the middle", Place: "acme.hr/2/9", Topic: "acme.hr",
		Partition: 2, Offset: 9, Key: []byte("7"), Value: []byte(`{"wor`), RejectedAt: start}
	s.intake.Feed(event.SourceRejects, "hr/"+r.ID, r)
	s.intake.Feed(event.SourceRejects, "hr/"+r.ID, r)
	s.intake.FeedRaw(event.SourceRejects, "hr/x", []byte("not avro"))
	letters := streamtest.Out[event.DeadLetter](s.intake, event.DeadLetters)
	if len(letters) != 3 || letters[0].EventID != letters[1].EventID || letters[2].Reason != "framing" {
		t.Fatalf("%+v", letters)
	}
	if d := letters[0]; d.Source != "hr" || d.Reason != "decode" || d.CausationID != r.Place || d.Topic != "acme.hr" || d.Partition != 2 || d.Offset != 9 ||
		string(d.Key) != "7" || string(d.Value) != `{"wor` || d.ExceptionID == "" || d.Class != "dead_letter" {
		t.Errorf("%+v", d)
	}
}

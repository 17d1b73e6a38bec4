package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
)

// events gives what was emitted since the last call, as "identity kind".
func (s *play) events() []event.IdentityEvent {
	s.t.Helper()
	return streamtest.Out[event.IdentityEvent](s.ingest, event.IdentityEvents)
}

func told(events []event.IdentityEvent) string {
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, string(e.Kind))
	}
	return strings.Join(kinds, " ")
}

// two hires two workers who are one human, and returns their identities.
func (s *play) two() (a, b event.IdentityID) {
	s.t.Helper()
	for _, key := range []string{"1001", "2002"} {
		r := hire(key)
		r.Person.StartDate = "2026-01-05"
		s.says(r)
	}
	s.sync()
	a, _ = s.dir.ByWorker("hr/1001")
	b, _ = s.dir.ByWorker("hr/2002")
	if a == "" || b == "" || a == b || s.happened() != "identity.hire identity.hire" {
		s.t.Fatalf("two hires made %q and %q", a, b)
	}
	return a, b
}

func (s *play) moves(id string, kind event.RecordKind) []event.IdentityEvent {
	s.t.Helper()
	s.says(event.SourceRecord{ID: id, Source: "hr", SourceKey: "1001", Kind: kind, RelatedKey: "2002"})
	out := s.events()
	s.sync()
	return out
}

func second(id string, seq int64, kind event.RecordKind, department string) event.SourceRecord {
	r := hire("2002")
	r.ID, r.Sequence, r.Kind = id, &seq, kind
	if r.Person.StartDate, r.Person.Department = "2026-01-05", department; kind != event.Upsert {
		r.Person = nil
	}
	return r
}

func TestAMergeMovesAllWordsOfTheOtherAndASplitGivesThemBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	a, b := s.two()
	out := s.moves("m1", event.Merge)
	if len(out) != 2 || out[0].Kind != event.Merged || out[0].IdentityID != b || out[0].Person.MergedInto != a || out[0].Person.Status != event.StatusActive ||
		out[1].Kind != event.Merged || out[1].IdentityID != a || out[1].Related != b || len(out[1].Person.Spells) != 1 || !slices.Contains(out[1].Changed, "spells") {
		t.Fatalf("merge: %+v", out)
	}
	if id, _ := s.dir.ByEmployeeNumber("2002"); id != a {
		t.Errorf("the number of the absorbed identity names %s", id)
	}
	s.says(second("u", 2, event.Upsert, "Sales"))
	if out = s.events(); told(out) != "identity.transfer" || out[0].IdentityID != a || out[0].Person.Spells[0].Department != "Sales" {
		t.Fatalf("a word about the absorbed: %+v", out)
	}
	s.ingest.Restart()
	if out = s.moves("m1", event.Merge); told(out) != "identity.duplicate_ignored" {
		t.Errorf("the same merge again: %v", told(out))
	}
	out = s.moves("s1", event.SplitOff)
	if len(out) != 2 || out[0].Kind != event.Split || out[0].IdentityID != a || len(out[0].Person.Spells) != 0 ||
		out[1].IdentityID != b || out[1].Person.MergedInto != "" || out[1].Person.Department != "Sales" || out[1].Person.Status != event.StatusActive {
		t.Fatalf("split: %+v", out)
	}
	if id, _ := s.dir.ByEmployeeNumber("2002"); id != b {
		t.Errorf("after the split the number names %s", id)
	}
	s.says(second("t", 3, event.Terminate, ""))
	if out = s.events(); told(out) != "identity.termination" || out[0].IdentityID != b {
		t.Errorf("a word after the split: %+v", out)
	}
	if out = s.moves("m1", event.Merge); told(out) != "identity.duplicate_ignored" {
		t.Errorf("the old merge, re-emitted after the split: %v", told(out))
	}
}

func TestAHoldOnWhoWereOneStandsForBothWhenTheyPart(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.two()
	s.moves("m1", event.Merge)
	s.says(event.SourceRecord{ID: "x", Source: "soc", SourceKey: "alert-1", Kind: event.Emergency, Person: &event.Profile{Email: "ann.2002@acme.example"}})
	if out := s.events(); told(out) != "identity.emergency_termination" {
		t.Fatalf("%+v", out)
	}
	for _, e := range s.moves("s1", event.SplitOff) {
		if !e.Person.Emergency {
			t.Errorf("%s is free", e.IdentityID)
		}
	}
}

func TestAWorkerTakenForSomebodyElseBecomesANewPersonWhenSplitOff(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.says(hire("1001"))
	s.sync()
	other := hire("2002")
	other.Person.Email = "ann.1001@acme.example" // a shared mailbox misleads
	s.says(other)
	s.sync()
	s.events()
	a, _ := s.dir.ByWorker("hr/2002")
	out := s.moves("s1", event.SplitOff)
	if len(out) != 2 || out[0].IdentityID != a || out[1].IdentityID == a || out[1].Before != nil || out[1].Person.EmployeeNumber != "2002" {
		t.Fatalf("%+v", out)
	}
	s.says(second("u", 2, event.Upsert, "Sales"))
	if last := s.events(); len(last) == 0 || last[0].IdentityID != out[1].IdentityID {
		t.Errorf("a word after the split: %+v", last)
	}
	if again := s.moves("s2", event.SplitOff); told(again) != "identity.stale_ignored" {
		t.Errorf("the last worker split off: %v", told(again))
	}
}

func TestAMergeThatNamesAWorkerNotYetKnownWaitsForThem(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.says(hire("1001"))
	s.sync()
	s.events()
	if out := s.moves("m1", event.Merge); told(out) != "identity.quarantined exception.opened" {
		t.Fatalf("%v", told(out))
	}
	s.says(hire("2002"))
	s.expect("identity.hire")
	s.sync()
	s.expect("exception.resolved identity.merged identity.merged")
}

func TestTwoWhoAreMergedIntoEachOtherAtOnceAreOne(t *testing.T) {
	t.Parallel()
	s := open(t)
	a, b := s.two()
	for _, keys := range [][2]string{{"1001", "2002"}, {"2002", "1001"}} { // before the directory knows of either
		s.intake.Feed(event.SourceRecords, "hr/"+keys[0], event.SourceRecord{ID: "m" + keys[0], Source: "hr", SourceKey: keys[0], RecordedAt: start, Kind: event.Merge, RelatedKey: keys[1]})
	}
	s.pass()
	s.sync()
	one, _ := s.dir.ByWorker("hr/1001")
	other, _ := s.dir.ByWorker("hr/2002")
	if one != other || one != min(a, b) {
		t.Errorf("%s and %s, of %s and %s", one, other, a, b)
	}
}

func like(key, born string) event.SourceRecord {
	r := hire(key)
	r.Person.StartDate, r.Person.FamilyName, r.Person.Attributes = "2026-01-05", "Berg", map[string]string{"birth_date": born}
	return r
}

func TestSomebodyAlikeIsAHumanCase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, same string }{{"the same human", "yes"}, {"another human", ""}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.says(like("1001", "1990-05-17"))
			s.sync()
			s.events()
			first, _ := s.dir.ByWorker("hr/1001")
			s.says(like("2002", "1990-05-17"))
			out := s.events()
			if told(out) != "identity.quarantined exception.opened" || out[0].Reason != "weak_match" || !slices.Equal(out[0].Candidates, []event.IdentityID{first}) {
				t.Fatalf("%+v", out)
			}
			s.sync()
			s.expect("") // no machine decides that
			answer := event.IntakeCommand{ID: "c1", Source: "hr", SourceKey: "2002", Actor: "p-hr", Reason: "asked her"}
			if c.same != "" {
				answer.IdentityID = first
			}
			s.intake.Feed(event.IntakeCommands, "hr/2002", answer)
			s.pass()
			out = s.events()
			if len(out) != 2 || out[0].Kind != event.ExceptionResolved || out[0].Resolution != "person" || out[0].Actor != "p-hr" || (out[1].IdentityID == first) != (c.same != "") {
				t.Fatalf("%+v", out)
			}
			s.intake.Feed(event.IntakeCommands, "hr/2002", answer)
			if d := streamtest.Out[event.DeadLetter](s.intake, event.DeadLetters); len(d) != 1 || !strings.Contains(d[0].Message, "no record of this worker waits") {
				t.Errorf("the same word again: %+v", d)
			}
		})
	}
}

func TestTwoPeopleLiftAnEmergencyThatNoFeedLifts(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.says(hire("1001"))
	s.sync()
	id, _ := s.dir.ByWorker("hr/1001")
	s.says(event.SourceRecord{ID: "x", Source: "soc", SourceKey: "alert-1", Kind: event.Emergency, Person: &event.Profile{Email: "ann.1001@acme.example"}})
	s.says(event.SourceRecord{ID: "l", Source: "hr", SourceKey: "1001", Kind: event.EmergencyLift})
	if d := streamtest.Out[event.DeadLetter](s.intake, event.DeadLetters); len(d) != 1 || !strings.Contains(d[0].Message, "two people") {
		t.Errorf("a source lifts: %+v", d)
	}
	s.events()
	s.advance(time.Minute)
	lift := event.Fact{ID: "l-1", IdentityID: id, Authority: "signal", KnownAt: s.ingest.Now(), Record: event.SourceRecord{ID: "l-1", Source: event.OwnSource,
		SourceKey: string(id), RecordedAt: s.ingest.Now(), Kind: event.EmergencyLift, Reason: "false_alarm"}}
	s.ingest.Feed(event.UrgentFacts, string(id), lift)
	out := s.events()
	if told(out) != "identity.emergency_lifted" || out[0].Person.Emergency || out[0].Reason != "false_alarm" {
		t.Fatalf("%+v", out)
	}
	s.ingest.Feed(event.UrgentFacts, string(id), lift)
	s.expect("identity.duplicate_ignored")
	s.says(event.SourceRecord{ID: "y", Source: "soc", SourceKey: "alert-2", Kind: event.Emergency, Person: &event.Profile{Email: "ann.1001@acme.example"}})
	s.expect("identity.emergency_termination") // at the very moment of the lift: most restrictive wins
}

func TestAnObservedSignalIsARowOfThePersonAndOfNobodyKnownWaitsForNobody(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.says(hire("1001"))
	s.sync()
	s.expect("identity.hire")
	observed := func(mail string) *event.IdentityEvent {
		s.says(event.SourceRecord{ID: "o-" + mail, Source: "soc", SourceKey: mail, Kind: event.Observation, Reason: "risk-level-change", Person: &event.Profile{Email: mail}})
		out := streamtest.Out[event.IdentityEvent](s.ingest, event.IdentityEvents)
		if len(out) != 1 || out[0].Kind != event.SignalObserved || out[0].Reason != "risk-level-change" || out[0].Source != "soc" {
			t.Fatalf("of %s: %+v", mail, out)
		}
		return &out[0]
	}
	if e := observed("ann.1001@acme.example"); e.Person == nil || e.Person.EmployeeNumber != "1001" {
		t.Errorf("of somebody known: %+v", e.Person)
	}
	if e := observed("nobody@acme.example"); e.Person != nil {
		t.Errorf("of nobody: %+v", e.Person)
	}
	s.says(event.SourceRecord{ID: "x", Source: "soc", SourceKey: "ann.1001@acme.example", Kind: event.Emergency, Person: &event.Profile{Email: "ann.1001@acme.example"}})
	s.expect("identity.emergency_termination")
}

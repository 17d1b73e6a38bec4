package lifecycle

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// The plays of the properties lie in these days; everything is known by the end.
var (
	begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end   = begin.AddDate(0, 0, 120)
)

func day(rt *rapid.T, label string) string {
	return begin.AddDate(0, 0, rapid.IntRange(-10, 140).Draw(rt, label)).Format("2006-01-02")
}

func anyProfile(rt *rapid.T) *event.Profile {
	maybe := func(label string, values ...string) string {
		return rapid.SampledFrom(append(values, "")).Draw(rt, label)
	}
	p := &event.Profile{GivenName: "Ann", Department: maybe("department", "Finance", "Sales"), Phone: maybe("phone", "1", "2"),
		WorkerType: maybe("type", "employee", "contractor"), Timezone: maybe("zone", "Europe/Prague", "Pacific/Auckland")}
	if rapid.Bool().Draw(rt, "has start") {
		p.StartDate = day(rt, "start")
	}
	if rapid.IntRange(0, 3).Draw(rt, "has end") == 0 {
		p.EndDate = day(rt, "end")
	}
	return p
}

var kinds = []event.RecordKind{event.Upsert, event.Upsert, event.Upsert, event.Terminate, event.CorrectTermination,
	event.ReverseTermination, event.Rescind, event.Suspend, event.Resume, event.Absent}

// anyFacts are up to n facts of a person: numbered ones of an employment source, a few of others.
func anyFacts(rt *rapid.T, n int) []event.Fact {
	var out []event.Fact
	for i := range rapid.IntRange(1, n).Draw(rt, "facts") {
		seq := int64(i + 1)
		known := begin.Add(time.Duration(rapid.IntRange(0, 110*24).Draw(rt, "known")) * time.Hour)
		r := event.SourceRecord{ID: fmt.Sprint(i), Source: "hr", SourceKey: "7", Sequence: &seq, Kind: rapid.SampledFrom(kinds).Draw(rt, "kind"),
			RecordedAt: known.Add(-time.Duration(rapid.IntRange(-2, 100).Draw(rt, "lag")) * time.Hour)}
		f := event.Fact{ID: fmt.Sprint("f-", i), Authority: employing, Timezone: "Europe/Prague", KnownAt: known}
		switch rapid.IntRange(0, 9).Draw(rt, "source") {
		case 0:
			r.Source, f.Authority, r.Kind = "crm", "profile", event.Upsert
		case 1:
			r.Source, f.Authority, r.Kind = "soc", "signal", event.Emergency
		}
		if rapid.Bool().Draw(rt, "dated") {
			r.EffectiveAt = day(rt, "effective")
		}
		if r.Kind == event.Upsert {
			r.Person = anyProfile(rt)
		}
		f.Record, f.IdentityID = r, "p-1"
		out = append(out, f)
	}
	return out
}

func decide(t interface{ Fatal(...any) }, m Model, s State, f event.Fact, recordID string, now time.Time) Decision {
	d, err := m.Decide(s, f, recordID, now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// play hands over facts at rising moments and returns the state at the end.
func play(rt *rapid.T, m Model, facts []event.Fact) State {
	var s State
	now := end.Add(-time.Duration(len(facts)+1) * 10 * time.Hour)
	for i, f := range facts {
		now = now.Add(time.Duration(rapid.IntRange(0, 10).Draw(rt, "wait")) * time.Hour)
		d := decide(rt, m, s, f, fmt.Sprint(i), now)
		told(rt, m, s, d)
		s = reread(rt, d.State)
	}
	d := m.Due(s, "p-1", "end", end)
	told(rt, m, s, d)
	return reread(rt, d.State)
}

// told checks that whatever differs of the person is in a transition, and that the transitions show the person as is.
func told(rt *rapid.T, m Model, before State, d Decision) {
	was, is := look(m.tracks(before), before.At).person("p-1"), look(m.tracks(d.State), d.State.At).person("p-1")
	var last *event.Person
	for _, e := range d.Events {
		if err := e.Valid(); err != nil {
			rt.Fatal(err)
		}
		if e.Person != nil {
			last = e.Person
		}
	}
	if last == nil && !reflect.DeepEqual(was, is) {
		rt.Fatalf("nobody was told that\n%+v became\n%+v", was, is)
	}
	if last != nil && !reflect.DeepEqual(last, is) {
		rt.Fatalf("others were told\n%+v\nbut it is\n%+v", last, is)
	}
	if !d.Next.IsZero() && d.Next.UnixMilli() <= d.State.At {
		rt.Fatalf("the next look at %s is not after this one", d.Next)
	}
}

func reread(rt *rapid.T, s State) State {
	b, err := s.AppendBinary(nil)
	if err != nil {
		rt.Fatal(err)
	}
	var out State
	if err := out.UnmarshalBinary(b); err != nil {
		rt.Fatal(err)
	}
	if !reflect.DeepEqual(s, out) {
		rt.Fatalf("the state is not what was kept:\n%+v\n%+v", s, out)
	}
	return out
}

func TestTheOrderOfArrivalAndDuplicatesDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := New(calendar.NewZones())
		facts := anyFacts(rt, 14)
		inOrder := play(rt, m, facts)
		mixed := rapid.Permutation(append(slices.Clone(facts), facts[:len(facts)/2]...)).Draw(rt, "arrival")
		if got := play(rt, m, mixed); !reflect.DeepEqual(got, inOrder) {
			rt.Fatalf("the state depends on the order of arrival:\n%+v\n%+v", inOrder, got)
		}
	})
}

func TestAnOlderEnablingWordNeverUndoesAnEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := New(calendar.NewZones())
		first, last := int64(1), int64(100)
		hire := event.Fact{ID: "hire", IdentityID: "p-1", Authority: employing, Timezone: "UTC", KnownAt: begin, Record: event.SourceRecord{
			Source: "hr", SourceKey: "7", Sequence: &first, Kind: event.Upsert, RecordedAt: begin, Person: &event.Profile{StartDate: "2026-01-01", WorkerType: "contractor"}}}
		leave := event.Fact{ID: "leave", IdentityID: "p-1", Authority: employing, Timezone: "UTC", KnownAt: begin.AddDate(0, 0, 30),
			Record: event.SourceRecord{Source: "hr", SourceKey: "7", Sequence: &last, Kind: event.Terminate, RecordedAt: begin.AddDate(0, 0, 30)}}
		s := decide(rt, m, State{}, hire, "1", begin).State
		s = decide(rt, m, s, leave, "2", leave.KnownAt).State
		for i := range rapid.IntRange(1, 10).Draw(rt, "older words") {
			seq := int64(i + 2)
			f := event.Fact{ID: fmt.Sprint(i), IdentityID: "p-1", Authority: employing, Timezone: "UTC", KnownAt: end, Record: event.SourceRecord{
				Source: "hr", SourceKey: "7", Sequence: &seq, RecordedAt: begin.AddDate(0, 0, rapid.IntRange(0, 100).Draw(rt, "recorded")),
				Kind: rapid.SampledFrom([]event.RecordKind{event.Upsert, event.Resume, event.ReverseTermination}).Draw(rt, "kind")}}
			if f.Record.Kind == event.Upsert {
				f.Record.Person = rapid.SampledFrom([]*event.Profile{
					{StartDate: "2026-01-01", Department: "Finance"},
					{StartDate: "2026-04-15", WorkerType: "employee"}, // a plan
				}).Draw(rt, "says")
			}
			d := decide(rt, m, s, f, fmt.Sprint("x", i), end)
			if s = d.State; d.Entry != nil && d.Entry.Status != event.StatusEnded {
				rt.Fatalf("%s of sequence %d made the person %s", f.Record.Kind, seq, d.Entry.Status)
			}
		}
	})
}

func typical(i int) event.Fact {
	seq := int64(i + 1)
	at := begin.AddDate(0, 0, i)
	p := &event.Profile{EmployeeNumber: "100123", GivenName: "Annabelle", FamilyName: "Featherstone", Email: "annabelle.featherstone@acme.example",
		Phone: fmt.Sprintf("+420 123 456 %03d", i), Department: "Finance", Company: "Acme Industries", CostCentre: "CC-4711", Location: "Prague", Title: "Senior accountant",
		Manager: "100007", WorkerType: "employee", StartDate: "2026-01-05", Timezone: "Europe/Prague"}
	r := event.SourceRecord{ID: fmt.Sprint(i), Source: "hr", SourceKey: "100123", Sequence: &seq, RecordedAt: at, Kind: event.Upsert, Person: p}
	return event.Fact{ID: event.DeriveID("f", 0, "hr", r.ID), IdentityID: "p-1", Authority: employing, Timezone: "Europe/Prague", KnownAt: at, Record: r}
}

func sizeAfter(t *testing.T, n int) (State, int) {
	m := New(calendar.NewZones())
	var s State
	for i := range n {
		s = decide(t, m, s, typical(i), fmt.Sprint(i), begin.AddDate(0, 0, i)).State
	}
	b, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, len(b)
}

func TestTenFactsAboutAPersonTakeLessThanTwoKilobytes(t *testing.T) {
	t.Parallel()
	if _, size := sizeAfter(t, 10); size > 2048 {
		t.Errorf("ten facts take %d bytes", size)
	}
}

func TestTheStateStaysBoundedAndOldWordsAreNamedStale(t *testing.T) {
	t.Parallel()
	s, size := sizeAfter(t, 1000)
	if size > 6000 {
		t.Errorf("a thousand facts take %d bytes", size)
	}
	m := New(calendar.NewZones())
	old := typical(3)
	old.ID = "another"
	d := decide(t, m, s, old, "x", begin.AddDate(3, 0, 0))
	if len(d.Events) != 1 || d.Events[0].Kind != event.StaleIgnored || d.Events[0].Reason != reasonHistory {
		t.Errorf("a word of before history: %+v", d.Events)
	}
	if p := look(m.tracks(d.State), d.State.At).person("p-1"); p.Phone != "+420 123 456 999" || p.StartDate != "2026-01-05" || p.Status != event.StatusActive {
		t.Errorf("the person after a thousand facts: %+v", p)
	}
}

func BenchmarkAFactAboutAPersonWithTenFacts(b *testing.B) {
	m := New(calendar.NewZones())
	var s State
	for i := range 10 {
		s = decide(b, m, s, typical(i), fmt.Sprint(i), begin.AddDate(0, 0, i)).State
	}
	kept, err := s.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	next := typical(10)
	b.ReportAllocs()
	for b.Loop() {
		var s State
		if err := s.UnmarshalBinary(kept); err != nil {
			b.Fatal(err)
		}
		d := decide(b, m, s, next, "x", begin.AddDate(0, 0, 10))
		if _, err := d.State.AppendBinary(nil); err != nil {
			b.Fatal(err)
		}
	}
}

func TestALateLookTellsWhatLooksInTimeWouldHave(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := New(calendar.NewZones())
		var s State
		for i, f := range anyFacts(rt, 8) {
			s = decide(rt, m, s, f, fmt.Sprint(i), begin).State
		}
		tell := func(d Decision) (out []string) {
			for _, e := range d.Events {
				out = append(out, fmt.Sprintf("%s by %s from %s, changed %v: %+v", e.Kind, e.CausationID, e.EffectiveAt, e.Changed, *e.Person))
			}
			return out
		}
		late := tell(m.Due(s, "p-1", "late", end.AddDate(0, 2, 0)))
		var inTime []string
		for next := m.Due(s, "p-1", "now", begin); !next.Next.IsZero(); {
			next = m.Due(next.State, "p-1", "due", next.Next)
			inTime = append(inTime, tell(next)...)
		}
		if !reflect.DeepEqual(late, inTime) {
			rt.Fatalf("told late:\n%s\nin time:\n%s", strings.Join(late, "\n"), strings.Join(inTime, "\n"))
		}
	})
}

func TestAnAlarmOlderThanAllThatIsKeptStillStands(t *testing.T) {
	t.Parallel()
	m := New(calendar.NewZones())
	s, _ := sizeAfter(t, 100)
	alarm := typical(3)
	alarm.ID, alarm.Record.Kind, alarm.Record.Person, alarm.KnownAt = "alarm", event.Emergency, nil, begin.AddDate(1, 0, 0)
	for range 2 {
		s = decide(t, m, s, alarm, "x", alarm.KnownAt).State
		if !look(m.tracks(s), s.At).held {
			t.Fatal("an alarm that came late holds nobody")
		}
	}
	lift := event.Fact{ID: "lift", IdentityID: "p-1", Authority: signal, Timezone: "UTC", KnownAt: alarm.KnownAt.Add(time.Hour),
		Record: event.SourceRecord{Source: event.OwnSource, SourceKey: "p-1", Kind: event.EmergencyLift, RecordedAt: alarm.KnownAt.Add(time.Hour)}}
	s = decide(t, m, s, lift, "y", lift.KnownAt).State
	for i := range 40 { // the alarm is folded into the base
		f := typical(200 + i)
		f.KnownAt = lift.KnownAt.Add(time.Duration(i) * time.Hour)
		s = decide(t, m, s, f, fmt.Sprint("z", i), f.KnownAt).State
	}
	alarm.KnownAt = lift.KnownAt.AddDate(0, 1, 0)
	if s = decide(t, m, s, alarm, "again", alarm.KnownAt).State; look(m.tracks(s), s.At).held {
		t.Fatal("an alarm said again after its lift holds again")
	}
}

func TestAnEndOlderThanAllThatIsKeptEndsWhoHasNotBeenEnded(t *testing.T) {
	t.Parallel()
	m := New(calendar.NewZones())
	s, _ := sizeAfter(t, 100)
	last := typical(3)
	last.ID, last.Record.Kind, last.Record.Person, last.KnownAt = "end", event.Terminate, nil, begin.AddDate(1, 0, 0)
	s = decide(t, m, s, last, "x", last.KnownAt).State
	if p := look(m.tracks(s), s.At).person("p-1"); p.Status != event.StatusEnded {
		t.Fatalf("an end that came late ends nobody: %+v", p)
	}
	for i := range 40 {
		f := typical(200 + i)
		if i == 0 {
			f.Record.Kind, f.Record.Person = event.ReverseTermination, nil
		}
		s = decide(t, m, s, f, fmt.Sprint("y", i), last.KnownAt.Add(time.Duration(i)*time.Hour)).State
	}
	last.ID = "another"
	s = decide(t, m, s, last, "z", last.KnownAt.AddDate(0, 1, 0)).State
	if p := look(m.tracks(s), s.At).person("p-1"); p.Status != event.StatusActive {
		t.Fatalf("an end older than its reversal counts: %+v", p)
	}
}

func TestAPrefixReplayedGivesTheSameTransitions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := New(calendar.NewZones())
		facts := anyFacts(rt, 14)
		run := func(n int) (out []event.IdentityEvent) {
			var s State
			for i, f := range facts[:n] {
				d := decide(rt, m, s, f, fmt.Sprint(i), begin.AddDate(0, 0, 110+i))
				for _, e := range d.Events {
					out = append(out, *e)
				}
				s = reread(rt, d.State)
			}
			return out
		}
		all, prefix := run(len(facts)), run(rapid.IntRange(0, len(facts)).Draw(rt, "prefix"))
		if len(prefix) > 0 && !reflect.DeepEqual(all[:len(prefix)], prefix) {
			rt.Fatalf("a prefix tells\n%+v\nall of it\n%+v", prefix, all)
		}
	})
}

package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/pkg/wire"
)

// hot is what must not wait for what was written before it.
type hot struct {
	name   string
	topic  event.Topic
	record event.SourceRecord
	gives  event.Kind
}

// Who has to be out must not wait for what was written before. The bulk below would hold each up by many seconds.
func TestAnEmergencyAndALeaverOvertakeABacklogOfBulkRecords(t *testing.T) {
	const bulk = 50_000
	l := openLoaded(t)
	person := func(i int) event.SourceRecord {
		number := fmt.Sprint(1_000_000 + i)
		return event.SourceRecord{ID: "b" + number, Source: "hr", SourceKey: number, RecordedAt: historyEnd, Kind: event.Upsert, Person: &event.Profile{EmployeeNumber: number,
			GivenName: "Ann", FamilyName: "Berg-" + number, Email: number + "@acme.example", Department: "Finance", WorkerType: "employee", StartDate: "2026-01-05"}}
	}
	end := event.SourceRecord{ID: "t1", Source: "hr", SourceKey: "1000001", RecordedAt: historyEnd, Kind: event.Terminate, EffectiveAt: "2026-01-10"}
	own := end
	own.ID, own.SourceKey = "t2", "1000002"
	ended := person(3)
	ended.ID, ended.Person.EndDate = "t3", historyEnd.AddDate(0, 0, -2).Format(time.DateOnly)
	hots := []hot{
		{"an emergency", event.UrgentRecords, event.SourceRecord{ID: "x", Source: "soc", SourceKey: "alert-1", RecordedAt: historyEnd, Kind: event.Emergency,
			Person: &event.Profile{EmployeeNumber: "1000000"}}, event.EmergencyTermination},
		{"a termination by an adapter", end.Topic(), end, event.Termination},
		{"a termination that its source writes itself", event.SourceRecords, own, event.Termination},
		{"an upsert with an end of the day before yesterday", event.SourceRecords, ended, event.Termination},
	}
	l.run()
	for i := range hots {
		l.produce(event.SourceRecords, person(i))
	}
	l.flush()
	l.wait(len(hots))
	for i := range bulk {
		l.produce(event.SourceRecords, person(i+len(hots)))
	}
	l.flush()
	behind := bulk - l.handled("ingest")
	events := l.follow(event.IdentityEvents)
	defer events.Close()
	began := time.Now()
	for _, h := range hots {
		l.produce(h.topic, h.record)
	}
	l.flush()
	waiting := map[event.IdentityID]hot{}
	for i, h := range hots {
		waiting[event.IdentityID(event.DeriveID("p", 0, "employee_number", person(i).SourceKey))] = h
	}
	for len(waiting) > 0 {
		fetches := events.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for r := range fetches.RecordsAll() {
			var e event.IdentityEvent
			if err := l.codec.Decode(r.Value, r.Topic, &e); err != nil {
				t.Fatal(err)
			}
			h, ok := waiting[e.IdentityID]
			if !ok || e.Kind != h.gives {
				continue
			}
			delete(waiting, e.IdentityID)
			left := bulk - l.handled("ingest")
			t.Logf("%s behind %d records came out after %s, while %d of them still waited", h.name, behind, time.Since(began).Round(time.Millisecond), left)
			if left < behind/3 {
				t.Errorf("only %d of %d bulk records were overtaken", left, behind)
			}
		}
	}
}

// terminate ends the worker 1001 at a day.
func terminate(day string) event.SourceRecord {
	two := int64(2)
	return event.SourceRecord{ID: "e", Source: "hr", SourceKey: "1001", Sequence: &two, RecordedAt: start, Kind: event.Terminate, EffectiveAt: day}
}

func TestAnEndOvertakesWhatIsSaidOfSomebodyKnownButNotItsOwnHire(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.intake.Feed(event.SourceRecords, "hr/1001", func() event.SourceRecord { r := hire("1001"); r.RecordedAt = start; return r }())
	s.intake.Feed(event.UrgentRecords, "hr/1001", terminate("2026-03-31"))
	if facts, urgent := streamtest.Out[event.Fact](s.intake, event.IdentityFacts), streamtest.Out[event.Fact](s.intake, event.UrgentFacts); len(facts) != 2 || len(urgent) != 0 {
		t.Errorf("before the directory knows of the hire: %d facts in order, %d by the fast lane", len(facts), len(urgent))
	}
	s = open(t)
	s.says(hire("1001"))
	s.sync()
	s.intake.Feed(event.SourceRecords, "hr/1001", terminate("2026-03-31"))
	if urgent := streamtest.Out[event.Fact](s.intake, event.UrgentFacts); len(urgent) != 1 {
		t.Errorf("of somebody known: %d facts by the fast lane", len(urgent))
	}
}

func TestAnEndThatOvertookItsHireGoesBackBehindIt(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.intake.Feed(event.UrgentRecords, "hr/1001", terminate("2026-03-31"))
	back := streamtest.Out[event.SourceRecord](s.intake, event.SourceRecords)
	if len(back) != 1 || back[0].ID != "e" {
		t.Fatalf("went back: %+v", back)
	}
	s.says(hire("1001"))
	s.says(back[0])
	s.expect("identity.hire identity.termination_scheduled")
}

func TestACopyThatRanAheadOfItsHireIsDroppedAndTheOriginalCounts(t *testing.T) {
	t.Parallel()
	s := open(t)
	end, err := wire.New(wire.Static()).Encode(string(event.UrgentRecords), terminate("2026-03-31"))
	if err != nil {
		t.Fatal(err)
	}
	ahead := func() {
		if err := s.intake.FeedWith(map[string][]byte{"jml-ahead": nil}, event.UrgentRecords, "hr/1001", end); err != nil {
			t.Fatal(err)
		}
		s.pass()
	}
	ahead()
	s.expect("")
	s.says(hire("1001"))
	s.sync()
	s.expect("identity.hire")
	ahead()
	s.expect("identity.termination_scheduled")
	s.says(terminate("2026-03-31"))
	s.expect("identity.duplicate_ignored")
}

func TestABadRecordThatIsCopiedIsADeadLetterOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	bad, err := wire.New(wire.Static()).Encode(string(event.UrgentRecords), terminate("soon"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.intake.FeedWith(map[string][]byte{"jml-ahead": nil}, event.UrgentRecords, "hr/1001", bad); err != nil {
		t.Fatal(err)
	}
	s.says(terminate("soon"))
	if letters := streamtest.Out[event.DeadLetter](s.intake, event.DeadLetters); len(letters) != 1 || letters[0].Topic != string(event.SourceRecords) {
		t.Errorf("dead letters: %+v", letters)
	}
}

// follow reads a topic from now on.
func (l *loaded) follow(topic event.Topic) *kgo.Client {
	l.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(l.broker), kgo.ConsumeTopics(string(topic)), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

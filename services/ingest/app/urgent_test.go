package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// An emergency must not wait for what was written before it. The bulk below would hold it up by many seconds.
func TestAnEmergencyOvertakesABacklogOfBulkRecords(t *testing.T) {
	const bulk = 50_000
	l := openLoaded(t)
	person := func(i int) event.SourceRecord {
		number := fmt.Sprint(1_000_000 + i)
		return event.SourceRecord{ID: "b" + number, Source: "hr", SourceKey: number, RecordedAt: historyEnd, Kind: event.Upsert, Person: &event.Profile{EmployeeNumber: number,
			GivenName: "Ann", FamilyName: "Berg-" + number, Email: number + "@acme.example", Department: "Finance", WorkerType: "employee", StartDate: "2026-01-05"}}
	}
	l.run()
	l.produce(event.SourceRecords, person(0))
	l.flush()
	l.wait(1)
	for i := range bulk {
		l.produce(event.SourceRecords, person(i+1))
	}
	l.flush()
	behind := bulk - l.handled("ingest")
	events := l.follow(event.IdentityEvents)
	defer events.Close()
	began := time.Now()
	l.produce(event.UrgentRecords, event.SourceRecord{ID: "x", Source: "soc", SourceKey: "alert-1", RecordedAt: historyEnd, Kind: event.Emergency, Person: &event.Profile{EmployeeNumber: "1000000"}})
	l.flush()
	for {
		fetches := events.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for r := range fetches.RecordsAll() {
			var e event.IdentityEvent
			if err := l.codec.Decode(r.Value, r.Topic, &e); err != nil {
				t.Fatal(err)
			}
			if e.Kind == event.EmergencyTermination {
				left := bulk + 1 - l.handled("ingest")
				t.Logf("an emergency behind %d records came out after %s, while %d of them still waited", behind, time.Since(began).Round(time.Millisecond), left)
				if left < behind/3 {
					t.Errorf("only %d of %d bulk records were overtaken", left, behind)
				}
				return
			}
		}
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

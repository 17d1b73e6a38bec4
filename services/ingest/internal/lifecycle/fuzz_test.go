package lifecycle

import (
	"reflect"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
)

// FuzzState reads any bytes as a state. What can be read is written and read again alike, and can be decided on.
func FuzzState(f *testing.F) {
	m := New(calendar.NewZones())
	var s State
	for i := range 40 {
		s = decide(f, m, s, typical(i), "x", begin.AddDate(0, 0, i)).State
		if b, err := s.AppendBinary(nil); err == nil && (i < 3 || i == 39) {
			f.Add(b)
		}
	}
	s.Into, s.Gone, s.Moves = "p-2", []gone{{"hr", "8", "p-3"}}, []string{"f-1"}
	if b, err := s.AppendBinary(nil); err == nil {
		f.Add(b)
	}
	f.Add(append([]byte{codecVersion, 0, 0, 0, 0, 1, 2, 'h', 2, '7', 20}, "employment\x00\x00\x12{\"t\":{\"s\":[{}]}}\x01\x08"...)) // a base that lacks what is always there
	f.Fuzz(func(t *testing.T, b []byte) {
		var s State
		if s.UnmarshalBinary(b) != nil {
			return
		}
		again, err := s.AppendBinary(nil)
		if err != nil {
			t.Skip("a base that JSON cannot write")
		}
		var out State
		if err := out.UnmarshalBinary(again); err != nil || len(s.Feeds) > 0 && !reflect.DeepEqual(s.Feeds[0].facts, out.Feeds[0].facts) {
			t.Fatalf("%v: %+v became %+v", err, s, out)
		}
		if len(s.Feeds) < 8 && s.At > -1e15 && s.At < 1e15 {
			New(calendar.NewZones()).Due(s, "p-1", "x", time.UnixMilli(s.At))
		}
	})
}

// FuzzFact folds a fact with any words in it.
func FuzzFact(f *testing.F) {
	f.Add("2026-03-02", "2026-12-31", "Europe/Prague", "2026-03-02T09:00:00Z", "upsert", int64(1), int64(1_770_000_000_000))
	f.Add("9999-12-31", "0001-01-01", "", "", "terminate", int64(-1), int64(0))
	f.Add("2024-02-29", "1899-01-01", "Local", "2026-02-30", "lift", int64(1<<62), int64(-1<<50))
	f.Fuzz(func(t *testing.T, start, end, zone, effective, kind string, seq, recorded int64) {
		m := New(calendar.NewZones())
		fact := typical(0)
		fact.Record.Kind, fact.Record.EffectiveAt, fact.Record.Sequence, fact.Record.RecordedAt = event.RecordKind(kind), effective, &seq, time.UnixMilli(recorded%(1<<52))
		fact.Record.Person = &event.Profile{StartDate: start, EndDate: end, Timezone: zone}
		var s State
		for i, f := range []event.Fact{typical(1), fact, typical(2)} {
			d, err := m.Decide(s, f, "x", begin.AddDate(0, 0, i))
			if err != nil {
				return
			}
			b, err := d.State.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			s = State{}
			if err := s.UnmarshalBinary(b); err != nil {
				t.Fatal(err)
			}
		}
	})
}

package lifecycle_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/ingest/internal/calendar"
	"joinery.internal/services/ingest/internal/lifecycle"
	"joinery.internal/services/ingest/internal/reference"
)

// arrival is a fact and when it came: what a history is made of, and how a regression is kept in testdata/histories.
type arrival struct {
	At   time.Time  `json:"at"`
	Fact event.Fact `json:"fact"`
}

func TestAHundredThousandRandomLivesAreWhatTheReferenceModelSays(t *testing.T) {
	t.Parallel()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			zones := calendar.NewZones()
			for seed := next.Add(1); seed <= histories && !t.Failed(); seed = next.Add(1) {
				life := randomLife(rand.New(rand.NewPCG(uint64(seed), 5)))
				if fault := disagrees(zones, life); fault != "" {
					life = shrink(zones, life)
					text, _ := json.MarshalIndent(life, "", " ") //nolint:errcheck // plain records
					t.Errorf("seed %d: %s\nkeep it as testdata/histories/NAME.json:\n%s", seed, disagrees(zones, life), text)
				}
			}
		})
	}
	workers.Wait()
}

func TestHistoriesThatOnceWentWrongGoRight(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/histories/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("find histories: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var life []arrival
			if err := json.Unmarshal(text, &life); err != nil {
				t.Fatal(err)
			}
			if fault := disagrees(calendar.NewZones(), life); fault != "" {
				t.Error(fault)
			}
		})
	}
}

// disagrees plays a history through the real fold, as the changelog would keep it, and says where it differs from the
// model, or where what it told others does not fit what became of the person.
func disagrees(zones *calendar.Zones, life []arrival) string {
	m := lifecycle.New(zones)
	var s lifecycle.State
	var known []event.Fact
	var shown *event.Person
	for i, a := range append(slices.Clone(life), arrival{At: life[len(life)-1].At.AddDate(0, 3, 0)}) {
		due := m.Due(s, "p-1", fmt.Sprint("tick", i), a.At)
		if shown = newest(due.Events, shown); i == len(life) || i == len(life)/2 {
			if fault := compare(reference.Fold(known, a.At), shown); fault != "" {
				return fmt.Sprintf("before arrival %d: %s", i, fault)
			}
		}
		if s = due.State; i == len(life) {
			return ""
		}
		d, err := m.Decide(s, a.Fact, fmt.Sprint(i), a.At)
		if err != nil {
			return err.Error()
		}
		before := shown
		shown, known = newest(d.Events, shown), append(known, a.Fact)
		if fault := misnamed(before, shown, d.Events); fault != "" {
			return fmt.Sprintf("arrival %d: %s", i, fault)
		}
		b, err := d.State.AppendBinary(nil)
		if err != nil {
			return err.Error()
		}
		s = lifecycle.State{}
		if err := s.UnmarshalBinary(b); err != nil {
			return err.Error()
		}
	}
	return ""
}

func newest(events []*event.IdentityEvent, shown *event.Person) *event.Person {
	for _, e := range events {
		if e.Person != nil {
			shown = e.Person
		}
	}
	return shown
}

func compare(want, got *event.Person) string {
	if reflect.DeepEqual(want, got) || want != nil && got != nil && fmt.Sprintf("%+v", *want) == fmt.Sprintf("%+v", *got) {
		return ""
	}
	w, _ := json.Marshal(want) //nolint:errcheck // plain records
	g, _ := json.Marshal(got)  //nolint:errcheck // plain records
	return fmt.Sprintf("the model has\n%s\nothers were told\n%s", w, g)
}

// misnamed checks that the transitions of one fact have the names that what became of the person demands.
func misnamed(before, after *event.Person, events []*event.IdentityEvent) string {
	var kinds []event.Kind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	has := func(any ...event.Kind) bool {
		return slices.ContainsFunc(any, func(k event.Kind) bool { return slices.Contains(kinds, k) })
	}
	ended := []event.Kind{event.Termination, event.ContractEnded, event.HireRescinded}
	switch {
	case len(kinds) == 0 && !reflect.DeepEqual(before, after):
		return "a change without a name"
	case before == nil && after != nil && !has(event.Hire):
		return fmt.Sprintf("somebody came to be by %v", kinds)
	case before == nil || after == nil:
		return ""
	case before.Status != event.StatusEnded && after.Status == event.StatusEnded && !has(ended...):
		return fmt.Sprintf("an end by %v", kinds)
	case before.Status == event.StatusEnded && after.Status == event.StatusEnded && has(event.Termination, event.ContractEnded) && !has(event.Hire, event.Rehire):
		return fmt.Sprintf("a second end by %v", kinds)
	case before.Status == event.StatusEnded && after.Status != event.StatusEnded &&
		!has(event.Hire, event.Rehire, event.TerminationReversed, event.TerminationCorrected, event.ContractEndChanged, event.Conversion):
		return fmt.Sprintf("a return by %v", kinds)
	case !before.Emergency && after.Emergency && !has(event.EmergencyTermination):
		return fmt.Sprintf("an emergency by %v", kinds)
	case before.Emergency && !after.Emergency && !has(append(ended, event.EmergencyLifted)...):
		return fmt.Sprintf("an emergency lifted by %v", kinds)
	}
	return ""
}

// shrink drops arrivals, and then what their facts say, as long as the history still disagrees.
func shrink(zones *calendar.Zones, life []arrival) []arrival {
	for again := true; again; {
		again = false
		for i := range life {
			less := slices.Delete(slices.Clone(life), i, i+1)
			if len(less) > 0 && disagrees(zones, less) != "" {
				life, again = less, true
				break
			}
		}
	}
	for i := range life {
		for _, spoil := range []func(*event.Fact){
			func(f *event.Fact) { f.Record.EffectiveAt = "" },
			func(f *event.Fact) { f.Record.Sequence = nil },
			func(f *event.Fact) { f.Record.RecordedAt = f.KnownAt },
			func(f *event.Fact) { f.Record.Person = &event.Profile{StartDate: f.Record.Person.StartDate} },
			func(f *event.Fact) { p := f.Record.Person.Clone(); p.EndDate = ""; f.Record.Person = &p },
			func(f *event.Fact) { p := f.Record.Person.Clone(); p.WorkerType = ""; f.Record.Person = &p },
		} {
			less := slices.Clone(life)
			func() {
				defer func() { _ = recover() }() // not a snapshot: nothing to drop
				spoil(&less[i].Fact)
			}()
			if disagrees(zones, less) != "" {
				life = less
			}
		}
	}
	return life
}

var origin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// randomLife is a few facts about one person from up to two employers, a profile source and a security desk: early, late,
// corrected, reversed, repeated, with and without sequence, arriving in any order.
func randomLife(r *rand.Rand) []arrival {
	maybe := func(in int, values ...string) string {
		if r.IntN(in) > 0 {
			return ""
		}
		return values[r.IntN(len(values))]
	}
	day := func() string {
		n := r.IntN(150) - 20
		if r.IntN(3) > 0 { // few days, so that ends and starts meet
			n = 20*r.IntN(6) + r.IntN(2)
		}
		return origin.AddDate(0, 0, n).Format(time.DateOnly)
	}
	numbered := r.IntN(4) > 0
	now := origin.AddDate(0, 0, 20)
	life := make([]arrival, 0, 12)
	for i := range 1 + r.IntN(7) {
		now = now.Add(time.Duration(r.IntN(9*24)) * time.Hour)
		rec := event.SourceRecord{ID: fmt.Sprint(i), Source: "hr", SourceKey: "7", RecordedAt: now.Add(-time.Duration(r.IntN(60)*r.IntN(3)-5) * time.Hour), Kind: event.Upsert}
		f := event.Fact{ID: fmt.Sprint("f-", i), IdentityID: "p-1", Authority: "employment", Timezone: "Europe/Prague", KnownAt: now}
		switch r.IntN(14) {
		case 0:
			rec.Source, f.Authority = "crm", "profile"
		case 1:
			rec.Source, f.Authority, rec.Kind = "soc", "signal", event.Emergency
		case 2:
			rec.Source, rec.SourceKey, f.Authority, rec.Kind = event.OwnSource, "p-1", "signal", event.EmergencyLift
		case 3:
			rec.SourceKey = "8"
		case 4:
			rec.Source = "payroll"
			fallthrough
		default:
			if i > 0 && r.IntN(2) == 0 {
				rec.Kind = words[r.IntN(len(words))]
			}
		}
		if numbered {
			seq := int64(i)
			rec.Sequence = &seq
		}
		if r.IntN(2) == 0 {
			rec.EffectiveAt = day()
		}
		if rec.Kind == event.Upsert {
			rec.Person = &event.Profile{Department: maybe(2, "Finance", "Sales"), Phone: maybe(3, "1", "2"), WorkerType: maybe(2, "employee", "contractor"),
				EndDate: maybe(4, day(), "9999-12-31"), StartDate: maybe(2, day()), Timezone: maybe(5, "Pacific/Auckland", "Africa/Cairo")}
			if r.IntN(8) == 0 {
				rec.Person.Attributes = map[string]string{"badge": fmt.Sprint(r.IntN(2))}
			}
		}
		f.Record = rec
		life = append(life, arrival{now, f})
		if r.IntN(10) == 0 {
			life = append(life, arrival{now, f})
		}
	}
	if r.IntN(2) == 0 { // out of order: later moments, other facts
		order := r.Perm(len(life))
		at := life[len(life)-1].At
		mixed := make([]arrival, len(life))
		for i, from := range order {
			mixed[i] = arrival{at.Add(time.Duration(i*r.IntN(24)) * time.Hour), life[from].Fact}
		}
		slices.SortStableFunc(mixed, func(a, b arrival) int { return a.At.Compare(b.At) })
		return mixed
	}
	return life
}

var words = []event.RecordKind{event.Terminate, event.Terminate, event.CorrectTermination, event.ReverseTermination, event.Rescind, event.Suspend, event.Resume, event.Absent}

package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"joinery.internal/pkg/event"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// memory runs a topology without Kafka.
func memory(t *testing.T, topology Topology) *Memory {
	t.Helper()
	m, err := NewMemory(topology, jsonCodec{}, 1, noon)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dated is a topology whose one handler notes the time.
func dated(times *[]time.Time, err func() error) Topology {
	return Topology{Name: "dated", Inputs: []Input{{Topic: "in", Handle: func(tx *Tx, _ Record) error {
		*times = append(*times, tx.Now())
		return err()
	}}}}
}

func TestTimeDoesNotGoBackOverARestart(t *testing.T) {
	t.Parallel()
	var times []time.Time
	m := memory(t, dated(&times, func() error { return nil }))
	m.now = noon.Add(time.Hour)
	must(t, m.Tick()) // finds nothing to do, and is not committed by itself
	m.now = noon
	must(t, m.Feed("in", "k", nil))
	must(t, m.Restart())
	must(t, m.Feed("in", "k", nil))
	if want := noon.Add(time.Hour); !times[0].Equal(want) || !times[1].Equal(want) {
		t.Errorf("times %v, want %v twice", times, want)
	}
}

func TestAnAbortedTransactionLeavesNoTime(t *testing.T) {
	t.Parallel()
	var times []time.Time
	fault := errors.New("not now")
	m := memory(t, dated(&times, func() error { return fault }))
	m.now = noon.Add(time.Hour)
	if err := m.Feed("in", "k", nil); !errors.Is(err, fault) {
		t.Fatal(err)
	}
	m.now, fault = noon.Add(time.Minute), nil
	must(t, m.Feed("in", "k", nil))
	if want := noon.Add(time.Minute); !times[1].Equal(want) {
		t.Errorf("the second try saw %v, want %v", times[1], want)
	}
}

func TestAnAbortGivesResultsAndTimersBackAndLeavesNoState(t *testing.T) {
	t.Parallel()
	table := NewTable[int]("n")
	fault := errors.New("not now")
	var seen []string
	attempt := func(what string) func(*Tx) error {
		return func(tx *Tx) error {
			n, _ := table.Get(tx, what)
			table.Put(tx, what, n+1)
			seen = append(seen, fmt.Sprint(what, n))
			return fault
		}
	}
	m := memory(t, Topology{Name: "again",
		Inputs: []Input{{Topic: "in", Handle: func(tx *Tx, _ Record) error {
			tx.Effect("asked")
			tx.SetTimer("timer", tx.Now().Add(time.Hour))
			return nil
		}}},
		Perform: func(_ context.Context, _ any) any { return "result" },
		Result:  func(tx *Tx, v any) error { return attempt(v.(string))(tx) },
		Timer:   func(tx *Tx, key string) error { return attempt(key)(tx) },
	})
	must(t, m.Feed("in", "k", nil))
	if err := m.Perform(t.Context()); !errors.Is(err, fault) {
		t.Fatalf("got %v", err)
	}
	fault = nil
	must(t, m.Tick())
	fault = errors.New("not now either")
	if err := m.Advance(2 * time.Hour); !errors.Is(err, fault) {
		t.Fatalf("got %v", err)
	}
	fault = nil
	must(t, m.Tick())
	must(t, m.Tick())
	if want := []string{"result0", "result0", "timer0", "timer0"}; !slices.Equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}

func TestEachDeadLetterOfATickHasItsOwnID(t *testing.T) {
	t.Parallel()
	m := memory(t, Topology{Name: "bad",
		Inputs: []Input{{Topic: "in", Handle: func(tx *Tx, _ Record) error {
			tx.SetTimer("a", tx.Now().Add(time.Second))
			tx.SetTimer("b", tx.Now().Add(time.Second))
			return nil
		}}},
		Timer: func(_ *Tx, key string) error { return Poison("invalid", errors.New(key)) },
	})
	must(t, m.Feed("in", "k", nil))
	must(t, m.Advance(time.Minute))
	ids := map[string]bool{}
	for _, r := range m.Log {
		ids[string(record(r).Headers["ce_id"])] = true
	}
	if len(m.Log) != 2 || len(ids) != 2 {
		t.Errorf("%d dead letters with %d ids, want 2 and 2", len(m.Log), len(ids))
	}
	must(t, m.Restart()) // timers are read from the state
	must(t, m.Advance(time.Hour))
	if len(m.Log) != 2 {
		t.Error("a timer that was poison fired again")
	}
}

func TestPoisonOfAssignedIsNotBlamedOnARecord(t *testing.T) {
	t.Parallel()
	_, err := NewMemory(Topology{Name: "bad", Inputs: []Input{{Topic: "in", Handle: func(*Tx, Record) error { return nil }}},
		Assigned: func(*Tx) error { return Poison("invalid", errors.New("damaged state")) }}, jsonCodec{}, 1, noon)
	var poison *PoisonError
	if err == nil || errors.As(err, &poison) {
		t.Errorf("got %v, want an error that is not poison", err)
	}
}

func TestPoisonTakesBackWhatItsHandlerStaged(t *testing.T) {
	t.Parallel()
	table := NewTable[string]("t")
	m := memory(t, Topology{Name: "half", Outputs: []Output{{Topic: "out"}},
		Inputs: []Input{{Topic: "in", Handle: func(tx *Tx, r Record) error {
			table.Put(tx, "k", string(r.Value))
			table.Put(tx, string(r.Value), "new")
			tx.SetTimer("t", tx.Now().Add(time.Hour))
			tx.Emit("out", "k", string(r.Value))
			tx.Effect("x")
			if string(r.Value) == "bad" {
				return Poison("invalid", errors.New("bad"))
			}
			tx.ClearTimer("t")
			return nil
		}}}, Perform: nil})
	must(t, m.Feed("in", "k", []byte("good")))
	must(t, m.Feed("in", "k", []byte("bad")))
	want := []string{"\x00chain/jml.dlq.v1", clockKey, "t/good", "t/k"}
	if got := slices.Sorted(maps.Keys(m.states[0])); !slices.Equal(got, want) {
		t.Errorf("state %q, want %q", got, want)
	}
	if v := string(m.states[0]["t/k"]); v != `"good"` {
		t.Errorf("k is %s", v)
	}
	if len(m.Log) != 2 || m.Log[1].Topic != string(event.DeadLetters) || len(m.Effects()) != 1 {
		t.Errorf("%d records, %d effects", len(m.Log), len(m.Effects()))
	}
}

func TestATimerPutOffAgainAndAgainLeavesNoTrash(t *testing.T) {
	t.Parallel()
	var q timerQueue
	for i := range 10_000 {
		q.set("k", noon.Add(time.Duration(i)*time.Second))
	}
	if len(q.heap) > 100 {
		t.Errorf("%d entries for one timer", len(q.heap))
	}
	if _, due := q.popDue(noon.Add(9998 * time.Second)); due {
		t.Error("fired before its last time")
	}
	if timer, due := q.popDue(noon.Add(9999 * time.Second)); !due || timer.key != "k" {
		t.Error("did not fire at its last time")
	}
}

// TestTimersFireInOrderWhateverIsSetAndCleared compares the queue with a map and a sort.
func TestTimersFireInOrderWhateverIsSetAndCleared(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q timerQueue
		model := map[string]time.Time{}
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "key"))
			at := noon.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "at")) * time.Second)
			switch rapid.IntRange(0, 3).Draw(t, "verb") {
			case 0:
				q.clear(key)
				delete(model, key)
			case 1:
				got, due := q.popDue(at)
				first, any := timer{}, false
				for k, v := range model {
					if !v.After(at) && (!any || v.Before(first.at) || v.Equal(first.at) && k < first.key) {
						first, any = timer{k, v}, true
					}
				}
				if due != any || got != first {
					t.Fatalf("popped %v %v, want %v %v", got, due, first, any)
				}
				delete(model, first.key)
			default:
				q.set(key, at)
				model[key] = at
			}
		}
	})
}

func TestATimerNeverFiresEarly(t *testing.T) {
	t.Parallel()
	var fired []time.Time
	at := noon.Add(time.Second + 1) // a nanosecond more than the state can hold
	m := memory(t, Topology{Name: "early",
		Inputs: []Input{{Topic: "in", Handle: func(tx *Tx, _ Record) error { tx.SetTimer("t", at); return nil }}},
		Timer:  func(tx *Tx, _ string) error { fired = append(fired, tx.Now()); return nil }})
	must(t, m.Feed("in", "k", nil))
	m.now = noon.Add(time.Second)
	must(t, m.Tick())
	if len(fired) != 0 {
		t.Errorf("fired at %v, due %v", fired, at)
	}
	m.now = noon.Add(time.Second + time.Microsecond)
	must(t, m.Tick())
	if len(fired) != 1 {
		t.Errorf("fired %d times", len(fired))
	}
}

func TestAKeyBelongsWhereKafkaPutsItsOwner(t *testing.T) {
	t.Parallel()
	kafka := kgo.StickyKeyPartitioner(nil).ForTopic("")
	rapid.Check(t, func(t *rapid.T) {
		owner := rapid.StringOfN(rapid.RuneFrom([]rune("abcdefghé0123456789-")), 0, 40, -1).Draw(t, "owner")
		n := rapid.IntRange(1, 64).Draw(t, "partitions")
		want := int32(kafka.Partition(&kgo.Record{Key: []byte(owner)}, n))
		if Partition(owner, int32(n)) != want || Partition(owner+"|target", int32(n)) != want {
			t.Fatalf("%q of %d: %d, Kafka says %d", owner, n, Partition(owner, int32(n)), want)
		}
	})
}

func TestAStateDoesNotKeepTheFetchItCameFromAlive(t *testing.T) {
	t.Parallel()
	state := map[string][]byte{}
	r := &kgo.Record{Key: []byte("k"), Value: []byte("value")}
	fold(state, r.Key, r.Value)
	r.Value[0] = 'X'
	if string(state["k"]) != "value" {
		t.Error("the state shares memory with the record")
	}
}

func TestARecordNamesItsPlace(t *testing.T) {
	t.Parallel()
	if id := (Record{Topic: "jml.in.v1", Partition: 7, Offset: 123456789012}).ID(); id != "jml.in.v1/7/123456789012" {
		t.Error(id)
	}
}

// pair is a value that is kept in a form of its own.
type pair struct{ a, b byte }

func (p pair) AppendBinary(b []byte) ([]byte, error) { return append(b, p.a, p.b), nil }

func (p *pair) UnmarshalBinary(b []byte) error {
	if len(b) != 2 {
		return errors.New("not a pair")
	}
	p.a, p.b = b[0], b[1]
	return nil
}

func TestAValueWithAFormOfItsOwnIsKeptInThatFormAndOneThatIsNoneIsTriedAgain(t *testing.T) {
	t.Parallel()
	table, broken := NewTable[pair]("p"), NewTable[[]byte]("p")
	var got pair
	spoil := false
	m := memory(t, Topology{Name: "pairs", Inputs: []Input{{Topic: "in", Handle: func(tx *Tx, _ Record) error {
		if spoil {
			broken.Put(tx, "k", []byte("three"))
		}
		got, _ = table.Get(tx, "k")
		table.Put(tx, "k", pair{got.a + 1, got.b + 2})
		return nil
	}}}})
	must(t, m.Feed("in", "k", nil))
	if kept := m.eng.parts[0].live["p/k"]; string(kept) != "\x01\x02" {
		t.Errorf("kept as %q", kept)
	}
	must(t, m.Restart())
	must(t, m.Feed("in", "k", nil))
	if (got != pair{1, 2}) {
		t.Errorf("read again: %+v", got)
	}
	spoil = true
	if err := m.Feed("in", "k", nil); err == nil {
		t.Error("bytes that are no pair were taken")
	}
}

package stream

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"joinery.internal/pkg/event"
)

const partitions = 3

// jsonCodec encodes anything as JSON.
type jsonCodec struct{}

var errBad = errors.New("bad bytes")

func (jsonCodec) AppendEncode(dst []byte, _ string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

func (jsonCodec) Decode(b []byte, _ string, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return errors.Join(errBad, err)
	}
	return nil
}

func (jsonCodec) Class(err error) string {
	if errors.Is(err, errBad) {
		return "decode"
	}
	return ""
}

// counted is the event that every input leads to, sooner or later: the Nth of its key.
type counted struct {
	event.Meta // CausationID is the input's ID
	N          int
}

// call is the effect asked for by an input; it is also its result.
type call struct{ Key, Cause string }

// counting counts records per key, one event each: at once, or when a timer of its fires, or when an effect has been
// performed. Inputs are JSON strings: "count", "timer", "effect", "late" (not ready the first time); anything else in
// JSON is counted, what is not JSON is poison.
func counting() Topology {
	counts, calls := NewTable[int]("count"), NewTable[call]("call")
	count := func(tx *Tx, key, cause string) {
		n, _ := counts.Get(tx, key)
		n++
		counts.Put(tx, key, n)
		tx.Emit(event.IdentityEvents, key, &counted{N: n, Meta: event.Meta{EventID: event.EventID(event.DeriveID("e", 0, cause)), Kind: "count",
			CausationID: cause, OccurredAt: tx.Now()}})
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	early := func(id string) bool {
		mu.Lock()
		defer mu.Unlock()
		was := seen[id]
		seen[id] = true
		return !was
	}
	return Topology{
		Name:    "count",
		Outputs: []Output{{Topic: event.IdentityEvents}},
		Inputs: []Input{{Topic: "in", Handle: func(tx *Tx, r Record) error {
			verb, err := Decode[string](tx, r)
			if err != nil {
				return err
			}
			switch {
			case verb == "timer":
				tx.SetTimer(r.Key+"|"+r.ID(), tx.Now().Add(30*time.Millisecond))
			case verb == "effect":
				calls.Put(tx, r.ID(), call{r.Key, r.ID()})
				tx.Effect(call{r.Key, r.ID()})
			case verb == "late" && early(r.ID()):
				count(tx, r.Key, r.ID()) // must not count
				return ErrNotReady
			default:
				count(tx, r.Key, r.ID())
			}
			return nil
		}}},
		Timer: func(tx *Tx, name string) error {
			key, cause, _ := strings.Cut(name, "|")
			count(tx, key, cause)
			return nil
		},
		Assigned: func(tx *Tx) error {
			for _, c := range calls.All(tx) {
				tx.Effect(c)
			}
			return nil
		},
		Perform: func(_ context.Context, v any) any { return v },
		Result: func(tx *Tx, v any) error {
			c := v.(call)
			if _, open := calls.Get(tx, c.Cause); !open { // performed by the last owner, and again by us
				return nil
			}
			calls.Delete(tx, c.Cause)
			count(tx, c.Key, c.Cause)
			return nil
		},
	}
}

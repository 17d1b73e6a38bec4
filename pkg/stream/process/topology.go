package process

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// Name of the topology, and its topics beside event.IdentityEvents and event.DeadLetters.
const (
	Name   = "count"
	Inputs = event.Topic("inputs")
	Copies = event.Topic("copies")
	State  = event.Topic("jml." + Name + ".state.v1")
	Ticks  = event.Topic("jml." + Name + ".tick.v1")
)

// What an input asks for: a JSON string. Anything that is not JSON is poison.
const (
	Count  = "count"  // an event at once
	Timer  = "timer"  // an event when a timer fires
	Effect = "effect" // an event when a call outside has been answered
)

const (
	timerAfter  = 50 * time.Millisecond
	effectTakes = 5 * time.Millisecond
)

// Counted is the event that every input leads to, once: the Nth of its key.
type Counted struct {
	event.Meta // CausationID is the input's
	N          int
}

// Copy goes to a partition of another key, at once.
type Copy struct{ Of string }

// CopyKey is the key of an input's copy.
func CopyKey(input string) string { return input[strings.LastIndexByte(input, '/')+1:] }

// Call is an effect asked for, and its result.
type Call struct{ Key, Cause string }

var (
	counts = stream.NewTable[int]("count")
	calls  = stream.NewTable[Call]("call")
)

// Topology counts inputs by key. reach is told where it is: the place for a test to end the process.
func Topology(reach func(point string)) stream.Topology {
	return stream.Topology{
		Name:    Name,
		Inputs:  []stream.Input{{Topic: Inputs, Entrance: true, Handle: func(tx *stream.Tx, r stream.Record) error { reach("handle"); return handle(tx, r) }}},
		Outputs: []stream.Output{{Topic: event.IdentityEvents}, {Topic: Copies, Rekey: true}},
		Timer: func(tx *stream.Tx, name string) error {
			reach("timer")
			key, cause, _ := strings.Cut(name, "|")
			count(tx, key, cause)
			return nil
		},
		Assigned: func(tx *stream.Tx) error {
			reach("assigned")
			for _, c := range calls.All(tx) {
				tx.Effect(c)
			}
			return nil
		},
		Perform: func(ctx context.Context, effect any) any {
			reach("perform")
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(effectTakes):
				return effect
			}
		},
		Result: func(tx *stream.Tx, result any) error {
			reach("result")
			c := result.(Call)
			if _, open := calls.Get(tx, c.Cause); open { // else it was performed by the last owner, and again by us
				calls.Delete(tx, c.Cause)
				count(tx, c.Key, c.Cause)
			}
			return nil
		},
	}
}

func handle(tx *stream.Tx, r stream.Record) error {
	verb, err := stream.Decode[string](tx, r)
	if err != nil {
		return err
	}
	tx.Emit(Copies, CopyKey(r.ID()), Copy{Of: r.ID()})
	switch verb {
	case Timer:
		tx.SetTimer(r.Key+"|"+r.ID(), tx.Now().Add(timerAfter))
	case Effect:
		calls.Put(tx, r.ID(), Call{r.Key, r.ID()})
		tx.Effect(Call{r.Key, r.ID()})
	default:
		count(tx, r.Key, r.ID())
	}
	return nil
}

func count(tx *stream.Tx, key, cause string) {
	n, _ := counts.Get(tx, key)
	counts.Put(tx, key, n+1)
	tx.Emit(event.IdentityEvents, key, Event(key, cause, n+1, tx.Now()))
}

// Kept is a value that the state of a worker may begin with, a thousand bytes under "kept/" and its key: a large state.
func Kept(key string) []byte {
	return []byte(`"` + strings.Repeat(key+" ", 1000/(len(key)+1)) + `"`)
}

// Event is the event of an input: the nth of its key.
func Event(key, cause string, n int, now time.Time) *Counted {
	return &Counted{N: n, Meta: event.Meta{EventID: event.EventID(event.DeriveID("e", 0, cause)), Kind: "counted", IdentityID: event.IdentityID(key),
		CausationID: cause, OccurredAt: now}}
}

// Codec encodes anything as JSON.
type Codec struct{}

var errBad = errors.New("bad bytes")

// AppendEncode implements stream.Codec.
func (Codec) AppendEncode(dst []byte, _ string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

// Decode implements stream.Codec.
func (Codec) Decode(b []byte, _ string, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return errors.Join(errBad, err)
	}
	return nil
}

// Class implements stream.Codec.
func (Codec) Class(err error) string {
	if errors.Is(err, errBad) {
		return "decode"
	}
	return ""
}

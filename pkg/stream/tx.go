package stream

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// Tx is what a handler sees: the present time of its partition, its state, and a place to stage what follows.
// It is valid during the call only.
type Tx struct {
	share *share
	out   *staged
	cause Record
	err   error // the first fault of staging; the call counts as failed

	prefix, key, joined string // the last table's key asked for: Put mostly follows Get
}

// Now is the partition's time. It never goes back.
func (tx *Tx) Now() time.Time { return tx.share.now }

// Partition is the partition the call is about.
func (tx *Tx) Partition() int32 { return tx.share.part.id }

// Cause is the record being handled; of a timer or a result, the tick that carried it.
func (tx *Tx) Cause() Record { return tx.cause }

// Emit stages a record. A record of an event topic must be a valid event.Transition.
func (tx *Tx) Emit(topic event.Topic, key string, v any) {
	if tx.err == nil {
		tx.err = tx.out.emit(tx, topic, key, v)
	}
}

// Effect asks for v to be performed once this transaction has committed.
func (tx *Tx) Effect(v any) { tx.out.effects = append(tx.out.effects, effect{tx.share.part, v}) }

// SetTimer sets the timer of that key, replacing an earlier one; key is any text that names what is due. It is kept to
// the microsecond and never fires early.
func (tx *Tx) SetTimer(key string, at time.Time) {
	tx.put(timerTable+key, appendTime(nil, at.Add(time.Microsecond-1)))
}

// ClearTimer removes the timer of that key, if any.
func (tx *Tx) ClearTimer(key string) {
	if _, ok := tx.get(timerTable + key); ok {
		tx.put(timerTable+key, nil)
	}
}

func (tx *Tx) get(key string) ([]byte, bool) { return tx.share.get(key) }

func (tx *Tx) put(key string, v []byte) { tx.share.put(key, v) }

// Decode reads a record of our own: a fault of its bytes is poison, a registry out of reach is not.
func Decode[T any](tx *Tx, r Record) (T, error) {
	var v T
	err := tx.share.part.eng.codec.Decode(r.Value, string(r.Topic), &v)
	if err == nil {
		return v, nil
	}
	if class := tx.share.part.eng.codec.Class(err); class != "" {
		return v, Poison(class, err)
	}
	return v, fmt.Errorf("decode %s: %w", r.ID(), err)
}

// Table is a named part of a topology's state: values of T by key, in the changelog as JSON, or in a form of their own if
// T is an encoding.BinaryAppender and *T an encoding.BinaryUnmarshaler. Get decodes afresh, so a value may be changed
// freely; nothing of it counts until Put.
type Table[T any] struct{ prefix string }

// NewTable names a table. Names of one topology differ, and hold no slash.
func NewTable[T any](name string) Table[T] { return Table[T]{prefix: name + "/"} }

// join gives the key in the state of a table's key.
func (tx *Tx) join(prefix, key string) string {
	if tx.joined == "" || tx.key != key || tx.prefix != prefix {
		tx.prefix, tx.key, tx.joined = prefix, key, prefix+key
	}
	return tx.joined
}

// Get returns the value of key in this transaction's view.
func (t Table[T]) Get(tx *Tx, key string) (T, bool) {
	var v T
	b, ok := tx.get(tx.join(t.prefix, key))
	if !ok {
		return v, false
	}
	if err := decode(b, &v); err != nil && tx.err == nil {
		tx.err = fmt.Errorf("decode state %s%s: %w", t.prefix, key, err)
	}
	return v, true
}

// Put stages the value of key.
func (t Table[T]) Put(tx *Tx, key string, v T) {
	b, err := tx.encode(v)
	if err != nil {
		if tx.err == nil {
			tx.err = fmt.Errorf("encode state %s%s: %w", t.prefix, key, err)
		}
		return
	}
	tx.put(tx.join(t.prefix, key), b)
}

// encode gives bytes without room to spare: they are kept as long as the state.
func (tx *Tx) encode(v any) ([]byte, error) {
	appender, ok := v.(encoding.BinaryAppender)
	if !ok {
		return json.Marshal(v)
	}
	var err error
	tx.out.scratch, err = appender.AppendBinary(tx.out.scratch[:0])
	return bytes.Clone(tx.out.scratch), err
}

func decode(b []byte, v any) error {
	if v, ok := v.(encoding.BinaryUnmarshaler); ok {
		return v.UnmarshalBinary(b)
	}
	return json.Unmarshal(b, v)
}

// Delete stages the removal of key.
func (t Table[T]) Delete(tx *Tx, key string) {
	if _, ok := tx.get(t.prefix + key); ok {
		tx.put(t.prefix+key, nil)
	}
}

// All yields the partition's values of the table, by key. It sorts: for start-up and sweeps, not for every record.
func (t Table[T]) All(tx *Tx) iter.Seq2[string, T] { return t.Under(tx, "") }

// Under is All for the keys that begin with prefix; no other value is decoded.
func (t Table[T]) Under(tx *Tx, prefix string) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		keys := tx.share.keys(t.prefix + prefix)
		slices.Sort(keys)
		for _, k := range keys {
			key := k[len(t.prefix):]
			if v, ok := t.Get(tx, key); ok && !yield(key, v) {
				return
			}
		}
	}
}

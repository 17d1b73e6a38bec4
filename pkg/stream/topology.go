package stream

import (
	"context"
	"errors"
	"strconv"
	"time"

	"joinery.internal/pkg/event"
)

// Record is one consumed record.
type Record struct {
	Topic     event.Topic
	Partition int32
	Offset    int64
	Key       string
	Value     []byte
	Headers   map[string][]byte // nil when there are none; HeaderTime is not among them
	sent      []byte            // HeaderTime
}

// ID names the record's place for ever: the cause that ids of what follows from it derive from.
func (r Record) ID() string {
	b := make([]byte, 0, len(r.Topic)+32)
	b = append(append(b, r.Topic...), '/')
	b = append(strconv.AppendInt(b, int64(r.Partition), 10), '/')
	return string(strconv.AppendInt(b, r.Offset, 10))
}

// place is what ID names, to be compared.
type place struct {
	topic     event.Topic
	partition int32
	offset    int64
}

func (r Record) place() place { return place{r.Topic, r.Partition, r.Offset} }

// Handler decides on one record. It is pure but for what it stages in tx. It returns nil, a Poison error (the
// record goes to the dead letters), or any other error: the transaction aborts and the record is tried again.
type Handler func(tx *Tx, r Record) error

// Input is a topic the topology consumes. All inputs have the same number of partitions.
type Input struct {
	Topic  event.Topic
	Handle Handler
	// Entrance marks a topic written from outside the pipeline: its records are dated by the pipeline's clock when
	// they are read, not by what their producer claimed.
	Entrance bool
	// Urgent marks an input whose records must not wait behind a backlog of the others: transactions, and what is read
	// ahead, then stay small whatever waits.
	Urgent bool
}

// Output is a topic the topology may emit to.
type Output struct {
	Topic event.Topic
	// Rekey computes the partition from the record's key. Without it a record goes to the partition of its cause,
	// which keeps one writer per partition of an event topic.
	Rekey bool
}

// Topology is a service's processing: pure handlers and what they may write.
type Topology struct {
	Name    string // group id, transactional id; state in jml.<Name>.state.v1, ticks in jml.<Name>.tick.v1
	Inputs  []Input
	Outputs []Output // jml.dlq.v1 is always allowed

	// Timer is called for each timer that came due, in order of (time, key). The timer is cleared before.
	Timer func(tx *Tx, key string) error
	// Perform does an effect outside of any transaction. Each runs in a goroutine of its own; ctx ends when the
	// partition is lost. A nil result is not delivered.
	Perform func(ctx context.Context, effect any) (result any)
	// Result is called with what Perform returned.
	Result func(tx *Tx, result any) error
	// Assigned is called once when the instance has taken a partition and restored its state, before anything
	// else there: the place to start again the effects that the last owner left open.
	Assigned func(tx *Tx) error
	// Idle is called on every tick without timers or results to handle; nil for none.
	Idle func(tx *Tx) error
}

func (t Topology) inputs() []string {
	topics := make([]string, len(t.Inputs))
	for i, in := range t.Inputs {
		topics[i] = string(in.Topic)
	}
	return topics
}

// waiting gives the inputs that are not to be read now.
func (t Topology) waiting(full, yields bool) (topics []string) {
	for _, in := range t.Inputs {
		if full || yields && !in.Urgent {
			topics = append(topics, string(in.Topic))
		}
	}
	return topics
}

// consumes gives the inputs and the ticks.
func (t Topology) consumes() []string { return append(t.inputs(), tickTopic(t.Name)) }

// Clock tells the pipeline's time.
type Clock interface{ Now() time.Time }

// Codec turns records of a topic into bytes and back; wire.Serde is one.
type Codec interface {
	AppendEncode(dst []byte, topic string, v any) ([]byte, error)
	Decode(b []byte, topic string, v any) error
	// Class names the kind of poison a Decode error is (framing, unknown_schema, decode); empty: not the record's
	// fault, try again.
	Class(err error) string
}

// PoisonError says that a record can never be handled as it is.
type PoisonError struct {
	Class string // framing, unknown_schema, decode, key, invalid, ...: a closed set, for metrics and SQL
	Err   error
}

func (e *PoisonError) Error() string { return "poison (" + e.Class + "): " + e.Err.Error() }
func (e *PoisonError) Unwrap() error { return e.Err }

// Poison marks err: the record goes to the dead letters with this class and is passed over.
func Poison(class string, err error) error { return &PoisonError{Class: class, Err: err} }

// ErrNotReady says that something the handler looks up has not arrived yet: abort, and try again shortly.
var ErrNotReady = errors.New("not ready")

func stateTopic(name string) string { return "jml." + name + ".state.v1" }
func tickTopic(name string) string  { return "jml." + name + ".tick.v1" }

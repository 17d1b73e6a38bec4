// Package kafka takes records of a topic of a source's own: any JSON, any Avro in Confluent framing, or what Debezium
// writes.
//
// It owns what such a record means: a foreign document for the source's map, the end of a worker (a delete, a
// tombstone), or nothing. It does not own the way to Kafka and back (package intake): the offset moves in the
// transaction that carries what came of the records, so each has effect exactly once; what is no record is a dead
// letter with its place, and the next one flows.
//
//	format    record is                           a worker is gone by
//	json      the value                           a tombstone whose key is the source_key
//	avro      the value, by its writer's schema   likewise
//	debezium  the envelope: op, before, after     op d; `after` then holds the last known row, or the key
//
// A worker who is gone is reported as `absent`, unless the map has a kind of its own for it.
//
//	err := kafka.Run(ctx, source, config.KafkaIntake{Topic: "acme.hr.workers", Format: "json"}, serde)
package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/wire"
)

// Decoder reads Avro by the schema it was written with; wire.Serde is one.
type Decoder interface {
	DecodeJSON(b []byte) (doc []byte, fullName string, err error)
}

// Run takes records until ctx ends or something fails.
func Run(ctx context.Context, s intake.Source, c config.KafkaIntake, avro Decoder) error {
	t, err := s.OpenTransacts(ctx, c.Topic)
	if err != nil {
		return err
	}
	defer t.Close()
	r := Reader{Format: c.Format, Mapper: s.Mapper, Avro: avro}
	for {
		polled, err := t.Poll(ctx)
		if err != nil {
			return err
		}
		if len(polled) == 0 {
			continue
		}
		b, err := r.read(polled)
		if err != nil {
			return err
		}
		if err := t.Commit(ctx, b); err != nil {
			return err
		}
	}
}

// Reader makes source records of a topic's. It is safe for concurrent use.
type Reader struct {
	Format string
	Mapper *intake.Mapper
	Avro   Decoder
}

func (r Reader) read(polled []*kgo.Record) (intake.Batch, error) {
	var b intake.Batch
	for _, k := range polled {
		record, ok, err := r.Read(k)
		if f, bad := errors.AsType[*intake.Fault](err); bad {
			b.Rejects = append(b.Rejects, r.reject(k, f))
			continue
		}
		if err != nil {
			return b, err
		}
		if ok {
			b.Records = append(b.Records, record)
		}
	}
	return b, nil
}

func (r Reader) reject(k *kgo.Record, f *intake.Fault) event.Reject {
	return event.Reject{ID: name(k), Source: r.Mapper.Source(), Class: f.Class, Message: f.Error(), Place: place(k), Topic: k.Topic, Partition: k.Partition,
		Offset: k.Offset, Key: k.Key, Value: k.Value, RejectedAt: k.Timestamp.UTC()}
}

func place(k *kgo.Record) string { return fmt.Sprintf("%s/%d/%d", k.Topic, k.Partition, k.Offset) }

// name is the record's for ever: with its time, for a topic that is created anew counts from the start.
func name(k *kgo.Record) string { return fmt.Sprintf("%s@%d", place(k), k.Timestamp.UnixMilli()) }

// Read makes a source record of one of the topic's; not ok: it says nothing. The error is an intake.Fault, or trouble
// that may pass.
func (r Reader) Read(k *kgo.Record) (record event.SourceRecord, ok bool, err error) {
	at := k.Timestamp
	o := intake.Origin{ID: name(k), At: at, Sequence: intake.SequenceOf(at, k.Offset)}
	if k.Value == nil {
		return r.tombstone(k, o)
	}
	doc, err := r.parse(k.Value)
	if err != nil {
		return record, false, err
	}
	if r.Format == "debezium" {
		return r.change(doc, k.Key, o)
	}
	record, err = r.Mapper.Map(doc, o)
	return record, err == nil, err
}

// tombstone says that the worker of that key is gone. Debezium has said so by the record before.
func (r Reader) tombstone(k *kgo.Record, o intake.Origin) (event.SourceRecord, bool, error) {
	if r.Format == "debezium" {
		return event.SourceRecord{}, false, nil
	}
	key, err := text(k.Key)
	if err != nil {
		return event.SourceRecord{}, false, err
	}
	return event.SourceRecord{ID: o.ID, Source: r.Mapper.Source(), SourceKey: key, Sequence: o.Sequence, RecordedAt: o.At.UTC().Truncate(time.Millisecond),
		Kind: event.Absent}, true, nil
}

// text is a key of plain text, or a JSON text or number.
func text(key []byte) (string, error) {
	const fault = "a tombstone: its key must be the source_key as text"
	switch doc, err := intake.Parse(key); {
	case len(key) == 0 || len(key) > 1024:
		return "", intake.Faultf(intake.Invalid, fault)
	case err == nil:
		switch v := doc.(type) {
		case string:
			return v, nil
		case fmt.Stringer: // a number
			return v.String(), nil
		}
		return "", intake.Faultf(intake.Invalid, fault)
	}
	for _, r := range string(key) {
		if r < ' ' || r == '\uFFFD' {
			return "", intake.Faultf(intake.Invalid, fault)
		}
	}
	return string(key), nil
}

// parse reads a value: Avro where the format says so, or where Debezium's converter has framed it.
func (r Reader) parse(value []byte) (map[string]any, error) {
	if r.Format == "json" || r.Format == "debezium" && (len(value) == 0 || value[0] != 0) {
		return intake.ParseObject(value)
	}
	if len(value) > intake.MaxBytes {
		return nil, intake.Faultf(intake.Decode, "the record has %d bytes, more than %d", len(value), intake.MaxBytes)
	}
	doc, _, err := r.Avro.DecodeJSON(value)
	if err != nil {
		if class := wire.Class(err); class != "" {
			return nil, &intake.Fault{Class: class, Err: err}
		}
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return intake.ParseObject(doc)
}

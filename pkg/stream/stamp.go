package stream

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// HeaderTime carries the pipeline's time, in microseconds since 1970 as 8 bytes big-endian. Kafka's own timestamps stay
// the machine's: retention goes by them, and the pipeline's clock may be elsewhere.
const HeaderTime = "jml-time"

func timeHeader(at time.Time) kgo.RecordHeader {
	return kgo.RecordHeader{Key: HeaderTime, Value: appendTime(nil, at)}
}

// timeHeader gives the headers of a record that needs no other. The slice is shared: it is full, so that append copies.
func (sh *share) timeHeader() []kgo.RecordHeader {
	if sh.header == nil || !sh.dated.Equal(sh.now) {
		sh.header, sh.dated = []kgo.RecordHeader{timeHeader(sh.now)}, sh.now
	}
	return sh.header
}

// Headers of an event topic's records: place in the chain. The hashes are SHA-256.
const (
	HeaderSeq  = "jml-seq"       // decimal, gapless from 1 per topic, partition and writer
	HeaderPrev = "jml-prev-hash" // of the record before; empty for the first
	HeaderHash = "jml-hash"      // LinkHash(prev, seq, key, value)
)

// LinkHash is a record's hash: SHA-256 over prev, seq as 8 bytes big-endian, the key's length as 8 bytes, key, value.
func LinkHash(prev []byte, seq uint64, key, value []byte) []byte {
	return appendLinkHash(nil, prev, seq, key, value)
}

func appendLinkHash(to, prev []byte, seq uint64, key, value []byte) []byte {
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:8], seq)
	binary.BigEndian.PutUint64(numbers[8:], uint64(len(key)))
	h := sha256.New()
	h.Write(prev)
	h.Write(numbers[:])
	h.Write(key)
	h.Write(value)
	return h.Sum(to)
}

// chain stamps the record as the next link of its topic and partition; the head is part of the state.
func (sh *share) chain(rec *kgo.Record) error {
	key := chainTable + rec.Topic
	var seq uint64
	var prev []byte
	if head, ok := sh.get(key); ok {
		if len(head) != 8+sha256.Size {
			return errors.New("chain head of " + rec.Topic + " is damaged")
		}
		seq, prev = binary.BigEndian.Uint64(head), head[8:]
	}
	seq++
	head := appendLinkHash(binary.BigEndian.AppendUint64(make([]byte, 0, 8+sha256.Size), seq), prev, seq, rec.Key, rec.Value)
	hash := head[8:]
	sh.put(key, head)
	rec.Headers = append(rec.Headers,
		kgo.RecordHeader{Key: HeaderSeq, Value: strconv.AppendUint(nil, seq, 10)},
		kgo.RecordHeader{Key: HeaderPrev, Value: prev},
		kgo.RecordHeader{Key: HeaderHash, Value: hash})
	return nil
}

// appendCloudEvent adds the CloudEvents 1.0 Kafka binding (binary mode) of a transition, and leaves room for the chain.
// All values are in one piece of memory: records are many.
func appendCloudEvent(headers []kgo.RecordHeader, service string, m *event.Meta) []kgo.RecordHeader {
	const source = "/joinery/"
	size := len("1.0") + len(m.EventID) + len(source) + len(service) + len(m.Kind) + len(m.IdentityID) + len(time.RFC3339Nano) + len(m.CaseID) + len(m.CausationID)
	values := make([]byte, 0, size)
	out := append(make([]kgo.RecordHeader, 0, len(headers)+11), headers...)
	add := func(key string, value []byte) { // what was appended to values
		out = append(out, kgo.RecordHeader{Key: key, Value: value[len(values):len(value):len(value)]})
		values = value
	}
	add("ce_specversion", append(values, "1.0"...))
	add("ce_id", append(values, m.EventID...))
	add("ce_source", append(append(values, source...), service...))
	add("ce_type", append(values, m.Kind...))
	add("ce_subject", append(values, m.IdentityID...))
	add("ce_time", m.OccurredAt.UTC().AppendFormat(values, time.RFC3339Nano))
	add("jml-case-id", append(values, m.CaseID...))
	add("jml-causation-id", append(values, m.CausationID...))
	return out
}

// deadLetter gives the nth dead letter of a cause. A tick may have several: of timers, of results.
func deadLetter(service string, now time.Time, r Record, nth int, poison *PoisonError) *event.DeadLetter {
	id := event.DeriveID("dl", nth, service, r.ID())
	headers := r.Headers
	if r.sent != nil { // so that a replay is dated as the record was
		if headers = maps.Clone(headers); headers == nil {
			headers = map[string][]byte{}
		}
		headers[HeaderTime] = r.sent
	}
	return &event.DeadLetter{
		Meta: event.Meta{EventID: event.EventID(id), Kind: event.ExceptionOpened, CausationID: r.ID(), Actor: service, Outcome: "dead_lettered",
			Reason: poison.Class, Message: poison.Err.Error(), EffectiveAt: now, KnownAt: now, OccurredAt: now},
		Service: service, Topic: string(r.Topic), Partition: r.Partition, Offset: r.Offset, Key: []byte(r.Key), Value: r.Value, Headers: headers,
		Exception: event.Exception{ExceptionID: id, Class: "dead_letter"},
	}
}

package stream

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// staged is everything one transaction will make durable, kept apart from the live state until it has committed.
//
//	call -> keep -> overlay -> commit -> live
//	      \ rollback (poison, retry)   \ abort: thrown away
type staged struct {
	eng      *engine
	overlay  map[int32]map[string][]byte // kept by earlier calls; nil value: deleted
	call     map[string][]byte           // of the running call
	records  []*kgo.Record
	effects  []effect
	opened   map[int32]bool         // partitions whose Assigned ran in this transaction
	results  map[*partition][]any   // taken from memory; given back on abort
	popped   map[*partition][]timer // likewise
	consumed int                    // input records handled, ticks not counted
	poison   int
}

func (e *engine) begin() *staged {
	return &staged{eng: e, overlay: map[int32]map[string][]byte{}, call: map[string][]byte{}, opened: map[int32]bool{},
		results: map[*partition][]any{}, popped: map[*partition][]timer{}}
}

// empty says that nothing would be lost if this transaction never happened.
func (s *staged) empty() bool {
	return s.consumed == 0 && len(s.records) == 0 && len(s.overlay) == 0 && len(s.effects) == 0
}

type mark struct{ records, effects int }

func (s *staged) mark() mark { return mark{len(s.records), len(s.effects)} }

func (s *staged) rollback(m mark) {
	s.records, s.effects = s.records[:m.records], s.effects[:m.effects]
	clear(s.call)
}

func (s *staged) keep(p *partition) {
	if len(s.call) == 0 {
		return
	}
	puts := s.overlay[p.id]
	if puts == nil {
		puts = map[string][]byte{}
		s.overlay[p.id] = puts
	}
	maps.Copy(puts, s.call)
	clear(s.call)
}

func (s *staged) get(p *partition, key string) ([]byte, bool) {
	if v, ok := s.call[key]; ok {
		return v, v != nil
	}
	if v, ok := s.overlay[p.id][key]; ok {
		return v, v != nil
	}
	v, ok := p.live[key]
	return v, ok
}

func (s *staged) put(_ *partition, key string, v []byte) { s.call[key] = v }

// timerStands says whether a timer taken from the queue is still what the state says.
func (s *staged) timerStands(p *partition, t timer) bool {
	v, ok := s.get(p, timerTable+t.key)
	if !ok {
		return false
	}
	at, err := parseTimer(v)
	return err == nil && at.Equal(t.at)
}

func (s *staged) keys(p *partition, prefix string) []string {
	seen := map[string]bool{}
	for _, m := range []map[string][]byte{s.call, s.overlay[p.id], p.live} {
		for k, v := range m {
			if _, known := seen[k]; !known && strings.HasPrefix(k, prefix) {
				seen[k] = v != nil
			}
		}
	}
	var keys []string
	for k, there := range seen {
		if there {
			keys = append(keys, k)
		}
	}
	return keys
}

// changelog gives the state records of the transaction: the last value of each key put.
func (s *staged) changelog() []*kgo.Record {
	topic := stateTopic(s.eng.topo.Name)
	var out []*kgo.Record
	for id, puts := range s.overlay {
		for k, v := range puts {
			out = append(out, &kgo.Record{Topic: topic, Partition: id, Key: []byte(k), Value: v})
		}
	}
	return out
}

func (s *staged) emit(tx *Tx, topic event.Topic, key string, v any) error {
	out, ok := s.eng.outputs[topic]
	if !ok {
		return fmt.Errorf("emit to %s: not an output of %s", topic, s.eng.topo.Name)
	}
	rec := &kgo.Record{Topic: string(topic), Key: []byte(key), Partition: tx.part.id, Headers: []kgo.RecordHeader{timeHeader(tx.now)}}
	if out.Rekey {
		if topic.Chained() {
			return fmt.Errorf("emit to %s: an event topic has one writer per partition and cannot be rekeyed", topic)
		}
		rec.Partition = Partition(key, s.eng.nparts)
	}
	if v != nil { // nil is a tombstone
		b, err := s.eng.codec.AppendEncode(nil, string(topic), v)
		if err != nil {
			return fmt.Errorf("encode record for %s: %w", topic, err)
		}
		rec.Value = b
	}
	if tr, ok := v.(event.Transition); ok {
		if err := tr.EventMeta().Valid(); err != nil {
			return fmt.Errorf("emit to %s: %w", topic, err)
		}
		rec.Headers = append(rec.Headers, cloudEvent(s.eng.topo.Name, tr.EventMeta())...)
	}
	if topic.Chained() {
		if err := s.chain(tx, rec); err != nil {
			return err
		}
	}
	s.records = append(s.records, rec)
	return nil
}

// HeaderTime carries the pipeline's time, in microseconds since 1970 as 8 bytes big-endian. Kafka's own timestamps stay
// the machine's: retention goes by them, and the pipeline's clock may be elsewhere.
const HeaderTime = "jml-time"

func timeHeader(at time.Time) kgo.RecordHeader {
	return kgo.RecordHeader{Key: HeaderTime, Value: binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))}
}

// Headers of an event topic's records: place in the chain. The hashes are SHA-256.
const (
	HeaderSeq  = "jml-seq"       // decimal, gapless from 1 per topic, partition and writer
	HeaderPrev = "jml-prev-hash" // of the record before; empty for the first
	HeaderHash = "jml-hash"      // LinkHash(prev, seq, key, value)
)

// LinkHash is a record's hash: SHA-256 over prev, seq as 8 bytes big-endian, the key's length as 8 bytes, key, value.
func LinkHash(prev []byte, seq uint64, key, value []byte) []byte {
	h := sha256.New()
	h.Write(prev)
	h.Write(binary.BigEndian.AppendUint64(nil, seq))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(key))))
	h.Write(key)
	h.Write(value)
	return h.Sum(nil)
}

// chain stamps the record as the next link of its topic and partition; the head is part of the state.
func (s *staged) chain(tx *Tx, rec *kgo.Record) error {
	key := "\x00chain/" + rec.Topic
	var seq uint64
	var prev []byte
	if head, ok := s.get(tx.part, key); ok {
		if len(head) != 8+sha256.Size {
			return errors.New("chain head of " + rec.Topic + " is damaged")
		}
		seq, prev = binary.BigEndian.Uint64(head), head[8:]
	}
	seq++
	hash := LinkHash(prev, seq, rec.Key, rec.Value)
	s.put(tx.part, key, append(binary.BigEndian.AppendUint64(nil, seq), hash...))
	rec.Headers = append(rec.Headers,
		kgo.RecordHeader{Key: HeaderSeq, Value: strconv.AppendUint(nil, seq, 10)},
		kgo.RecordHeader{Key: HeaderPrev, Value: prev},
		kgo.RecordHeader{Key: HeaderHash, Value: hash})
	return nil
}

// cloudEvent gives the CloudEvents 1.0 Kafka binding (binary mode) of a transition.
func cloudEvent(service string, m *event.Meta) []kgo.RecordHeader {
	h := func(k, v string) kgo.RecordHeader { return kgo.RecordHeader{Key: k, Value: []byte(v)} }
	return []kgo.RecordHeader{
		h("ce_specversion", "1.0"), h("ce_id", string(m.EventID)), h("ce_source", "/joinery/"+service), h("ce_type", string(m.Kind)),
		h("ce_subject", string(m.IdentityID)), h("ce_time", m.OccurredAt.UTC().Format(time.RFC3339Nano)),
		h("jml-case-id", string(m.CaseID)), h("jml-causation-id", m.CausationID),
	}
}

func deadLetter(service string, now time.Time, r Record, poison *PoisonError) *event.DeadLetter {
	id := event.DeriveID("dl", 0, service, r.ID())
	return &event.DeadLetter{
		Meta: event.Meta{EventID: event.EventID(id), Kind: event.ExceptionOpened, CausationID: r.ID(), Actor: service, Outcome: "dead_lettered",
			Reason: poison.Class, Message: poison.Err.Error(), EffectiveAt: now, KnownAt: now, OccurredAt: now},
		Service: service, Topic: string(r.Topic), Partition: r.Partition, Offset: r.Offset, Key: []byte(r.Key), Value: r.Value, Headers: r.Headers,
		Exception: event.Exception{ExceptionID: id, Class: "dead_letter"},
	}
}

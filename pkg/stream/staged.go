package stream

import (
	"bytes"
	"fmt"
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
	tx       Tx // of the running call: one for all, for none outlives its call
	shares   map[int32]*share
	last     *share // of the record before: records come in runs of a partition
	input    Input  // likewise
	records  []*kgo.Record
	changes  []*kgo.Record // of the changelog, when they have been produced
	spare    []kgo.Record  // records not yet used of the last block
	effects  []effect
	scratch  []byte        // for encoding
	consumed int           // input records handled, ticks not counted
	poison   int           // dead letters
	poisoned map[place]int // of them, by cause: a tick may carry several
}

// share is one partition's part of a transaction.
type share struct {
	part    *partition
	overlay map[string][]byte // nil value: deleted
	undo    []change          // of the running call
	now     time.Time
	opened  bool    // Assigned ran, here or in an earlier transaction
	ticked  bool    // a tick was consumed
	results []any   // taken from memory; given back on abort
	popped  []timer // likewise

	header []kgo.RecordHeader // HeaderTime of now, shared by all records that need no other
	dated  time.Time          // what header says
}

// change is what the overlay held before a put.
type change struct {
	key   string
	value []byte
	held  bool
}

func (e *engine) begin() *staged {
	return &staged{eng: e, shares: make(map[int32]*share, len(e.parts)), records: make([]*kgo.Record, 0, e.emitted), poisoned: map[place]int{}}
}

// of gives the partition's share; nil if the partition is not ours.
func (s *staged) of(id int32) *share {
	if s.last != nil && s.last.part.id == id {
		return s.last
	}
	sh := s.shares[id]
	if sh == nil {
		p := s.eng.parts[id]
		if p == nil {
			return nil
		}
		sh = &share{part: p, overlay: p.spare, now: p.now, opened: p.assigned}
		if p.spare = nil; sh.overlay == nil {
			sh.overlay = map[string][]byte{}
		}
		s.shares[id] = sh
	}
	s.last = sh
	return sh
}

// empty says that nothing would be lost if this transaction never happened.
func (s *staged) empty() bool {
	if s.consumed > 0 || len(s.records) > 0 || len(s.effects) > 0 {
		return false
	}
	for _, sh := range s.shares {
		if len(sh.overlay) > 0 {
			return false
		}
	}
	return true
}

type mark struct{ records, effects int }

func (s *staged) mark() mark { return mark{len(s.records), len(s.effects)} }

// rollback forgets what the running call staged.
func (s *staged) rollback(sh *share, m mark) {
	s.records, s.effects = s.records[:m.records], s.effects[:m.effects]
	for i := len(sh.undo) - 1; i >= 0; i-- {
		if c := sh.undo[i]; c.held {
			sh.overlay[c.key] = c.value
		} else {
			delete(sh.overlay, c.key)
		}
	}
	sh.keep()
}

// keep makes what the running call staged part of the transaction.
func (sh *share) keep() { sh.undo = sh.undo[:0] }

// recycle gives the overlay back for the next transaction, unless one was so large that clearing it would cost them all.
func (sh *share) recycle() {
	if len(sh.overlay) > 10_000 {
		return
	}
	clear(sh.overlay)
	sh.part.spare = sh.overlay
}

func (sh *share) get(key string) ([]byte, bool) {
	if v, ok := sh.overlay[key]; ok {
		return v, v != nil
	}
	v, ok := sh.part.live[key]
	return v, ok
}

func (sh *share) put(key string, v []byte) {
	old, held := sh.overlay[key]
	sh.undo = append(sh.undo, change{key, old, held})
	sh.overlay[key] = v
}

// timerStands says whether a timer taken from the queue is still what the state says.
func (sh *share) timerStands(t timer) bool {
	v, ok := sh.get(timerTable + t.key)
	if !ok {
		return false
	}
	at, err := parseTime(v)
	return err == nil && at.Equal(t.at)
}

func (sh *share) keys(prefix string) []string {
	var keys []string
	for k, v := range sh.overlay {
		if v != nil && strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	for k := range sh.part.live {
		if strings.HasPrefix(k, prefix) {
			if _, staged := sh.overlay[k]; !staged {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// changelog gives the state records of the transaction: the last value of each key put, and the partition's time.
func (s *staged) changelog() []*kgo.Record {
	topic := stateTopic(s.eng.topo.Name)
	n, size := 0, 0
	for _, sh := range s.shares {
		if now := appendTime(nil, sh.now); !sh.now.IsZero() && !bytes.Equal(now, sh.part.live[clockKey]) {
			sh.overlay[clockKey] = now
		}
		n += len(sh.overlay)
		for k := range sh.overlay {
			size += len(k)
		}
	}
	block, out, keys := make([]kgo.Record, n), make([]*kgo.Record, 0, n), make([]byte, 0, size) // three allocations for all
	for id, sh := range s.shares {
		for k, v := range sh.overlay {
			keys = append(keys, k...)
			r := &block[len(out)]
			r.Topic, r.Partition, r.Key, r.Value = topic, id, keys[len(keys)-len(k):], v
			out = append(out, r)
		}
	}
	return out
}

func (s *staged) emit(tx *Tx, topic event.Topic, key string, v any) error {
	out, ok := s.eng.outputs[topic]
	if !ok {
		return fmt.Errorf("emit to %s: not an output of %s", topic, s.eng.topo.Name)
	}
	rec := s.record()
	rec.Topic, rec.Key, rec.Partition = string(topic), []byte(key), tx.share.part.id
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
	rec.Headers = tx.share.timeHeader()
	if tr, ok := v.(event.Transition); ok {
		if err := tr.EventMeta().Valid(); err != nil {
			return fmt.Errorf("emit to %s: %w", topic, err)
		}
		rec.Headers = appendCloudEvent(rec.Headers, s.eng.topo.Name, tr.EventMeta())
	}
	if topic.Chained() {
		if err := tx.share.chain(rec); err != nil {
			return err
		}
	}
	s.records = append(s.records, rec)
	return nil
}

// record gives a new record, from a block: one allocation for many.
func (s *staged) record() *kgo.Record {
	if len(s.spare) == 0 {
		s.spare = make([]kgo.Record, 64)
	}
	r := &s.spare[0]
	s.spare = s.spare[1:]
	return r
}

package ldap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
)

// changes is what one poll learnt.
type changes struct {
	cookie  []byte
	entries []entry         // as they are now
	gone    []string        // ids
	present map[string]bool // of a listing of everybody who is there: ids. nil: this was none
}

// entry is one of the directory.
type entry struct {
	id string // its UUID
	at time.Time
	*ldap.Entry
}

// Names of marks.
const (
	cookieMark = "cookie"
	countMark  = "count"  // of commits, so that ids differ
	entryMark  = "entry/" // + id: hash, a space, source_key; no source_key: the map did not take it
)

// step is what one entry comes to, with what is to be remembered of it.
type step struct {
	records []event.SourceRecord
	rejects []event.Reject
	mark    string
	value   []byte
}

// fold says what a poll comes to. It is pure: now is the poll's time, count its number.
//
//	known  here   changed   the entry
//	no     yes              upsert
//	yes    yes    no        nothing
//	yes    yes    yes       upsert; and absent of the key it had, if that is another
//	yes    no               absent
//
// The cookie comes last: before it everything is asked for again, and the marks leave out what is done.
func (c changes) fold(m *intake.Mapper, marks map[string][]byte, count int64, now time.Time) []step {
	f := folding{mapper: m, marks: marks, count: count, now: now}
	for _, e := range c.entries {
		f.entry(e)
	}
	for _, id := range c.gone {
		f.gone(id)
	}
	if c.present != nil {
		for _, name := range slices.Sorted(maps.Keys(marks)) {
			if id, ok := strings.CutPrefix(name, entryMark); ok && !c.present[id] && !slices.Contains(c.gone, id) {
				f.gone(id)
			}
		}
	}
	if c.cookie != nil && !bytes.Equal(c.cookie, marks[cookieMark]) {
		f.steps = append(f.steps, step{mark: cookieMark, value: c.cookie})
	}
	return f.steps
}

// folding is a fold under way.
type folding struct {
	mapper *intake.Mapper
	marks  map[string][]byte
	count  int64
	now    time.Time
	number int64 // of records made
	steps  []step
}

func (f *folding) origin(id string, at time.Time) intake.Origin {
	f.number++
	if at.IsZero() || at.After(f.now) {
		at = f.now
	}
	return intake.Origin{ID: fmt.Sprintf("%s/%d.%d", id, f.count, f.number), At: at, Sequence: intake.SequenceOf(f.now, f.number)}
}

// entry is one as it is now.
func (f *folding) entry(e entry) {
	doc := document(e.Entry)
	record, err := mapped(f.mapper, doc)
	before, known := f.marks[entryMark+e.id]
	s := step{mark: entryMark + e.id, value: append(append(hashOf(record, doc), ' '), record.SourceKey...)}
	if known && bytes.Equal(before, s.value) {
		return
	}
	bad, faulty := errors.AsType[*intake.Fault](err)
	switch had := keyOf(before); {
	case faulty:
		o := f.origin(e.id, e.at)
		s.rejects = append(s.rejects, event.Reject{ID: o.ID, Source: f.mapper.Source(), Class: bad.Class, Message: bad.Error(), Place: "entry " + e.id, Value: jsonOf(doc), RejectedAt: f.now})
		s.value = append(s.value, had...) // it is still who it was
	case had != record.SourceKey:
		s.records = f.absent(e.id, had)
		fallthrough
	default:
		s.records = append(s.records, f.origin(e.id, e.at).Complete(record))
	}
	f.steps = append(f.steps, s)
}

// gone is an entry that is no longer there.
func (f *folding) gone(id string) {
	if before, known := f.marks[entryMark+id]; known {
		f.steps = append(f.steps, step{records: f.absent(id, keyOf(before)), mark: entryMark + id})
	}
}

func (f *folding) absent(id, key string) []event.SourceRecord {
	if key == "" {
		return nil
	}
	o := f.origin(id, f.now)
	o.Kind = event.Absent
	return []event.SourceRecord{o.Complete(event.SourceRecord{Source: f.mapper.Source(), SourceKey: key})}
}

// mapped is what the map makes of an entry by itself, undated.
func mapped(m *intake.Mapper, doc map[string]any) (event.SourceRecord, error) {
	if n := len(jsonOf(doc)); n > intake.MaxBytes {
		return event.SourceRecord{}, intake.Faultf(intake.Decode, "the entry has %d bytes, more than %d", n, intake.MaxBytes)
	}
	return m.Map(doc, intake.Origin{})
}

func keyOf(mark []byte) string {
	_, key, _ := bytes.Cut(mark, []byte(" "))
	return string(key)
}

// hashOf is of what the map made; of what it could not take, of the entry.
func hashOf(r event.SourceRecord, doc map[string]any) []byte {
	b := jsonOf(doc)
	if r.SourceKey != "" {
		var err error
		if b, err = json.Marshal(r); err != nil {
			panic("ldap: a record of texts does not encode: " + err.Error())
		}
	}
	h := sha256.Sum256(b)
	return hex.AppendEncode(nil, h[:8])
}

func jsonOf(doc map[string]any) []byte {
	b, err := json.Marshal(doc)
	if err != nil {
		panic("ldap: an entry of texts does not encode: " + err.Error())
	}
	return b
}

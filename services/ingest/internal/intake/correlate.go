package intake

import (
	"time"

	"joinery.internal/pkg/event"
)

// The strong keys.
const (
	EmployeeNumber = "employee_number"
	Email          = "email"
)

// Directory knows who is who. It may lag behind.
type Directory interface {
	Entry(id event.IdentityID) (event.DirectoryEntry, bool)
	ByEmployeeNumber(number string) (event.IdentityID, bool)
	ByEmail(email string) (event.IdentityID, bool)
	ByWorker(worker string) (event.IdentityID, bool) // of `source/source_key`
	Alike(likeness string) []event.IdentityID        // sorted
}

// How a record came to its identity: the values of Fact.Correlated.
const (
	ByLink   = "link" // of the worker at the source
	AsNew    = "new"
	Assigned = "assigned" // by a person
)

// Why a record waits: the values of Fact.Parked.
const (
	parkedReason = "unknown_key"
	weakMatch    = "weak_match"
)

// Match says whose a record is.
type Match struct {
	ID         event.IdentityID   // whose worker it speaks of
	How        string             // that was found
	To         event.IdentityID   // whose facts it belongs to: ID, but of a merge or split the identity that changes first
	Candidates []event.IdentityID // of a record that must wait: whose it may be
}

// Correlate says whose a record is and how that was found. Not found: the record must wait.
func Correlate(src Source, r event.SourceRecord, linked event.IdentityID, dir Directory) (m Match, found bool) {
	m = who(src, r, linked, dir)
	m.To = m.ID
	if r.Kind == event.Merge || r.Kind == event.SplitOff {
		m.To, found = dir.ByWorker(r.Source + "/" + r.RelatedKey)
		return m, found && m.ID != ""
	}
	return m, m.ID != ""
}

func who(src Source, r event.SourceRecord, linked event.IdentityID, dir Directory) Match {
	if linked != "" {
		return Match{ID: linked, How: ByLink}
	}
	for _, k := range strongKeys(src, r) {
		if id, ok := k.find(dir); ok {
			return Match{ID: id, How: k.name}
		}
	}
	if src.Authority != Employment || r.Kind != event.Upsert {
		return Match{}
	}
	if alike := dir.Alike(r.Person.Likeness()); len(alike) > 0 {
		return Match{Candidates: alike}
	}
	return Match{ID: NewIdentity(src, r), How: AsNew}
}

type strongKey struct{ name, value string }

func (k strongKey) find(dir Directory) (event.IdentityID, bool) {
	if k.name == Email {
		return dir.ByEmail(k.value)
	}
	return dir.ByEmployeeNumber(k.value)
}

// strongKeys are those the record has, in the source's order.
func strongKeys(src Source, r event.SourceRecord) []strongKey {
	var out []strongKey
	if r.Person == nil {
		return nil
	}
	for _, name := range src.Correlate {
		value := map[string]string{EmployeeNumber: r.Person.EmployeeNumber, Email: r.Person.Email}[name]
		if value != "" {
			out = append(out, strongKey{name, value})
		}
	}
	return out
}

// NewIdentity derives the id from the first strong key, so that whoever meets the person first names them alike.
func NewIdentity(src Source, r event.SourceRecord) event.IdentityID {
	if keys := strongKeys(src, r); len(keys) > 0 {
		return event.IdentityID(event.DeriveID("p", 0, keys[0].name, keys[0].value))
	}
	return event.IdentityID(event.DeriveID("p", 0, src.Name, r.SourceKey))
}

// NewFact is the fact of a correlated record.
func NewFact(src Source, r event.SourceRecord, m Match, now time.Time) event.Fact {
	f := event.Fact{ID: event.DeriveID("f", 0, r.Source, r.ID), IdentityID: m.To, Authority: string(src.Authority),
		Timezone: src.Timezone, Correlated: m.How, KnownAt: now.UTC(), Record: r}
	if r.Kind == event.Merge {
		f.Related = m.ID
	}
	return f
}

// ParkedFact is the fact of a record that waits: of an identity of its own, so that the wait is on record.
func ParkedFact(src Source, r event.SourceRecord, m Match, now time.Time) event.Fact {
	f := NewFact(src, r, Match{To: event.IdentityID(event.DeriveID("q", 0, r.Source, r.SourceKey))}, now)
	f.Parked, f.Candidates = parkedReason, m.Candidates
	if len(m.Candidates) > 0 {
		f.Parked = weakMatch
	}
	return f
}

// ObservedFact is the fact of an observation of nobody known: it is put on record and waits for nobody.
func ObservedFact(src Source, r event.SourceRecord, now time.Time) event.Fact {
	f := ParkedFact(src, r, Match{}, now)
	f.Parked = ""
	return f
}

// Said is a person's word on whose a worker is; zero: nobody had to say.
type Said struct {
	By  event.IdentityID
	Why string
}

// Release is a parked fact once its identity is known. It was known when it came, and waited since then.
func Release(f event.Fact, m Match, said Said) event.Fact {
	f.IdentityID, f.Correlated, f.Parked, f.ParkedAt, f.Candidates, f.Actor, f.Why = m.To, m.How, "", f.KnownAt, nil, said.By, said.Why
	if f.Record.Kind == event.Merge {
		f.Related = m.ID
	}
	return f
}

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

// Directory knows whose a strong key is. It may lag behind.
type Directory interface {
	ByEmployeeNumber(number string) (event.IdentityID, bool)
	ByEmail(email string) (event.IdentityID, bool)
}

// How a record came to its identity: the values of Fact.Correlated.
const (
	ByLink = "link" // of the worker at the source
	AsNew  = "new"
)

// parkedReason is why a record waits.
const parkedReason = "unknown_key"

// Correlate says whose a record is and how that was found. Not found: the record must wait.
func Correlate(src Source, r event.SourceRecord, linked event.IdentityID, dir Directory) (id event.IdentityID, how string, found bool) {
	if linked != "" {
		return linked, ByLink, true
	}
	for _, k := range strongKeys(src, r) {
		if id, ok := k.find(dir); ok {
			return id, k.name, true
		}
	}
	if src.Authority == Employment && r.Kind == event.Upsert {
		return newIdentity(src, r), AsNew, true
	}
	return "", "", false
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

// newIdentity derives the id from the first strong key, so that whoever meets the person first names them alike.
func newIdentity(src Source, r event.SourceRecord) event.IdentityID {
	if keys := strongKeys(src, r); len(keys) > 0 {
		return event.IdentityID(event.DeriveID("p", 0, keys[0].name, keys[0].value))
	}
	return event.IdentityID(event.DeriveID("p", 0, src.Name, r.SourceKey))
}

// NewFact is the fact of a correlated record.
func NewFact(src Source, r event.SourceRecord, id event.IdentityID, how string, now time.Time) event.Fact {
	return event.Fact{ID: event.DeriveID("f", 0, r.Source, r.ID), IdentityID: id, Authority: string(src.Authority),
		Timezone: src.Timezone, Correlated: how, KnownAt: now.UTC(), Record: r}
}

// ParkedFact is the fact of a record that waits: of an identity of its own, so that the wait is on record.
func ParkedFact(src Source, r event.SourceRecord, now time.Time) event.Fact {
	f := NewFact(src, r, event.IdentityID(event.DeriveID("q", 0, r.Source, r.SourceKey)), "", now)
	f.Parked = parkedReason
	return f
}

// Release is a parked fact once its identity is known. It was known when it came, and waited since then.
func Release(f event.Fact, id event.IdentityID, how string) event.Fact {
	f.IdentityID, f.Correlated, f.Parked, f.ParkedAt = id, how, "", f.KnownAt
	return f
}

package desk

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/history"
)

// Bounds of a list: what is answered when nothing is asked for, and at most.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// PersonQuery asks for people. Every word of Text must occur in a name, number, mail address, department or id.
type PersonQuery struct {
	Text           string
	EmployeeNumber string // exactly; empty: any
	Email          string // exactly; empty: any
	Status         string // empty: any
	Limit          int    // 0: DefaultLimit
	Cursor         string // of the page before
}

// PersonPage is some people, and the cursor of the next page if there are more.
type PersonPage struct {
	Items []Person `json:"items"`
	Next  string   `json:"next"`
	Total int      `json:"total" doc:"of all pages"`
}

// Persons lists people by name.
func (d *Desk) Persons(q PersonQuery) (PersonPage, error) {
	after, err := decodeCursor(q.Cursor)
	if err != nil {
		return PersonPage{}, err
	}
	limit, err := limitOf(q.Limit)
	if err != nil {
		return PersonPage{}, err
	}
	all := d.Directory.All()
	all = slices.DeleteFunc(slices.Clone(all), func(e event.DirectoryEntry) bool { return !q.matches(e) })
	slices.SortFunc(all, func(a, b event.DirectoryEntry) int { return cmp.Compare(personKey(a), personKey(b)) })
	page := PersonPage{Items: []Person{}, Total: len(all)}
	from, found := slices.BinarySearchFunc(all, after, func(e event.DirectoryEntry, key string) int { return cmp.Compare(personKey(e), key) })
	if found {
		from++
	}
	for i := from; i < len(all) && len(page.Items) < limit; i++ {
		page.Items = append(page.Items, person(all[i]))
	}
	if n := len(page.Items); n > 0 && from+n < len(all) {
		page.Next = encodeCursor(personKey(all[from+n-1]))
	}
	return page, nil
}

func (q PersonQuery) matches(e event.DirectoryEntry) bool {
	switch {
	case q.EmployeeNumber != "" && q.EmployeeNumber != e.EmployeeNumber,
		q.Email != "" && !strings.EqualFold(q.Email, e.Email),
		q.Status != "" && q.Status != string(e.Status):
		return false
	}
	text := strings.ToLower(strings.Join([]string{e.DisplayName, e.EmployeeNumber, e.Email, e.Department, string(e.IdentityID)}, "\n"))
	for _, word := range strings.Fields(strings.ToLower(q.Text)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

func personKey(e event.DirectoryEntry) string {
	return strings.ToLower(e.DisplayName) + "\x00" + string(e.IdentityID)
}

func person(e event.DirectoryEntry) Person {
	return Person{ID: e.IdentityID, EmployeeNumber: e.EmployeeNumber, DisplayName: e.DisplayName, Email: e.Email,
		Department: e.Department, Manager: e.Manager, Status: e.Status}
}

// Find returns the id of a person named by identity id or employee number.
func (d *Desk) Find(name string) (event.IdentityID, error) {
	if _, ok := d.Directory.Entry(event.IdentityID(name)); ok {
		return event.IdentityID(name), nil
	}
	if id, ok := d.Directory.ByEmployeeNumber(name); ok {
		return id, nil
	}
	return "", fault(NotFound, "nobody has the identity id or employee number %q: list people, or wait a moment if their record was sent just now", name)
}

// AsOf is a bitemporal question: what holds at At, by what was known at Known. Zero times are now.
type AsOf struct{ At, Known time.Time }

// settled puts now in the place of a time that was not given; asked is false where neither was.
func (d *Desk) settled(q AsOf) (at, known time.Time, asked bool) {
	now := d.Clock.Now().UTC()
	return cmp.Or(q.At, now), cmp.Or(q.Known, now), !q.At.IsZero() || !q.Known.IsZero()
}

// Person shows one person.
func (d *Desk) Person(ctx context.Context, name string, q AsOf) (PersonDetail, error) {
	id, err := d.Find(name)
	if err != nil {
		return PersonDetail{}, err
	}
	events, err := d.Archive.History(ctx, id)
	if err != nil {
		return PersonDetail{}, unavailable("read the person's events from the evidence", err)
	}
	at, known, asked := d.settled(q)
	p, there, err := history.AsOf(events, at, known)
	if err != nil {
		return PersonDetail{}, unavailable("read the person from the evidence", err)
	}
	entry, _ := d.Directory.Entry(id) // Find saw it
	out := PersonDetail{Person: person(entry)}
	switch {
	case asked && !there:
		return PersonDetail{}, fault(NotFound, "nothing was known by %s of this person at %s", known.Format(time.RFC3339), at.Format(time.RFC3339))
	case asked: // the directory knows the present alone
		out.Person = Person{ID: id, EmployeeNumber: p.EmployeeNumber, DisplayName: displayName(p), Email: p.Email, Department: p.Department, Manager: p.Manager, Status: p.Status}
		out.AsOf, out.KnownAt = at, known
	}
	out.ManagerID, _ = d.Directory.ByEmployeeNumber(out.Manager) // a manager may not be known
	out.Title, out.Company, out.Location, out.CostCentre = p.Title, p.Company, p.Location, p.CostCentre
	out.WorkerType, out.Username, out.Timezone = p.WorkerType, p.Username, p.Timezone
	out.Start, out.End, out.Emergency = p.Start, p.End, p.Emergency
	return out, nil
}

func displayName(p event.Person) string {
	return cmp.Or(p.DisplayName, strings.TrimSpace(p.GivenName+" "+p.FamilyName))
}

// TimelineQuery asks for evidence, newest Limit rows, oldest first.
type TimelineQuery struct {
	IdentityID event.IdentityID
	CaseID     string
	Kind       string    // a kind, or the part before the dot
	At, Known  time.Time // only what holds by At and was known by Known; zero: all
	Limit      int
}

// Timeline lists what happened to one person.
func (d *Desk) Timeline(ctx context.Context, name, kind string, q AsOf, limit int) ([]Moment, error) {
	id, err := d.Find(name)
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = MaxLimit
	}
	if limit, err = limitOf(limit); err != nil {
		return nil, err
	}
	query := TimelineQuery{IdentityID: id, Kind: kind, Limit: limit}
	if at, known, asked := d.settled(q); asked {
		query.At, query.Known = at, known
	}
	rows, err := d.Archive.Timeline(ctx, query)
	if err != nil {
		return nil, unavailable("read the timeline from the evidence", err)
	}
	return rows, nil
}

// Access lists one person's roles.
func (d *Desk) Access(ctx context.Context, name string, q AsOf) ([]Access, error) {
	id, err := d.Find(name)
	if err != nil {
		return nil, err
	}
	at, known, asked := d.settled(q)
	if !asked {
		at, known = time.Time{}, time.Time{}
	}
	rows, err := d.Archive.Access(ctx, id, at, known)
	if err != nil {
		return nil, unavailable("read access from the evidence", err)
	}
	return rows, nil
}

// named adds the name people know to an id; ids of services and of people not known stand for themselves.
func (d *Desk) named(id event.IdentityID) Named {
	if e, ok := d.Directory.Entry(id); ok {
		return Named{ID: id, Name: cmp.Or(e.DisplayName, e.EmployeeNumber)}
	}
	if id == event.Anybody {
		return Named{ID: id, Name: "anybody else"}
	}
	return Named{ID: id, Name: string(id)}
}

func limitOf(n int) (int, error) {
	switch {
	case n == 0:
		return DefaultLimit, nil
	case n < 0 || n > MaxLimit:
		return 0, fault(Invalid, "limit is %d: give a number from 1 to %d, and page on with the cursor", n, MaxLimit)
	}
	return n, nil
}

func encodeCursor(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

func decodeCursor(cursor string) (string, error) {
	key, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", fault(Invalid, "cursor is not one of ours: give it as the page before had it in %q", "next")
	}
	return string(key), nil
}

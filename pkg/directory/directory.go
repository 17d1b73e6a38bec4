// Package directory is a live view of who is who: the small public part of every person, and who holds which roles,
// over all partitions. Each instance of a service that looks other people up keeps one.
//
// It follows two compacted topics and so runs a little behind them: what it answers is good for routing (an approver,
// an owner, whose key this is), and a decision that rests on it records the answer. Safe for concurrent use.
package directory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// Directory answers from memory.
type Directory struct {
	follower *stream.Follower

	mu       sync.RWMutex
	entries  map[event.IdentityID]event.DirectoryEntry
	byNumber map[string]event.IdentityID
	byEmail  map[string]event.IdentityID // lower case
	byAlias  map[string]event.IdentityID // lower case
	byWorker map[string]event.IdentityID
	alike    map[string]map[event.IdentityID]bool // by likeness
	roles    map[event.IdentityID][]string
	members  map[string]map[event.IdentityID]bool
}

// New returns an empty directory, for tests and for who fills it by Put and PutRoles.
func New() *Directory {
	return &Directory{entries: map[event.IdentityID]event.DirectoryEntry{}, byNumber: map[string]event.IdentityID{},
		byEmail: map[string]event.IdentityID{}, byAlias: map[string]event.IdentityID{}, byWorker: map[string]event.IdentityID{},
		alike: map[string]map[event.IdentityID]bool{}, roles: map[event.IdentityID][]string{}, members: map[string]map[event.IdentityID]bool{}}
}

// Open reads the topics and returns when it has seen all that was there; it follows them until ctx ends or Close.
func Open(ctx context.Context, o stream.Options) (*Directory, error) {
	d := New()
	follower, err := stream.Follow(ctx, o, func(r stream.Record) error { return d.apply(o.Codec, r) }, event.IdentityDirectory, event.AccessMembers)
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	d.follower = follower
	return d, nil
}

// Close ends the view and waits for it.
func (d *Directory) Close() { d.follower.Close() }

// Done is closed when the view has ended, by Close or by a fault; Err says which.
func (d *Directory) Done() <-chan struct{} { return d.follower.Done() }

// Err is why the view ended.
func (d *Directory) Err() error { return d.follower.Err() }

func (d *Directory) apply(codec stream.Codec, r stream.Record) error {
	id := event.IdentityID(r.Key)
	if r.Topic == event.AccessMembers {
		var m event.Membership
		if r.Value != nil {
			if err := codec.Decode(r.Value, string(r.Topic), &m); err != nil {
				return fmt.Errorf("decode %s: %w", r.ID(), err)
			}
		}
		d.PutRoles(id, m.Roles)
		return nil
	}
	var e event.DirectoryEntry
	if r.Value != nil {
		if err := codec.Decode(r.Value, string(r.Topic), &e); err != nil {
			return fmt.Errorf("decode %s: %w", r.ID(), err)
		}
	}
	e.IdentityID = id
	d.Put(e)
	return nil
}

// Put replaces what is known of a person.
func (d *Directory) Put(e event.DirectoryEntry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old, ok := d.entries[e.IdentityID]; ok {
		forget(d.byNumber, old.EmployeeNumber, e.IdentityID)
		forget(d.byEmail, strings.ToLower(old.Email), e.IdentityID)
		for _, alias := range old.Aliases {
			forget(d.byAlias, strings.ToLower(alias), e.IdentityID)
		}
		for _, worker := range old.Workers {
			forget(d.byWorker, worker, e.IdentityID)
		}
		delete(d.alike[old.Likeness], e.IdentityID)
	}
	d.entries[e.IdentityID] = e
	if e.EmployeeNumber != "" {
		d.byNumber[e.EmployeeNumber] = e.IdentityID
	}
	if e.Email != "" {
		d.byEmail[strings.ToLower(e.Email)] = e.IdentityID
	}
	for _, alias := range e.Aliases {
		d.byAlias[strings.ToLower(alias)] = e.IdentityID
	}
	for _, worker := range e.Workers {
		d.byWorker[worker] = e.IdentityID
	}
	if e.Likeness != "" {
		if d.alike[e.Likeness] == nil {
			d.alike[e.Likeness] = map[event.IdentityID]bool{}
		}
		d.alike[e.Likeness][e.IdentityID] = true
	}
}

func forget(index map[string]event.IdentityID, key string, id event.IdentityID) {
	if index[key] == id {
		delete(index, key)
	}
}

// PutRoles replaces the roles a person holds.
func (d *Directory) PutRoles(id event.IdentityID, roles []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, role := range d.roles[id] {
		delete(d.members[role], id)
	}
	d.roles[id] = slices.Clone(roles)
	for _, role := range roles {
		if d.members[role] == nil {
			d.members[role] = map[event.IdentityID]bool{}
		}
		d.members[role][id] = true
	}
}

// Entry is what is known of a person.
func (d *Directory) Entry(id event.IdentityID) (event.DirectoryEntry, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	e, ok := d.entries[id]
	return e, ok
}

// ByEmployeeNumber finds a person.
func (d *Directory) ByEmployeeNumber(number string) (event.IdentityID, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.named(d.byNumber, number)
}

// named finds by a key of its own kind, else among the aliases.
func (d *Directory) named(index map[string]event.IdentityID, key string) (event.IdentityID, bool) {
	if id, ok := index[key]; ok {
		return id, true
	}
	id, ok := d.byAlias[strings.ToLower(key)]
	return id, ok
}

// ByWorker finds whose a worker (`source/source_key`) of an employment source is.
func (d *Directory) ByWorker(worker string) (event.IdentityID, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	id, ok := d.byWorker[worker]
	return id, ok
}

// Alike lists who has that likeness (event.Profile.Likeness), sorted.
func (d *Directory) Alike(likeness string) []event.IdentityID {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Sorted(maps.Keys(d.alike[likeness]))
}

// ByEmail finds a person, whatever the case of the letters.
func (d *Directory) ByEmail(email string) (event.IdentityID, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.named(d.byEmail, strings.ToLower(email))
}

// highest bounds how far ManagerOf looks up: people who manage each other in a circle are a fault of their records.
const highest = 16

// ManagerOf finds the next one above a person who is known and present: in the place of a manager who left, or is held
// by an emergency, that one's manager.
func (d *Directory) ManagerOf(id event.IdentityID) (event.IdentityID, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	at := id
	for range highest {
		number := d.entries[at].Manager
		above, known := d.named(d.byNumber, number)
		if number == "" || !known || above == id {
			break
		}
		if d.entries[above].Present() {
			return above, true
		}
		at = above
	}
	return "", false
}

// Present says whether a person is known, and present.
func (d *Directory) Present(id event.IdentityID) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	e, known := d.entries[id]
	return known && e.Present()
}

// MembersOf lists who holds a role now, sorted.
func (d *Directory) MembersOf(role string) []event.IdentityID {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Sorted(maps.Keys(d.members[role]))
}

// RolesOf lists the roles a person holds now.
func (d *Directory) RolesOf(id event.IdentityID) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(d.roles[id])
}

// All lists everybody, by id.
func (d *Directory) All() []event.DirectoryEntry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make([]event.DirectoryEntry, 0, len(d.entries))
	for _, id := range slices.Sorted(maps.Keys(d.entries)) {
		out = append(out, d.entries[id])
	}
	return out
}

package demoapp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// resource is a SCIM resource as JSON, without what the store adds when it shows it (id, meta, groups, members). One in
// the store is never changed, only replaced.
type resource map[string]any

func (r resource) text(key string) string {
	s, ok := r[key].(string)
	if !ok {
		return ""
	}
	return s
}

func (r resource) enabled() bool { return r["active"] != false }

// record is a stored resource.
type record struct {
	id                string
	body              resource
	version           int
	created, modified time.Time
}

// entry is one line of the file: one effective change.
type entry struct {
	Change
	Kind   string   `json:"kind"` // user, group, member
	ID     string   `json:"id"`   // of the user or group
	Member string   `json:"member,omitempty"`
	Body   resource `json:"body,omitempty"` // after the change; absent: deleted
}

// table holds resources of one type, findable by id and by name.
type table struct {
	byID   map[string]*record
	byName map[string]string // lower-case name to id
	order  []string          // ids as created: the order of listings
	name   string            // the attribute that is unique
}

// store is the data of a SCIM application: a file of changes, and what they amount to in memory.
type store struct {
	mu         sync.RWMutex
	file       *os.File
	size       int64 // of what the file holds; a write that fails is overwritten by the next
	users      table
	groups     table
	byExternal map[string]string          // external id to user id
	members    map[string]map[string]bool // group id to user ids
	memberOf   map[string]map[string]bool // user id to group ids
	lastID     int
	journal    []Change
}

func newTable(name string) table {
	return table{byID: map[string]*record{}, byName: map[string]string{}, name: name}
}

// openStore reads the file, creating it if need be. A last line that is cut off, by a kill in the middle of the write,
// was never answered for; it is dropped.
func openStore(path string) (*store, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s := &store{
		file: file, users: newTable("userName"), groups: newTable("displayName"),
		byExternal: map[string]string{}, members: map[string]map[string]bool{}, memberOf: map[string]map[string]bool{},
	}
	if err := s.replay(); err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), file.Close())
	}
	return s, nil
}

func (s *store) replay() error {
	reader := bufio.NewReader(s.file)
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		s.fold(e)
		s.size += int64(len(line))
	}
	return s.file.Truncate(s.size)
}

// commit writes the change, and only then makes it.
func (s *store) commit(e entry) error {
	e.Time = time.Now().UTC()
	var line bytes.Buffer
	if err := json.NewEncoder(&line).Encode(e); err != nil {
		return fmt.Errorf("encode the change: %w", err)
	}
	if _, err := s.file.WriteAt(line.Bytes(), s.size); err != nil {
		return fmt.Errorf("write the change: %w", err)
	}
	s.size += int64(line.Len())
	s.fold(e)
	return nil
}

// fold makes a change in memory.
func (s *store) fold(e entry) {
	s.journal = append(s.journal, e.Change)
	switch e.Kind {
	case "user":
		if before, ok := s.users.byID[e.ID]; ok {
			delete(s.byExternal, before.body.text("externalId"))
		}
		s.users.put(e)
		if external := e.Body.text("externalId"); external != "" {
			s.byExternal[external] = e.ID
		}
		if e.Body == nil {
			for group := range s.memberOf[e.ID] {
				delete(s.members[group], e.ID)
			}
			delete(s.memberOf, e.ID)
		}
	case "group":
		s.groups.put(e)
		if e.Body == nil {
			for user := range s.members[e.ID] {
				delete(s.memberOf[user], e.ID)
			}
			delete(s.members, e.ID)
		}
	case "member":
		set(s.members, e.ID, e.Member, e.Verb == "grant")
		set(s.memberOf, e.Member, e.ID, e.Verb == "grant")
	}
	if n, err := strconv.Atoi(strings.TrimLeft(e.ID, "ug")); err == nil {
		s.lastID = max(s.lastID, n)
	}
}

func set(in map[string]map[string]bool, key, member string, present bool) {
	if in[key] == nil {
		in[key] = map[string]bool{}
	}
	if present {
		in[key][member] = true
		return
	}
	delete(in[key], member)
}

func (t *table) put(e entry) {
	before, there := t.byID[e.ID]
	if there {
		delete(t.byName, strings.ToLower(before.body.text(t.name)))
	}
	if e.Body == nil {
		delete(t.byID, e.ID)
		if at := slices.Index(t.order, e.ID); at >= 0 {
			t.order = slices.Delete(t.order, at, at+1)
		}
		return
	}
	r := &record{id: e.ID, body: e.Body, version: 1, created: e.Time, modified: e.Time}
	if there {
		r.version, r.created = before.version+1, before.created
	} else {
		t.order = append(t.order, e.ID)
	}
	t.byID[e.ID] = r
	t.byName[strings.ToLower(e.Body.text(t.name))] = e.ID
}

func (s *store) newID(prefix string) string { return prefix + strconv.Itoa(s.lastID+1) }

// groupNames returns a user's groups as entitlements, sorted.
func (s *store) groupNames(userID string) []string {
	names := []string{}
	for id := range s.memberOf[userID] {
		names = append(names, "group/"+s.groups.byID[id].body.text("displayName"))
	}
	slices.Sort(names)
	return names
}

func (s *store) close() error { return s.file.Close() }

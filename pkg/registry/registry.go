package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"joinery.internal/pkg/dirlock"
)

const lockWait = 5 * time.Second // for a predecessor that is still shutting down

// Registry is the server. See the package comment.
type Registry struct {
	mux     *http.ServeMux
	lock    *dirlock.Lock
	journal *journal

	mu       sync.RWMutex
	subjects map[string][]version // by version, gaps where one was deleted for good
	levels   map[string]Level     // by subject; "" is the global one
	text     map[int]string       // by id
	lastID   int                  // ids are never given twice
	lastVer  map[string]int       // by subject, likewise
}

type version struct {
	number  int
	id      int
	key     string // the schema without its layout: what makes two texts one schema
	deleted bool   // softly: not offered, still readable by id
}

// Open reads the folder, which it creates where it is missing.
func Open(dir string) (*Registry, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	lock, err := dirlock.Acquire(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("open schema registry: %w", err)
	}
	r := &Registry{
		lock: lock, subjects: map[string][]version{}, levels: map[string]Level{}, text: map[int]string{}, lastVer: map[string]int{},
	}
	if r.journal, err = openJournal(dir, r.apply); err != nil {
		return nil, errors.Join(fmt.Errorf("open schema registry: %w", err), lock.Release())
	}
	r.mux = r.routes()
	return r, nil
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// Close gives the folder up. Every answered change is on disk already.
func (r *Registry) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.journal.file.Close(), r.lock.Release())
}

// commit makes changes durable, then visible. The caller holds mu.
func (r *Registry) commit(changes ...change) error {
	if err := r.journal.append(changes...); err != nil {
		return apiError(http.StatusInternalServerError, codeStore, "write to the data folder: %v", err)
	}
	for _, c := range changes {
		if err := r.apply(c); err != nil {
			return err
		}
	}
	return nil
}

// apply folds one change into the state.
func (r *Registry) apply(c change) error {
	switch c.Op {
	case "register":
		key, err := schemaKey(c.Schema)
		if err != nil {
			return err
		}
		r.subjects[c.Subject] = append(r.subjects[c.Subject], version{number: c.Version, id: c.ID, key: key})
		r.text[c.ID] = c.Schema
		r.lastID = max(r.lastID, c.ID)
		r.lastVer[c.Subject] = max(r.lastVer[c.Subject], c.Version)
	case "delete":
		r.remove(c.Subject, c.Version, c.Permanent)
	case "level":
		if c.Level == "" {
			delete(r.levels, c.Subject)
		} else {
			r.levels[c.Subject] = c.Level
		}
	default:
		return fmt.Errorf("unknown operation %q: it was written by a newer version", c.Op)
	}
	return nil
}

func (r *Registry) remove(subject string, number int, permanent bool) {
	list := r.subjects[subject]
	i := slices.IndexFunc(list, func(v version) bool { return v.number == number })
	if i < 0 {
		return
	}
	if !permanent {
		list[i].deleted = true
		return
	}
	id := list[i].id
	if list = slices.Delete(list, i, i+1); len(list) > 0 {
		r.subjects[subject] = list
	} else {
		delete(r.subjects, subject)
	}
	if len(r.usages(id, true)) == 0 {
		delete(r.text, id)
	}
}

// level is what counts for a subject.
func (r *Registry) level(subject string) Level {
	if l, ok := r.levels[subject]; ok {
		return l
	}
	if l, ok := r.levels[""]; ok {
		return l
	}
	return Backward
}

// versions lists a subject's versions, with or without the softly deleted.
func (r *Registry) versions(subject string, deleted bool) []version {
	var out []version
	for _, v := range r.subjects[subject] {
		if deleted || !v.deleted {
			out = append(out, v)
		}
	}
	return out
}

// usage is one place a schema stands in.
type usage struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

func (r *Registry) usages(id int, deleted bool) []usage {
	out := []usage{}
	for _, subject := range slices.Sorted(maps.Keys(r.subjects)) {
		for _, v := range r.versions(subject, deleted) {
			if v.id == id {
				out = append(out, usage{subject, v.number})
			}
		}
	}
	return out
}

// idOf finds a schema under any subject: the same schema has the same id everywhere.
func (r *Registry) idOf(key string) (int, bool) {
	for _, list := range r.subjects {
		for _, v := range list {
			if v.key == key {
				return v.id, true
			}
		}
	}
	return 0, false
}

// schemaKey is the schema's JSON without its layout and order of keys.
func schemaKey(text string) (string, error) {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return "", fmt.Errorf("schema is not JSON: %w", err)
	}
	b, err := json.Marshal(v)
	return string(b), err
}

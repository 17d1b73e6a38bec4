package scimserver

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"joinery.internal/pkg/event"
)

// shelf is one type of resource at one source.
type shelf struct{ source, kind string }

// view is what is known of resources, by the log or by writes of our own: whichever is newer counts.
type view struct {
	mu      sync.RWMutex
	rows    map[string]event.ScimResource // by key
	at      map[string]int64              // offsets of rows, and of deletions that the log was not read up to
	shelves map[shelf]map[string]bool     // keys
	names   map[string]string             // name of an index -> key
	last    int64                         // the newest version
}

func newView() *view {
	return &view{rows: map[string]event.ScimResource{}, at: map[string]int64{}, shelves: map[shelf]map[string]bool{}, names: map[string]string{}}
}

func keyOf(source, kind, id string) string { return source + "/" + kind + "/" + id }

// Indexes. Those of unique attributes ignore case.
func uniqueIndex(source, kind, value string) string {
	return "unique/" + source + "/" + kind + "/" + strings.ToLower(value)
}
func externalIndex(source, kind, value string) string {
	return "external/" + source + "/" + kind + "/" + value
}
func workerIndex(source, value string) string { return "worker/" + source + "/" + value }

// indexesOf are the indexes that lead to a row.
func indexesOf(r event.ScimResource, n naming) []string {
	out := []string{uniqueIndex(r.Source, r.Type, n.unique)}
	if n.external != "" {
		out = append(out, externalIndex(r.Source, r.Type, n.external))
	}
	if r.SourceKey != "" {
		out = append(out, workerIndex(r.Source, r.SourceKey))
	}
	return out
}

// apply takes a row written at an offset; nil is its deletion. What is older than what is known changes nothing.
func (v *view) apply(key string, row *event.ScimResource, offset int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if at, ok := v.at[key]; ok && offset <= at {
		return
	}
	v.at[key] = offset
	if old, ok := v.rows[key]; ok {
		v.forget(key, old)
	}
	if row == nil {
		return
	}
	v.rows[key] = *row
	v.last = max(v.last, row.Version)
	s := shelf{row.Source, row.Type}
	if v.shelves[s] == nil {
		v.shelves[s] = map[string]bool{}
	}
	v.shelves[s][key] = true
	for _, index := range indexesOf(*row, namesIn(row.Body, row.Type)) {
		v.names[index] = key
	}
}

// settle forgets the offset of a deletion once the log was read up to it.
func (v *view) settle(key string, offset int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at[key] == offset {
		delete(v.at, key)
	}
}

func (v *view) forget(key string, old event.ScimResource) {
	delete(v.rows, key)
	delete(v.shelves[shelf{old.Source, old.Type}], key)
	for _, index := range indexesOf(old, namesIn(old.Body, old.Type)) {
		if v.names[index] == key {
			delete(v.names, index)
		}
	}
}

// get returns a row.
func (v *view) get(key string) (event.ScimResource, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	r, ok := v.rows[key]
	return r, ok
}

// by returns the row an index leads to.
func (v *view) by(index string) (event.ScimResource, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	r, ok := v.rows[v.names[index]]
	return r, ok
}

// list returns the rows of a type, oldest first: pages stay as they are while others come.
func (v *view) list(source, kind string) []event.ScimResource {
	v.mu.RLock()
	defer v.mu.RUnlock()
	keys := v.shelves[shelf{source, kind}]
	out := make([]event.ScimResource, 0, len(keys))
	for key := range keys {
		out = append(out, v.rows[key])
	}
	slices.SortFunc(out, func(a, b event.ScimResource) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return out
}

// reach takes a version that leaves no row behind.
func (v *view) reach(version int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = max(v.last, version)
}

// next is the version after all that are known, by the time given in microseconds.
func (v *view) next(micros int64) int64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return max(v.last+1, micros)
}

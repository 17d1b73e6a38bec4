// Package published is a live view of the policy in force: a fold of jml.policy.bundle.v1 and jml.policy.activation.v1.
//
// It owns which bundle each partition has switched to, and the parsed files of the newest. It does not evaluate policy.
// Partitions switch one by one, so for a moment two bundles are in force; Current is the one activated last.
//
// A View is safe for concurrent use; the Config it returns is shared and read only.
package published

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
)

// Bundle is a published set of files and how far it has spread.
type Bundle struct {
	Hash        string
	Actor       string
	Reason      string
	PublishedAt time.Time
	ActivatedAt time.Time
	Partitions  int  // that have switched to it
	Everywhere  bool // no partition is known to have another
	Files       []config.File
	Config      *config.Config
}

// View is the fold.
type View struct {
	dir string // what relative secret paths are relative to

	mu      sync.Mutex
	bundles map[string]event.PolicyBundle
	markers map[int32]event.PolicyActivation
	parsed  map[string]*config.Config // of the current hash only
}

// New returns an empty view; dir is what relative paths of secrets in the files are relative to.
func New(dir string) *View {
	return &View{dir: dir, bundles: map[string]event.PolicyBundle{}, markers: map[int32]event.PolicyActivation{}}
}

// Bundle folds a record of jml.policy.bundle.v1.
func (v *View) Bundle(b event.PolicyBundle) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.bundles[b.Hash] = b
}

// Activation folds a record of jml.policy.activation.v1.
func (v *View) Activation(partition int32, a event.PolicyActivation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.markers[partition] = a
}

// Current returns the bundle activated last. There is none before the first publication.
func (v *View) Current() (Bundle, bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var last event.PolicyActivation
	for _, a := range v.markers {
		if last.Hash == "" || a.At.After(last.At) {
			last = a
		}
	}
	b, ok := v.bundles[last.Hash]
	if !ok {
		return Bundle{}, false, nil
	}
	out := Bundle{Hash: b.Hash, Actor: last.Actor, Reason: last.Reason, PublishedAt: b.PublishedAt, ActivatedAt: last.At}
	for _, a := range v.markers {
		if a.Hash == b.Hash {
			out.Partitions++
		}
	}
	out.Everywhere = out.Partitions == len(v.markers)
	for _, name := range slices.Sorted(maps.Keys(b.Files)) {
		out.Files = append(out.Files, config.File{Name: name, Data: []byte(b.Files[name])})
	}
	var err error
	out.Config, err = v.parse(b.Hash, out.Files)
	return out, err == nil, err
}

// parse reads the files once per hash. The lock is held.
func (v *View) parse(hash string, files []config.File) (*config.Config, error) {
	if cfg, ok := v.parsed[hash]; ok {
		return cfg, nil
	}
	cfg, err := config.LoadIn(v.dir, files)
	if err != nil {
		return nil, fmt.Errorf("read published policy %s: %w", hash, err)
	}
	v.parsed = map[string]*config.Config{hash: cfg}
	return cfg, nil
}

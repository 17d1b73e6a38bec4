// Package compiled is a live view of the published policies, compiled when they are needed first.
//
// It owns the files of each bundle by hash, what they compile to, and which of them was put in force last anywhere. It
// does not own which bundle is in force in a partition: markers in the log say that, partition by partition. Safe for
// concurrent use: a follower fills it, handlers ask it.
//
//	view, err := compiled.Open(ctx, env.Stream())
//	bundle, err := view.Bundle(hash) // ErrMissing: not arrived yet
package compiled

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/stream"
)

// ErrMissing is returned for a bundle that has not arrived.
var ErrMissing = errors.New("the policy bundle is not there yet")

// View answers from memory.
type View struct {
	follower *stream.Follower

	mu     sync.Mutex
	byHash map[string]*entry
	last   string    // hash of the bundle activated last; empty: none was
	lastAt time.Time // and when
}

type entry struct {
	files     map[string]string // nil: not arrived, or compiled
	arrived   bool
	activated bool // in some partition, at some time
	compiled  bool
	bundle    *policy.Bundle
	err       error
}

// New returns an empty view, for tests and for who fills it by Put and Activate.
func New() *View { return &View{byHash: map[string]*entry{}} }

// Open reads the bundles and returns when it has seen all that were there; it follows the topics until ctx ends or Close.
func Open(ctx context.Context, o stream.Options) (*View, error) {
	v := New()
	follower, err := stream.Follow(ctx, o, func(r stream.Record) error { return v.apply(o.Codec, r) }, event.PolicyBundles, event.PolicyActivations)
	if err != nil {
		return nil, fmt.Errorf("open policy bundles: %w", err)
	}
	v.follower = follower
	return v, nil
}

// Close ends the view and waits for it.
func (v *View) Close() { v.follower.Close() }

// Done is closed when the view has ended, by Close or by a fault; Err says which.
func (v *View) Done() <-chan struct{} { return v.follower.Done() }

// Err is why the view ended.
func (v *View) Err() error { return v.follower.Err() }

func (v *View) apply(codec stream.Codec, r stream.Record) error {
	if r.Value == nil { // what is in force may still rest on it
		return nil
	}
	if r.Topic == event.PolicyActivations {
		var a event.PolicyActivation
		err := codec.Decode(r.Value, string(r.Topic), &a)
		switch {
		case err != nil && codec.Class(err) != "": // poison: who has the partition puts it with the dead letters
			return nil
		case err != nil:
			return fmt.Errorf("decode %s: %w", r.ID(), err)
		}
		v.Activate(a)
		return nil
	}
	var b event.PolicyBundle
	if err := codec.Decode(r.Value, string(r.Topic), &b); err != nil {
		return fmt.Errorf("decode %s: %w", r.ID(), err)
	}
	v.Put(b)
	return nil
}

// Put takes a bundle. One that is known stays as it is: its hash names its files.
func (v *View) Put(b event.PolicyBundle) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.entry(b.Hash); !e.arrived {
		e.arrived, e.files = true, b.Files
	}
}

// Activate takes a marker. There is one in every partition; they say the same.
func (v *View) Activate(a event.PolicyActivation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.entry(a.Hash).activated = true
	if v.last == "" || !a.At.Before(v.lastAt) {
		v.last, v.lastAt = a.Hash, a.At
	}
}

func (v *View) entry(hash string) *entry {
	if v.byHash[hash] == nil {
		v.byHash[hash] = &entry{}
	}
	return v.byHash[hash]
}

// Bundle returns the compiled bundle of that hash. ErrMissing: it has not arrived; any other error: its files are wrong.
func (v *View) Bundle(hash string) (*policy.Bundle, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.byHash[hash]
	if e == nil || !e.arrived {
		return nil, fmt.Errorf("policy bundle %s: %w", hash, ErrMissing)
	}
	if !e.compiled {
		e.bundle, e.err = compile(hash, e.files)
		e.compiled, e.files = true, nil
	}
	return e.bundle, e.err
}

// Activated says whether the bundle of that hash was ever put in force.
func (v *View) Activated(hash string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.byHash[hash]
	return e != nil && e.activated
}

// InForce names the bundle put in force last; empty: none was. Partitions switch one by one, so for a moment some may
// decide by the one before.
func (v *View) InForce() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.last
}

func compile(hash string, files map[string]string) (*policy.Bundle, error) {
	var list []config.File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, config.File{Name: name, Data: []byte(files[name])})
	}
	b, err := policy.Check(config.Load(list))
	if err != nil {
		return nil, fmt.Errorf("compile policy bundle %s: %w", hash, err)
	}
	if b.Hash() != hash {
		return nil, fmt.Errorf("policy bundle %s: its files have the hash %s", hash, b.Hash())
	}
	return b, nil
}

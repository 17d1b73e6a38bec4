package app

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/directory"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/console/internal/inbox"
	"joinery.internal/services/console/internal/published"
	"joinery.internal/services/console/internal/queue"
	"joinery.internal/services/console/internal/waiting"
)

const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// views are what the console knows from topics. They outlive faults of the broker: a view that ended is opened again,
// and reads its topics from the start into the same fold, which is harmless.
type views struct {
	directory liveDirectory
	inbox     *inbox.Inbox
	queue     *queue.Queue
	waiting   *waiting.Room
	policies  *published.View
}

// liveDirectory is the directory opened last.
type liveDirectory struct {
	now atomic.Pointer[directory.Directory]
}

func (l *liveDirectory) Entry(id event.IdentityID) (event.DirectoryEntry, bool) {
	return l.now.Load().Entry(id)
}
func (l *liveDirectory) ByEmployeeNumber(n string) (event.IdentityID, bool) {
	return l.now.Load().ByEmployeeNumber(n)
}
func (l *liveDirectory) RolesOf(id event.IdentityID) []string { return l.now.Load().RolesOf(id) }
func (l *liveDirectory) All() []event.DirectoryEntry          { return l.now.Load().All() }

// view is a running reader of topics: directory.Directory and stream.Follower are. It ends by itself, with its context or
// with a fault, and has let go of everything then.
type view interface {
	Done() <-chan struct{}
	Err() error
}

// follow opens the views, returns when each has seen all that was there, and keeps them open until ctx ends.
func follow(ctx context.Context, group *errgroup.Group, env service.Env) (*views, error) {
	v := &views{inbox: inbox.New(), queue: queue.New(), waiting: waiting.New(), policies: published.New(env.ConfigDir)}
	o := env.Stream()
	o.OnReady = nil
	openers := map[string]func() (view, error){
		"directory": func() (view, error) {
			d, err := directory.Open(ctx, o)
			if err != nil {
				return nil, err
			}
			v.directory.now.Store(d)
			return d, nil
		},
		"approvals": func() (view, error) {
			return stream.Follow(ctx, o, func(r stream.Record) error { return v.approval(o.Codec, r) }, event.ApprovalRequests, event.ApprovalEvents)
		},
		"tickets": func() (view, error) {
			return stream.Follow(ctx, o, func(r stream.Record) error { return fold(o.Codec, r, v.queue.Put) }, event.OpenTickets)
		},
		"waiting workers": func() (view, error) {
			return stream.Follow(ctx, o, func(r stream.Record) error { return fold(o.Codec, r, v.waiting.Put) }, event.WaitingRecords)
		},
		"policy": func() (view, error) {
			return stream.Follow(ctx, o, func(r stream.Record) error { return v.policy(o.Codec, r) }, event.PolicyBundles, event.PolicyActivations)
		},
	}
	for name, open := range openers {
		first, err := open()
		if err != nil {
			return nil, fmt.Errorf("open view of %s (are the topics there? `joinery topics plan` compares them): %w", name, err)
		}
		group.Go(func() error { keep(ctx, env, name, first, open); return nil })
	}
	return v, nil
}

// keep opens a view again whenever it ends, until ctx does.
func keep(ctx context.Context, env service.Env, name string, now view, open func() (view, error)) {
	pause := minPause
	for {
		<-now.Done()
		if ctx.Err() != nil {
			return
		}
		env.Log.Warn("view ended, opening it again", "view", name, "err", now.Err())
		for {
			next, err := open()
			if err == nil {
				now, pause = next, minPause
				break
			}
			if ctx.Err() != nil {
				return
			}
			env.Log.Warn("view does not open", "view", name, "after", pause, "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, maxPause)
		}
	}
}

func (v *views) approval(codec stream.Codec, r stream.Record) error {
	if r.Value == nil {
		return nil
	}
	if r.Topic == event.ApprovalRequests {
		var request event.ApprovalRequest
		if err := codec.Decode(r.Value, string(r.Topic), &request); err != nil {
			return fmt.Errorf("decode %s: %w", r.ID(), err)
		}
		v.inbox.Request(request)
		return nil
	}
	var e event.ApprovalEvent
	if err := codec.Decode(r.Value, string(r.Topic), &e); err != nil {
		return fmt.Errorf("decode %s: %w", r.ID(), err)
	}
	v.inbox.Event(e)
	return nil
}

// fold puts a record of a compacted topic into what is kept of it; a tombstone as nil.
func fold[T any](codec stream.Codec, r stream.Record, put func(key string, v *T)) error {
	if r.Value == nil {
		put(r.Key, nil)
		return nil
	}
	var v T
	if err := codec.Decode(r.Value, string(r.Topic), &v); err != nil {
		return fmt.Errorf("decode %s: %w", r.ID(), err)
	}
	put(r.Key, &v)
	return nil
}

func (v *views) policy(codec stream.Codec, r stream.Record) error {
	if r.Value == nil {
		return nil
	}
	if r.Topic == event.PolicyBundles {
		var b event.PolicyBundle
		if err := codec.Decode(r.Value, string(r.Topic), &b); err != nil {
			return fmt.Errorf("decode %s: %w", r.ID(), err)
		}
		v.policies.Bundle(b)
		return nil
	}
	var a event.PolicyActivation
	if err := codec.Decode(r.Value, string(r.Topic), &a); err != nil {
		return fmt.Errorf("decode %s: %w", r.ID(), err)
	}
	v.policies.Activation(r.Partition, a)
	return nil
}

package desk

import (
	"context"
	"sync"

	"joinery.internal/services/provisioner/internal/account"
)

// queue is the calls of a target that have not begun, by account: of those that something more urgent has overtaken, none
// is made. So a leaver does not wait for the turn of what was wanted of the account before.
type queue struct {
	mu        sync.Mutex
	waiting   map[string]*queued
	overtaken map[string]string // by account: the Intent.Event of a call that may come yet, or has begun; until the next one
}

type queued struct {
	intended string
	giveUp   context.CancelFunc
}

// join returns the context that ends with the call's, or when it is overtaken. leave must follow.
func (q *queue) join(ctx context.Context, c account.Call) (waits context.Context, leave func()) {
	waits, giveUp := context.WithCancel(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	mine := &queued{c.Intent.Event, giveUp}
	if q.waiting == nil {
		q.waiting, q.overtaken = map[string]*queued{}, map[string]string{}
	}
	q.waiting[c.Key] = mine
	if intended, over := q.overtaken[c.Key]; over && intended == c.Intent.Event {
		giveUp()
	}
	delete(q.overtaken, c.Key)
	return waits, func() {
		giveUp()
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.waiting[c.Key] == mine {
			delete(q.waiting, c.Key)
		}
	}
}

// Overtake gives up a call that has not begun: intended is its Intent.Event. It may come before the call does.
func (d *Desk) Overtake(target, key, intended string) {
	t := d.targets[target]
	if t == nil {
		return
	}
	q := &t.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if w := q.waiting[key]; w != nil && w.intended == intended {
		w.giveUp()
		return
	}
	if q.overtaken == nil {
		q.waiting, q.overtaken = map[string]*queued{}, map[string]string{}
	}
	q.overtaken[key] = intended
}

package desk

import (
	"context"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
)

// lease is an open connector and how many use it. A stale one is closed by its last user.
type lease struct {
	c     connector.Connector
	users int
	stale bool
}

// open gives the target's connector for one call; give must follow.
func (t *target) open() (*guarded, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lease == nil {
		c, err := t.Open()
		if err != nil {
			// It opened when the service started: secrets are being exchanged, say.
			return nil, &connector.Error{Class: connector.Transient, Op: "open target " + t.Name, Err: err}
		}
		t.lease = &lease{c: c}
	}
	t.lease.users++
	return &guarded{t: t, c: t.lease.c, lease: t.lease}, nil
}

// give ends the use of a connector. After a denial the next call opens anew, with secrets read anew.
func (t *target) give(g *guarded) {
	if g.denied {
		t.reopen(g.lease)
	}
	t.mu.Lock()
	g.lease.users--
	last := g.lease.stale && g.lease.users == 0
	t.mu.Unlock()
	if last {
		t.discard(g.lease)
	}
}

// reopen makes the present connector stale if it is the given one, or whichever it is for nil.
func (t *target) reopen(only *lease) {
	t.mu.Lock()
	l := t.lease
	if l == nil || (only != nil && l != only) {
		t.mu.Unlock()
		return
	}
	t.lease, l.stale = nil, true
	unused := l.users == 0
	t.mu.Unlock()
	if unused {
		t.discard(l)
	}
}

// discard closes a connector that nobody uses.
func (t *target) discard(l *lease) {
	_ = connector.Close(l.c) // nothing depends on it any more; what stays open ends with the process
}

const (
	lanesFirst = event.LaneEmergency
	probeName  = "joinery-probe" // an account that is not expected to exist
)

// read asks the target for something small and says whether it answered.
func (t *target) read(ctx context.Context) bool {
	g, err := t.open()
	if err != nil {
		return false
	}
	defer t.give(g)
	if _, err = g.Describe(ctx); err == nil {
		_, err = g.Get(ctx, connector.Ref{Account: probeName, ExternalID: probeName})
	}
	return err == nil || !g.failed
}

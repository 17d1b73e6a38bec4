package memory

import (
	"context"
	"errors"
	"time"

	"joinery.internal/pkg/connector"
)

// Fault is what happens to one call.
type Fault struct {
	Class       connector.Class // the error's; empty: Transient
	RetryAfter  time.Duration
	AfterCommit bool // the change is made, and the error given all the same; reads are not met by such a fault
	Lie         bool // nothing is changed, and success is answered; reads are not met by such a fault
}

var errInjected = errors.New("injected fault")

func (f Fault) err(op string) error {
	class := f.Class
	if class == "" {
		class = connector.Transient
	}
	return &connector.Error{Class: class, RetryAfter: f.RetryAfter, Op: op, Err: errInjected}
}

func (f Fault) writesOnly() bool { return f.AfterCommit || f.Lie }

// FailNext makes the next n calls (writes only, for AfterCommit and Lie) meet the fault.
func (t *Target) FailNext(n int, f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range n {
		t.faults = append(t.faults, f)
	}
}

// Heal takes back the faults not yet met, and the latency.
func (t *Target) Heal() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults, t.latency = nil, 0
}

// SetLatency makes every call take that long before it acts.
func (t *Target) SetLatency(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latency = d
}

// meet waits out the latency and takes the next fault, if this call meets one. A call whose context ends has not acted.
func (t *Target) meet(ctx context.Context, op string, isRead bool) (*Fault, error) {
	t.mu.Lock()
	latency := t.latency
	var fault *Fault
	if len(t.faults) > 0 && (!isRead || !t.faults[0].writesOnly()) {
		f := t.faults[0]
		fault, t.faults = &f, t.faults[1:]
	}
	t.mu.Unlock()
	if latency > 0 {
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	if ctx.Err() != nil {
		return nil, connector.ContextError(ctx, op, false)
	}
	return fault, nil
}

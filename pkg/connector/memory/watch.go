package memory

import (
	"context"
	"iter"
	"strconv"

	"joinery.internal/pkg/connector"
)

// Changes yields what happens to accounts, whoever does it. Faults meant for calls do not touch it; Interrupt ends it.
func (t *Target) Changes(ctx context.Context, token string) iter.Seq2[connector.Change, error] {
	return func(yield func(connector.Change, error) bool) {
		t.mu.Lock()
		t.watched = true
		next := len(t.history)
		t.mu.Unlock()
		if n, err := strconv.Atoi(token); err == nil {
			next = n
		}
		next = t.after(next)
		for {
			t.mu.RLock()
			news, moved := t.history[min(next, len(t.history)):], t.moved
			t.mu.RUnlock()
			for _, c := range news {
				next++
				if c.Token == interrupted {
					yield(connector.Change{}, connector.Errorf(connector.Transient, "watch accounts", "interrupted"))
					return
				}
				c.Token = strconv.Itoa(next)
				if !yield(c, nil) {
					return
				}
			}
			select {
			case <-moved:
			case <-ctx.Done():
				return
			}
		}
	}
}

// interrupted marks the place in the history where those who watched then are cut off.
const interrupted = "interrupted"

// after skips the marks at that place: they cut off who watched before.
func (t *Target) after(next int) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for next < len(t.history) && t.history[next].Token == interrupted {
		next++
	}
	return next
}

// Interrupt cuts off whoever watches.
func (t *Target) Interrupt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(connector.Change{Token: interrupted})
}

// note keeps a change for those who watch. The caller holds mu.
func (t *Target) note(c connector.Change) {
	if !t.watched {
		return
	}
	t.history = append(t.history, c)
	close(t.moved)
	t.moved = make(chan struct{})
}

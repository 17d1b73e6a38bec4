package memory

import (
	"context"
	"iter"
	"strconv"

	"joinery.internal/pkg/connector"
)

// history is what happened to accounts, for those who watch. A position in it is the number of changes before.
type history struct {
	kept      []connector.Change // oldest first, historyMost at most
	forgotten int                // changes before them
	watched   bool               // nothing is kept before somebody has watched
	moved     chan struct{}      // closed and replaced when it grows
}

// historyMost is how many changes are kept. Who is further behind lists again, as with a directory that has forgotten.
const historyMost = 10_000

func (h *history) end() int { return h.forgotten + len(h.kept) }

// since gives what came at a position and later; ok is false where that is not known any more, or never was.
func (h *history) since(at int) (news []connector.Change, ok bool) {
	if at < h.forgotten || at > h.end() {
		return nil, false
	}
	return h.kept[at-h.forgotten:], true
}

func (h *history) add(c connector.Change) {
	if len(h.kept) == historyMost {
		h.kept = h.kept[1:] // what append makes anew does not hold it
		h.forgotten++
	}
	h.kept = append(h.kept, c)
	close(h.moved)
	h.moved = make(chan struct{})
}

// interrupted marks the place in the history where those who watched then are cut off.
const interrupted = "interrupted"

// Changes yields what happens to accounts, whoever does it. Faults meant for calls do not touch it; Interrupt ends it. A
// token of before the changes that are kept is not known any more.
func (t *Target) Changes(ctx context.Context, token string) iter.Seq2[connector.Change, error] {
	return func(yield func(connector.Change, error) bool) {
		next, known := t.position(token)
		for known {
			t.mu.RLock()
			news, there := t.history.since(next)
			moved := t.history.moved
			t.mu.RUnlock()
			if !there {
				break
			}
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
		yield(connector.Change{}, connector.Errorf(connector.NotFound, "watch accounts", "the changes since %q are not kept any more", token))
	}
}

// position is where a watcher with that token goes on: now, without one. It passes over the marks there: they cut off who
// watched before.
func (t *Target) position(token string) (at int, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.history.watched = true
	if token == "" {
		return t.history.end(), true
	}
	at, err := strconv.Atoi(token)
	news, known := t.history.since(at)
	for _, c := range news {
		if c.Token != interrupted {
			break
		}
		at++
	}
	return at, known && err == nil
}

// Interrupt cuts off whoever watches.
func (t *Target) Interrupt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(connector.Change{Token: interrupted})
}

// note keeps a change for those who watch. The caller holds mu.
func (t *Target) note(c connector.Change) {
	if t.history.watched {
		t.history.add(c)
	}
}

package desk

import (
	"container/heap"
	"context"
	"sync"

	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/account"
)

// line lets calls through to one target: at most size at a time, by lane and then by arrival. Emergencies and leavers
// may use every slot, all others leave one free for them (where there is more than one).
type line struct {
	mu      sync.Mutex
	size    int
	running int
	arrived uint64
	waiting waiters
}

type waiter struct {
	rank   int
	number uint64 // of arrival
	admit  chan struct{}
	place  int // in the heap; -1: not waiting any more
}

const urgentRank = 1 // emergency 0, leaver 1

// enter waits for a slot; leave must follow a nil error.
func (l *line) enter(ctx context.Context, lane event.Lane) error {
	l.mu.Lock()
	l.arrived++
	w := &waiter{rank: account.Rank(lane), number: l.arrived, admit: make(chan struct{})}
	heap.Push(&l.waiting, w)
	l.serve()
	l.mu.Unlock()
	select {
	case <-w.admit:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.place < 0 { // admitted at the same moment: give the slot on
		l.running--
		l.serve()
		return ctx.Err()
	}
	heap.Remove(&l.waiting, w.place)
	return ctx.Err()
}

func (l *line) leave() {
	l.mu.Lock()
	l.running--
	l.serve()
	l.mu.Unlock()
}

// serve admits who may go. The head of the heap is always the one to serve next: if it may not, nobody behind it may.
func (l *line) serve() {
	for len(l.waiting) > 0 {
		free := l.size - l.running
		if l.waiting[0].rank > urgentRank && l.size > 1 {
			free--
		}
		if free <= 0 {
			return
		}
		w := heap.Pop(&l.waiting).(*waiter)
		l.running++
		close(w.admit)
	}
}

// resize changes how many may run at a time; what runs already goes on.
func (l *line) resize(size int) {
	l.mu.Lock()
	l.size = size
	l.serve()
	l.mu.Unlock()
}

func (l *line) length() (waiting, running int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting), l.running
}

type waiters []*waiter

func (q waiters) Len() int { return len(q) }
func (q waiters) Less(i, j int) bool {
	if q[i].rank == q[j].rank {
		return q[i].number < q[j].number
	}
	return q[i].rank < q[j].rank
}
func (q waiters) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}
func (q *waiters) Push(x any) {
	w := x.(*waiter)
	w.place = len(*q)
	*q = append(*q, w)
}
func (q *waiters) Pop() any {
	old := *q
	w := old[len(old)-1]
	*q = old[:len(old)-1]
	w.place = -1
	return w
}

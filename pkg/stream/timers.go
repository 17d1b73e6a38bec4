package stream

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"time"
)

// timerQueue orders the timers of a partition by (time, key). An entry whose key was set again or cleared since is
// passed over when it surfaces: at holds what stands.
type timerQueue struct {
	heap timerHeap
	at   map[string]time.Time
}

type timer struct {
	key string
	at  time.Time
}

func (q *timerQueue) set(key string, at time.Time) {
	if q.at == nil {
		q.at = map[string]time.Time{}
	}
	if have, ok := q.at[key]; ok && have.Equal(at) {
		return
	}
	q.at[key] = at
	heap.Push(&q.heap, timer{key, at})
	if len(q.heap) > 2*len(q.at)+64 { // mostly entries that no longer stand: a timer put off again and again leaves one each time
		q.heap = q.heap[:0]
		for key, at := range q.at {
			q.heap = append(q.heap, timer{key, at})
		}
		heap.Init(&q.heap)
	}
}

func (q *timerQueue) clear(key string) { delete(q.at, key) }

// next is when the earliest timer is due; the zero time if there is none.
func (q *timerQueue) next() time.Time {
	q.trim()
	if len(q.heap) == 0 {
		return time.Time{}
	}
	return q.heap[0].at
}

// popDue removes and returns the earliest timer that is due at now.
func (q *timerQueue) popDue(now time.Time) (timer, bool) {
	q.trim()
	if len(q.heap) == 0 || q.heap[0].at.After(now) {
		return timer{}, false
	}
	t := heap.Pop(&q.heap).(timer)
	delete(q.at, t.key)
	return t, true
}

// trim drops entries at the top that no longer stand.
func (q *timerQueue) trim() {
	for len(q.heap) > 0 {
		if at, ok := q.at[q.heap[0].key]; ok && at.Equal(q.heap[0].at) {
			return
		}
		heap.Pop(&q.heap)
	}
}

// Times are kept as microseconds since 1970, 8 bytes big-endian: as exact as the header of a tick.
func appendTime(b []byte, at time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(at.UnixMicro()))
}

func parseTime(v []byte) (time.Time, error) {
	if len(v) != 8 {
		return time.Time{}, fmt.Errorf("a time has 8 bytes, this has %d", len(v))
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(v))).UTC(), nil
}

type timerHeap []timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].key < h[j].key
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(timer)) }
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}

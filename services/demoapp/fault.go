package demoapp

import (
	"net/http"
	"sync"
	"time"
)

// slowness is how long a slow application takes for a call.
const slowness = 500 * time.Millisecond

// fault is how an application misbehaves.
type fault struct {
	mu     sync.Mutex
	now    Mode
	reads  int // since the mode was set
	writes int
}

func (f *fault) set(mode Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now, f.reads, f.writes = mode, 0, 0
}

func (f *fault) mode() Mode {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// accident is what happens to one call.
type accident int

const (
	none accident = iota
	unavailable
	throttled
	lostAnswer // the change is made, and the answer is an error
	cutOff     // the change is made, and the connection closed
	delayed
	refused
)

// next says what happens to the next call. A flaky application fails every 9th read and three of ten writes, always in
// the same order, so that what is tried again gets on.
func (f *fault) next(write bool) accident {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.now == Down:
		return unavailable
	case f.now == Slow:
		return delayed
	case f.now == Reject && write:
		return refused
	case f.now != Flaky:
		return none
	case write:
		f.writes++
		return map[int]accident{2: lostAnswer, 5: cutOff, 8: throttled}[f.writes%10]
	default:
		f.reads++
		return map[int]accident{7: unavailable}[f.reads%9]
	}
}

// serve lets the call meet its accident.
func (f *fault) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	switch f.next(r.Method != http.MethodGet) {
	case unavailable:
		problem(refuse(http.StatusServiceUnavailable, "", "the application is switched down")).write(w)
	case throttled:
		w.Header().Set("Retry-After", "1")
		problem(refuse(http.StatusTooManyRequests, "", "too many requests")).write(w)
	case lostAnswer:
		next.ServeHTTP(discard{}, r)
		problem(refuse(http.StatusInternalServerError, "", "it was done, and yet this is an error")).write(w)
	case cutOff:
		next.ServeHTTP(discard{}, r)
		panic(http.ErrAbortHandler)
	case refused:
		problem(refuse(http.StatusBadRequest, "invalidValue", "the application is switched to reject every change")).write(w)
	case delayed:
		timer := time.NewTimer(slowness)
		defer timer.Stop()
		select {
		case <-r.Context().Done():
		case <-timer.C:
			next.ServeHTTP(w, r)
		}
	default:
		next.ServeHTTP(w, r)
	}
}

// discard takes an answer that nobody will get.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

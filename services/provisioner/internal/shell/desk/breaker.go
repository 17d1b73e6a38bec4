package desk

import (
	"sync"
	"time"
)

const (
	tripAfter  = 3                // failures in a row until a target counts as down
	firstTrial = time.Second      // after the target was seen to answer, until a call is tried on it
	mostTrial  = time.Minute      // between calls tried on a target that answers reads and fails calls
	freshTrial = 2 * time.Second  // the same, for a call that was never tried
	trialLasts = 30 * time.Second // until a permission to try that nobody used goes to the next who asks
)

// Health is what a probe of a target says.
type Health string

// What a probe can say.
const (
	Up    Health = "up"    // calls go through
	Trial Health = "trial" // one call may be tried: yours
	Down  Health = "down"  // ask again
)

// breaker keeps calls away from a target that does not answer.
//
//	          3 failures in a row                    a read works
//	closed ------------------------> open (down) ------------------> open (answers)
//	   ^                                  ^                              |
//	   |                                  | a read fails                 | one call at a time is a trial
//	   +----------------------------------|------------------------------+ it succeeds; else wait longer
//
// One call is a trial at a time; a target that answers reads but fails calls is tried more and more rarely, one that was
// not reachable at all is tried as soon as it is.
type breaker struct {
	mu sync.Mutex
	circuit
}

type circuit struct {
	open     bool
	seen     bool // the target has answered something since we started
	failures int  // in a row

	answers  bool          // open: reads work
	interval time.Duration // open: between trials
	nextTry  time.Time     // open: not before
	lastTry  time.Time
	granted  time.Time // a trial was allowed then; zero: none is on its way
	trying   bool      // the trial is running
}

// admit says whether a call may go to the target now, and whether it is the trial.
func (b *breaker) admit(now time.Time, fresh bool) (ok, trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.open:
		return true, false
	case b.trying || !b.answers:
		return false, false
	case !b.granted.IsZero(), fresh && !now.Before(b.lastTry.Add(freshTrial)):
		b.granted, b.trying, b.lastTry = time.Time{}, true, now
		return true, true
	default:
		return false, false
	}
}

// note takes how an admitted call ended: answered says that the target answered every request of it. A call that was
// cut off by us says nothing of the target.
func (b *breaker) note(now time.Time, trial, answered, cut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial {
		b.trying = false
	}
	switch {
	case cut:
	case answered:
		b.circuit = circuit{seen: true}
	case b.open:
		if trial {
			b.interval = min(2*b.interval, mostTrial)
			b.nextTry = now.Add(b.interval)
		}
	default:
		if b.failures++; b.failures >= tripAfter {
			b.trip(now)
		}
	}
}

func (b *breaker) trip(now time.Time) {
	b.open, b.answers, b.failures = true, false, 0
	b.interval, b.nextTry, b.lastTry = firstTrial, now.Add(firstTrial), now
}

// ask says what is known without a probe; known is false if the target must be read to tell.
func (b *breaker) ask() (h Health, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.open && b.seen:
		return Up, true
	case b.trying:
		return Down, true
	default:
		return Down, false
	}
}

// probed takes what a read of the target came to, and says what follows.
func (b *breaker) probed(now time.Time, answered bool) Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !answered && b.open:
		b.answers, b.interval, b.nextTry = false, firstTrial, now
		return Down
	case !answered:
		b.trip(now)
		return Down
	case !b.open:
		b.seen = true
		return Up
	}
	b.answers = true
	if b.trying || now.Before(b.nextTry) || (!b.granted.IsZero() && now.Before(b.granted.Add(trialLasts))) {
		return Down
	}
	b.granted = now
	return Trial
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

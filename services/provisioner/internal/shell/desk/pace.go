package desk

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/stream"
)

const (
	patience     = 10 * time.Second // a pause up to this long is waited for in the middle of a call; a longer one ends it
	paceWindow   = 2 * time.Second  // over which it is learnt what a target allows
	paceRaise    = 2 * time.Second  // without a 429, until a little more is tried
	paceStep     = 0.01             // by what part more is tried
	raisesSmall  = 10               // raises by so little; each further one is by twice as much
	pauseUnsaid  = time.Second      // of a 429 that does not say how long
	throttleMost = 5                // 429s to one request until the call ends with them
)

// pacer spreads requests to a target: as the target file says, and where the target itself allows less, at nearly the
// rate at which it last answered. It probes for more now and then, one request at a time, so that a target is used fully and sees
// few requests that it must refuse.
type pacer struct {
	clock   stream.Clock // of pauses
	limiter *rate.Limiter

	mu      sync.Mutex
	most    rate.Limit // our share of limits.rate
	learnt  rate.Limit // what the target allows; 0: it has not refused
	until   time.Time  // the target asked for quiet until then
	began   time.Time  // of the window
	answers int        // in the window
	last    float64    // answers a second in the window before
	changed time.Time  // when learnt was
	raises  int        // since the last 429
}

func newPacer(clock stream.Clock, perSecond float64) *pacer {
	p := &pacer{clock: clock, limiter: rate.NewLimiter(rate.Inf, 1)}
	p.share(perSecond)
	return p
}

// share sets how many requests a second are ours; 0: any number.
func (p *pacer) share(perSecond float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = rate.Inf
	if perSecond > 0 {
		p.most = rate.Limit(perSecond)
	}
	p.adjust()
}

// adjust puts the limits in force. The lock is held.
func (p *pacer) adjust() {
	limit := p.most
	if p.learnt > 0 {
		limit = min(limit, p.learnt)
	}
	p.limiter.SetLimit(limit)
}

// wait blocks until a request may be sent.
func (p *pacer) wait(ctx context.Context, what string) error {
	for pause := p.quiet(); pause > 0; pause = p.quiet() {
		if pause > patience {
			return &connector.Error{Class: connector.Throttled, RetryAfter: pause, Op: what, Err: errQuiet}
		}
		if !wait(ctx, pause) {
			return connector.ContextError(ctx, what, false)
		}
	}
	if err := p.limiter.Wait(ctx); err != nil {
		return connector.ContextError(ctx, what, false)
	}
	return nil
}

// quiet is how long the target still wants to be left alone.
func (p *pacer) quiet() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, p.until.Sub(p.clock.Now()))
}

// answered counts a request that was not refused.
func (p *pacer) answered(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roll(now)
	p.answers++
	if p.learnt > 0 && now.Sub(p.changed) >= paceRaise {
		p.raises++
		step := paceStep * rate.Limit(int(1)<<min(max(0, p.raises-raisesSmall), 6)) // it allows much more by now: find out quickly
		p.learnt, p.changed = p.learnt*(1+step), now
		if p.learnt >= p.most {
			p.learnt = 0
		}
		p.adjust()
	}
}

// throttled takes a 429: quiet for a while, and then no faster than was answered before.
func (p *pacer) throttled(now time.Time, retryAfter time.Duration) {
	if retryAfter <= 0 {
		retryAfter = pauseUnsaid
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.clock.Now().Add(retryAfter); until.After(p.until) {
		p.until = until
	}
	p.roll(now)
	seen := p.last
	if age := now.Sub(p.began); age > paceWindow/2 || seen == 0 {
		seen = float64(p.answers) / max(age.Seconds(), 0.1)
	}
	if now.Sub(p.changed) < retryAfter || seen == 0 { // of the same moment; or it refuses everything, and nothing is learnt of that
		return
	}
	p.changed, p.raises = now, 0
	if limit := p.limiter.Limit(); limit == rate.Inf {
		p.learnt = rate.Limit(max(seen, 1) * 0.98)
	} else { // it is nearly right: the target counts a little differently
		p.learnt = limit * 0.95
	}
	p.adjust()
}

// roll begins a new window when the present one is over. The lock is held.
func (p *pacer) roll(now time.Time) {
	age := now.Sub(p.began)
	if age < paceWindow {
		return
	}
	p.last = 0
	if age < 2*paceWindow {
		p.last = float64(p.answers) / age.Seconds()
	}
	p.began, p.answers = now, 0
}

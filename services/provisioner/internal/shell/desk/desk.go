package desk

import (
	"cmp"
	"context"
	"sync"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/guard"
)

// Target is how one target is called.
type Target struct {
	Name        string
	Open        func() (connector.Connector, error) // without a call; again when the credentials may have changed
	Concurrency int                                 // calls at a time, at least 1
	Rate        float64                             // requests a second; 0: no limit
	Timeout     time.Duration                       // of one request; 0: connector.DefaultTimeout
	// Owned: accounts that say of nobody that they are theirs are left alone.
	Owned bool
	// Reserved says of which names the accounts are no person's, and never become one's; nil: of none.
	Reserved func(account string) bool
}

// Options of a Desk.
type Options struct {
	Instance string       // as in the intents: tells our own earlier calls from those of others
	Clock    stream.Clock // of breakers, pauses and Result.Ended
	Rules    Rules        // what may be given, and what guards count; required
	// Partitions is how many there are in all; an instance's share of a guard's limit is what it has of them. 0: as 1.
	Partitions int
	Settle     time.Duration // after a restart, until a call of ours that died with its process has ended at the target
}

// Rules say what may be given; rules.Rules is the real one. It is safe for concurrent use.
type Rules interface {
	// Warrant returns what may be driven of want at now, and what is left out; an error: it cannot be told now.
	Warrant(want account.Want, now time.Time) (account.Want, []account.Withheld, error)
	// Guards of the policy in force; known is false while it cannot be told which they are.
	Guards() (guards []guard.Rule, known bool)
}

// Desk makes the calls to all targets.
type Desk struct {
	opts    Options
	targets map[string]*target
	metrics metrics
	gate    *gate
}

// target is a Target at work.
type target struct {
	Target
	clock   stream.Clock
	rules   Rules
	gate    *gate
	line    line
	queue   queue
	pace    *pacer
	breaker breaker
	rights  rights

	mu    sync.Mutex
	lease *lease

	probing  sync.Mutex // one probe at a time; guards what follows
	probedAt time.Time
	answered bool
}

// New makes a desk for these targets. It makes no call.
func New(targets []Target, o Options) *Desk {
	d := &Desk{opts: o, targets: map[string]*target{}, metrics: newMetrics(), gate: newGate(o)}
	for _, t := range targets {
		t.Timeout = cmp.Or(t.Timeout, connector.DefaultTimeout)
		if t.Reserved == nil {
			t.Reserved = func(string) bool { return false }
		}
		d.targets[t.Name] = &target{Target: t, clock: o.Clock, rules: o.Rules, gate: d.gate, line: line{size: max(1, t.Concurrency)}, pace: newPacer(o.Clock, t.Rate)}
	}
	return d
}

// Close releases the connectors. No call may be running.
func (d *Desk) Close() {
	for _, t := range d.targets {
		t.reopen(nil)
	}
}

// Do makes a call. ok is false when ctx ended first: then there is no result, and the call may be acting still.
func (d *Desk) Do(ctx context.Context, c account.Call) (r account.Result, ok bool) {
	r = account.Result{Key: c.Key, Intent: c.Intent.ID, Attempt: c.Intent.Attempt, Round: c.Intent.Round}
	t := d.targets[c.Want.Target]
	if t == nil {
		r.Class, r.Ended = connector.Invalid, d.opts.Clock.Now()
		r.Message = "there is no target file for " + c.Want.Target + "; add one and restart the provisioner, or correct the grant"
		return r, true
	}
	if c.Takeover && !wait(ctx, d.quarantine(t, c)) {
		return r, false
	}
	if !d.gate.await(ctx, c.Partition) {
		return r, false
	}
	waits, leave := t.queue.join(ctx, c)
	err := t.line.enter(waits, c.Want.Lane)
	if err == nil {
		defer t.line.leave()
	}
	r.Overtaken = waits.Err() != nil
	if leave(); ctx.Err() != nil {
		return r, false
	}
	if r.Overtaken {
		r.Refused, r.Class, r.Ended = true, connector.Transient, d.opts.Clock.Now()
		return r, true
	}
	t.do(ctx, c, &r)
	if ctx.Err() != nil {
		return r, false
	}
	d.gate.note(c, r)
	d.metrics.called(t.Name, r)
	return r, true
}

// unnoticed is how long an instance that is cut off from Kafka, and not from the target, may go on after its partitions were
// given to others: it asks every sixth of the session's time-out whether they are still its own.
const unnoticed = 4 * time.Second

// quarantine is how long an earlier call of the same intent may be acting at the target. Another instance may have sent
// its last request just before it noticed that it lost the partition, and a request lasts Timeout at most. A call of our own ended with
// its process or its context; only the target may be busy with it for a moment.
func (d *Desk) quarantine(t *target, c account.Call) time.Duration {
	if c.Intent.By == d.opts.Instance {
		return min(t.Timeout, d.opts.Settle)
	}
	return t.Timeout + unnoticed
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// do makes the call if breaker and pause let it through, and fills r.
func (t *target) do(ctx context.Context, c account.Call, r *account.Result) {
	now := t.clock.Now()
	r.Ended = now
	if t.gate.isPaused(t.Name) {
		r.Refused, r.Class = true, connector.Transient
		r.Message = "not tried: the target is paused; resume it"
		return
	}
	if pause := t.pace.quiet(); pause > patience {
		r.Refused, r.Class, r.RetryAfter = true, connector.Throttled, pause
		r.Message = "not tried: the target asked us to wait"
		return
	}
	if proceed := t.warrant(&c, r); !proceed {
		return
	}
	admitted, trial := t.breaker.admit(now, c.Intent.Attempt == 1)
	if !admitted {
		r.Refused, r.Class = true, connector.Transient
		r.Message = "not tried: the target is down; tried as soon as it answers"
		return
	}
	began := time.Now()
	g, err := t.open()
	if err == nil {
		g.call = c
		err = g.drive(ctx, c, r)
		t.give(g)
	} else {
		g = &guarded{t: t, failed: true}
	}
	now = t.clock.Now()
	t.breaker.note(now, trial, !g.failed, ctx.Err() != nil)
	r.Latency, r.Ended = time.Since(began), now
	r.Down = t.breaker.isOpen()
	r.Counted, r.Held = g.counted, g.held
	switch {
	case g.held != nil: // no failure
	case g.wait > 0:
		r.Refused, r.Class, r.RetryAfter = true, connector.Throttled, g.wait
		r.Message = "not tried: the guards cannot tell yet: partitions are changing hands, or the policy is not there"
	case err != nil:
		r.Class, r.Message, r.RetryAfter = connector.ClassOf(err), shorten(err.Error()), connector.RetryAfter(err)
		r.Refused = g.refused
		r.Down = r.Down || r.Class == connector.Denied && t.rights.lack()
	}
}

// warrant leaves out of the call what nobody approved. proceed is false when there is nothing to be called then, or when
// it cannot be told: the policy or the key of approvals is not there yet.
func (t *target) warrant(c *account.Call, r *account.Result) (proceed bool) {
	given, withheld, err := t.rules.Warrant(c.Want, t.clock.Now())
	if err != nil {
		r.Class, r.Message = connector.Transient, shorten("not tried: what may be given cannot be told: "+err.Error())
		return false
	}
	// An account that nobody approved is disabled where it is, and not made.
	unmade := c.Account == "" && c.RemoteID == ""
	proceed = !(unmade && given.State != c.Want.State)
	c.Want, r.Withheld = given, withheld
	return proceed
}

const messageMost = 400 // bytes of a message that are kept

func shorten(s string) string {
	if len(s) <= messageMost {
		return s
	}
	cut := messageMost
	for cut > 0 && s[cut]&0xC0 == 0x80 { // not inside a rune
		cut--
	}
	return s[:cut] + "…"
}

// probeAge is how long the answer of a probe stands for those who ask after.
const probeAge = 900 * time.Millisecond

// Probe finds out whether the target answers again. Trial is a permission: the asker's next call is let through.
func (d *Desk) Probe(ctx context.Context, name string) Health {
	t := d.targets[name]
	if t == nil {
		return Up // a call says what is wrong
	}
	if d.gate.isPaused(name) {
		return Down
	}
	now := t.clock.Now()
	if h, known := t.breaker.ask(); known {
		if h == Up {
			return t.rights.health(now)
		}
		return h
	}
	t.probing.Lock()
	defer t.probing.Unlock()
	if now.Sub(t.probedAt) >= probeAge {
		if err := t.line.enter(ctx, lanesFirst); err != nil {
			return Down
		}
		answered := t.read(ctx)
		t.line.leave()
		if ctx.Err() != nil { // cut off by us: it says nothing of the target
			return Down
		}
		t.answered, t.probedAt = answered, now
	}
	return t.breaker.probed(t.clock.Now(), t.answered)
}

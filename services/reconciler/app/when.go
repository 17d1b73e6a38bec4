package app

import (
	"hash/fnv"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// When a target is swept: by schedule, after an outage, and again when it could not be listed.

// Timer keys.
const (
	scheduleTimer = "schedule/"
	outageTimer   = "outage/"
	againTimer    = "again/"
)

// outageLeast is how long a target must have failed for a sweep to follow; outageWait spreads what ends together into
// one sweep.
const (
	outageLeast = time.Minute
	outageWait  = time.Minute
)

// reasonAgain is of sweeps in place of one whose listing failed. A target that fails at once is asked again soon; one that fails after a long
// listing is not kept listing all the time.
const (
	reasonAgain = "again"
	againLoad   = 4 // times as long as the listing took
	againLeast  = 5 * time.Second
	againMost   = 10 * time.Minute
)

// timer begins a sweep that is due. Its id comes of the target and the time, so that all partitions share one listing.
func (r reconciler) timer(tx *stream.Tx, name string) error {
	kind, target, _ := strings.Cut(name, "/")
	t, known := r.targets[target]
	if !known {
		return nil
	}
	switch kind + "/" {
	case againTimer:
		r.begin(tx, sweep{ID: sweepID(target, reasonAgain, tx.Now().Truncate(againLeast)), Target: target, Reason: reasonAgain})
		return nil
	case outageTimer:
		r.begin(tx, sweep{ID: sweepID(target, "outage", tx.Now().Truncate(outageWait)), Target: target, Reason: "outage"})
		return nil
	}
	r.begin(tx, sweep{ID: sweepID(target, "schedule", slot(t, tx.Now())), Target: target, Reason: "schedule"})
	r.schedule(tx, t)
	return nil
}

func sweepID(target, reason string, at time.Time) string {
	return event.DeriveID("sweep", 0, target, reason, at.UTC().Format(time.RFC3339Nano))
}

// slot is the beginning of the period that now is in. Periods are shifted by the target's name, so that targets are not
// all listed at once.
func slot(t Target, now time.Time) time.Time {
	h := fnv.New32a()
	h.Write([]byte(t.Name))
	shift := time.Duration(h.Sum32()) % t.Every
	return now.Add(-shift).Truncate(t.Every).Add(shift)
}

func (r reconciler) schedule(tx *stream.Tx, t Target) {
	p, _ := plans.Get(tx, t.Name)
	p.Next = slot(t, tx.Now()).Add(t.Every)
	plans.Put(tx, t.Name, p)
	tx.SetTimer(scheduleTimer+t.Name, p.Next)
}

// noteOutage watches for a target that fails and comes back: a sweep follows, for nobody knows what it went through.
func (r reconciler) noteOutage(tx *stream.Tx, e event.ProvisionEvent) {
	if _, known := r.targets[e.Target]; !known {
		return
	}
	p, _ := plans.Get(tx, e.Target)
	failing := e.Reason == string(connector.Transient) || e.Reason == string(connector.Ambiguous)
	switch {
	case e.Kind == event.ProvisionDeferred && failing && p.Down.IsZero():
		p.Down = tx.Now()
	case (e.Kind == event.ProvisionApplied || e.Kind == event.ProvisionUnchanged || e.Kind == event.ProvisionAdopted) && !p.Down.IsZero():
		if tx.Now().Sub(p.Down) >= outageLeast {
			tx.SetTimer(outageTimer+e.Target, tx.Now().Truncate(outageWait).Add(2*outageWait))
		}
		p.Down = time.Time{}
	default:
		return
	}
	plans.Put(tx, e.Target, p)
}

// failed plans another sweep after a listing that failed: nobody else would ask before the next by schedule. A target file that is wrong
// does not change by itself. Partitions meet the same failure, and wait for the same moment, so that they share the next listing.
func (r reconciler) failed(tx *stream.Tx, l listed) {
	if !l.class.Retryable() && l.class != connector.Denied {
		return
	}
	wait := againLeast
	for wait < againLoad*l.took && wait < againMost {
		wait *= 2
	}
	tx.SetTimer(againTimer+l.sweep.Target, tx.Now().Truncate(wait).Add(2*wait))
}

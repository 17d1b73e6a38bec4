package app

import (
	"errors"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// pauses are the targets that nothing is sent to, by name. Each partition keeps them: a restart does not end a pause.
var pauses = stream.NewTable[pause]("pause")

type pause struct {
	Actor  event.IdentityID `json:"a"`
	Reason string           `json:"r"`
	Since  time.Time        `json:"s"`
}

// halted tells the desk of a pause or its end.
type halted struct {
	target string
	on     bool
}

// halt pauses a target or resumes it. One partition tells of it: the first.
func (p provisioner) halt(tx *stream.Tx, c event.GuardCommand, cause string) error {
	if c.Hold == "" {
		return stream.Poison("invalid", errors.New("a command to pause or resume needs a target"))
	}
	on := c.Kind == event.TargetPause
	if _, paused := pauses.Get(tx, c.Hold); paused == on {
		return nil // it is so already
	}
	kind, outcome := event.TargetPaused, "paused"
	if on {
		pauses.Put(tx, c.Hold, pause{Actor: c.Actor, Reason: c.Reason, Since: tx.Now()})
	} else {
		kind, outcome = event.TargetResumed, "resumed"
		pauses.Delete(tx, c.Hold)
	}
	tx.Effect(halted{c.Hold, on})
	if tx.Partition() == 0 {
		tx.Emit(event.ProvisionEvents, c.Hold, &event.ProvisionEvent{Meta: event.Meta{EventID: event.EventID(event.DeriveID("te", 0, cause)), Kind: kind, CausationID: c.ID,
			Target: c.Hold, Actor: string(c.Actor), Outcome: outcome, Message: c.Reason, EffectiveAt: tx.Now(), KnownAt: tx.Now(), OccurredAt: tx.Now()}})
	}
	return nil
}

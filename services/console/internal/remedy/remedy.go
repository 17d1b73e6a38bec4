// Package remedy turns what people did about dead letters and old records into evidence.
//
// It owns the topology `remedy`, which the console runs: commands in, transitions out, exactly once. It does not own the
// writing of the records themselves, which the desk does in the transaction of the command. Its handlers are pure.
//
//	jml.replay.command.v1 --> replay.started, replay.finished, exception.resolved in jml.dlq.v1
package remedy

import (
	"errors"
	"fmt"
	"strings"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// Name of the topology.
const Name = "remedy"

// resolved remembers, by exception id, which dead letters have been dealt with: a second resolution says nothing.
var resolved = stream.NewTable[bool]("resolved")

// Topology is the processing.
func Topology() stream.Topology {
	return stream.Topology{Name: Name, Inputs: []stream.Input{{Topic: event.ReplayCommands, Handle: handle, Entrance: true}}}
}

func handle(tx *stream.Tx, r stream.Record) error {
	c, err := stream.Decode[event.ReplayCommand](tx, r)
	if err != nil {
		return err
	}
	if c.ID == "" || strings.TrimSpace(c.Reason) == "" {
		return stream.Poison("invalid", errors.New("a replay command needs an id and a reason"))
	}
	e := &event.DeadLetter{Service: Name, Topic: c.Topic, Meta: event.Meta{EventID: event.EventID(event.DeriveID("re", 0, r.ID())), CausationID: c.ID, Actor: string(c.Actor),
		Message: c.Reason, EffectiveAt: tx.Now(), KnownAt: tx.Now(), OccurredAt: tx.Now()}}
	switch c.Kind {
	case event.ReplayStart:
		e.Kind, e.Outcome, e.Message = event.ReplayStarted, "started", c.Reason+"; "+c.Filter
	case event.ReplayFinish:
		e.Kind, e.Outcome, e.Message = event.ReplayFinished, "finished", fmt.Sprintf("%s; %d records: %s", c.Reason, c.Count, c.Filter)
	case event.ReplayResolve:
		if done, _ := resolved.Get(tx, c.ExceptionID); done {
			return nil
		}
		resolved.Put(tx, c.ExceptionID, true)
		e.Kind, e.Outcome = event.ExceptionResolved, "resolved"
		e.Exception = event.Exception{ExceptionID: c.ExceptionID, Class: "dead_letter", Resolution: c.Resolution}
	default:
		return stream.Poison("invalid", fmt.Errorf("replay command %s: there is no kind %q", c.ID, c.Kind))
	}
	tx.Emit(event.DeadLetters, c.ID, e)
	return nil
}

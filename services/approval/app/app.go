// Package app runs the approval service: the topology over the pure core in internal/voting.
//
// It owns the state table, timers, and the signing key's place. It does not own any rule. Run blocks; handlers run on
// the runtime's goroutine.
package app

import (
	"context"
	"fmt"
	"path/filepath"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/approval/internal/voting"
)

// Name is the topology's.
const Name = "approval"

// Run runs the service until ctx ends.
func Run(ctx context.Context, env service.Env) error {
	key, err := approvalproof.OpenKey(filepath.Join(env.DataDir, approvalproof.KeyFile))
	if err != nil {
		return err
	}
	return stream.Run(ctx, Topology(key), env.Stream())
}

// Topology is the service's processing; signer signs what is approved.
func Topology(signer voting.Signer) stream.Topology {
	d := &desk{signer: signer}
	return stream.Topology{
		Name: Name,
		Inputs: []stream.Input{
			{Topic: event.ApprovalRequests, Handle: d.requested},
			{Topic: event.ApprovalCommands, Handle: d.voted, Entrance: true},
		},
		Outputs: []stream.Output{{Topic: event.ApprovalEvents}},
		Timer:   d.due,
	}
}

// approvals holds each approval by the id of its request. Timers have the same key.
var approvals = stream.NewTable[voting.State]("approval")

// desk adapts the core to the runtime.
type desk struct{ signer voting.Signer }

func (d *desk) requested(tx *stream.Tx, rec stream.Record) error {
	q, err := stream.Decode[event.ApprovalRequest](tx, rec)
	if err != nil {
		return err
	}
	state, _ := approvals.Get(tx, q.RequestID)
	d.stage(tx, q.RequestID, d.work(tx, state, rec.ID()).Requested(q))
	return nil
}

func (d *desk) voted(tx *stream.Tx, rec stream.Record) error {
	c, err := stream.Decode[event.ApprovalCommand](tx, rec)
	if err != nil {
		return err
	}
	if string(c.IdentityID) != rec.Key {
		return stream.Poison("key", fmt.Errorf("command %s is keyed %q: the key must be its identity_id, the beneficiary", c.ID, rec.Key))
	}
	state, known := approvals.Get(tx, c.RequestID)
	if !known || state.Request.IdentityID != c.IdentityID {
		return stream.Poison("invalid", fmt.Errorf("command %s is about request %s, of which nothing is known for %s", c.ID, c.RequestID, c.IdentityID))
	}
	if c.ID == "" || c.Actor == "" {
		return stream.Poison("invalid", fmt.Errorf("a command on request %s lacks its id or its actor", c.RequestID))
	}
	d.stage(tx, c.RequestID, d.work(tx, state, rec.ID()).Voted(c))
	return nil
}

func (d *desk) due(tx *stream.Tx, requestID string) error {
	state, known := approvals.Get(tx, requestID)
	if known {
		d.stage(tx, requestID, d.work(tx, state, tx.Cause().ID()).Due())
	}
	return nil
}

func (d *desk) work(tx *stream.Tx, state voting.State, cause string) voting.Work {
	return voting.Work{State: state, Cause: cause, Now: tx.Now(), Signer: d.signer}
}

func (d *desk) stage(tx *stream.Tx, requestID string, decision voting.Decision) {
	for _, e := range decision.Events {
		tx.Emit(event.ApprovalEvents, string(e.IdentityID), e)
	}
	if decision.Forget || decision.State.Request.RequestID == "" {
		approvals.Delete(tx, requestID)
		tx.ClearTimer(requestID)
		return
	}
	approvals.Put(tx, requestID, decision.State)
	if decision.WakeAt.IsZero() {
		tx.ClearTimer(requestID)
	} else {
		tx.SetTimer(requestID, decision.WakeAt)
	}
}

package desk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/event"
)

// States of a guard that has tripped.
const (
	GuardHolding   = "holding"
	GuardReleased  = "released"
	GuardCancelled = "cancelled"
)

// Guard is a guard that has tripped, and what people said of it.
type Guard struct {
	ID        string      `json:"id"`
	Guard     string      `json:"guard" doc:"its name in the policy"`
	Target    string      `json:"target" doc:"empty: all targets"`
	State     string      `json:"state" doc:"holding, released or cancelled"`
	Held      int64       `json:"held" doc:"accounts that it has held"`
	Message   string      `json:"message"`
	Policy    string      `json:"policy"`
	TrippedAt time.Time   `json:"tripped_at"`
	DecidedAt time.Time   `json:"decided_at,omitzero"`
	Votes     []GuardVote `json:"votes"`
}

// GuardVote is what one person said.
type GuardVote struct {
	Kind   string    `json:"kind" doc:"release or cancel"`
	Actor  Named     `json:"actor"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// GuardDecision is what one person says of what a guard holds.
type GuardDecision struct {
	Kind   event.GuardAct
	Reason string
	DryRun bool // check, and write nothing
}

// GuardResult is how the guard stands after a person's word.
type GuardResult struct {
	Guard
	Seen   bool `json:"seen" doc:"false: written, and not counted yet"`
	DryRun bool `json:"dry_run"`
}

// Guards lists guards that have tripped, newest first. state is holding (the default), released, cancelled or all.
func (d *Desk) Guards(ctx context.Context, state string) ([]Guard, error) {
	if state == "" {
		state = GuardHolding
	}
	if !slices.Contains([]string{GuardHolding, GuardReleased, GuardCancelled, "all"}, state) {
		return nil, fault(Invalid, "state is %q: give holding, released, cancelled or all", state)
	}
	all, err := d.Archive.Guards(ctx, "")
	if err != nil {
		return nil, unavailable("list guards from the evidence", err)
	}
	out := slices.DeleteFunc(all, func(g Guard) bool { return state != "all" && g.State != state })
	for i := range out {
		d.nameVotes(&out[i])
	}
	return out, nil
}

func (d *Desk) nameVotes(g *Guard) {
	for i, v := range g.Votes {
		g.Votes[i].Actor = d.named(v.Actor.ID)
	}
}

// DecideGuard says one person's word on what a guard holds. It takes effect when two people have said the same.
//
//	tail of jml.provision.event.v1 opened at its end
//	  -> one command in every partition
//	  -> the guard.voted that the provisioner answers it with
func (d *Desk) DecideGuard(ctx context.Context, id string, c GuardDecision, actor Actor) (GuardResult, error) {
	g, err := d.guard(ctx, id)
	if err != nil {
		return GuardResult{}, err
	}
	if err := mayDecide(g, c, actor); err != nil {
		return GuardResult{}, err
	}
	result := GuardResult{Guard: g, DryRun: c.DryRun}
	if c.DryRun {
		return result, nil
	}
	command := event.GuardCommand{ID: d.NewID(), Kind: c.Kind, Hold: id, Actor: actor.ID, Reason: strings.TrimSpace(c.Reason), At: d.Clock.Now()}
	value, err := d.Codec.Encode(string(event.GuardCommands), command)
	if err != nil {
		return GuardResult{}, unavailable("encode a decision on a guard", err)
	}
	tail, err := d.Journal.Tail(ctx, event.ProvisionEvents)
	if err != nil {
		return GuardResult{}, unavailable("read what becomes of the decision", err)
	}
	defer tail.Close()
	if err := d.Journal.Append(ctx, Outgoing{Topic: event.GuardCommands, Key: id, Everywhere: true, Value: value}); err != nil {
		return GuardResult{}, unavailable("write the decision on a guard", err)
	}
	return result, d.awaitVote(ctx, tail, command, &result)
}

func (d *Desk) guard(ctx context.Context, id string) (Guard, error) {
	found, err := d.Archive.Guards(ctx, id)
	switch {
	case err != nil:
		return Guard{}, unavailable("read the guard from the evidence", err)
	case len(found) == 0:
		return Guard{}, fault(NotFound, "no guard has tripped as %q; `joinery guard list` shows those that have, some seconds after they did", id)
	}
	d.nameVotes(&found[0])
	return found[0], nil
}

func mayDecide(g Guard, c GuardDecision, actor Actor) error {
	switch {
	case actor.ID == "":
		return fault(Forbidden, "only a person can decide: sign in, or act as one (--as PERSON)")
	case strings.TrimSpace(c.Reason) == "":
		return fault(Invalid, "give a reason: it becomes evidence")
	case g.State != GuardHolding:
		return fault(Conflict, "what this guard held is %s; there is nothing left to decide", g.State)
	case slices.ContainsFunc(g.Votes, func(v GuardVote) bool { return v.Actor.ID == actor.ID && v.Kind == string(c.Kind) }):
		return fault(Conflict, "you have said so already; now another person has to")
	}
	return nil
}

// awaitVote reads the tail until the provisioner has answered the command, or patience ends.
func (d *Desk) awaitVote(ctx context.Context, tail Tail, command event.GuardCommand, result *GuardResult) error {
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	for {
		records, err := tail.Next(ctx)
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return nil // it is written, and counts when the provisioner reads it
		case err != nil:
			return unavailable("read what becomes of the decision", err)
		}
		for _, r := range records {
			var e event.ProvisionEvent
			if err := d.Codec.Decode(r.Value, string(event.ProvisionEvents), &e); err != nil || e.Kind != event.GuardVoted || e.CausationID != command.ID {
				continue // others' work
			}
			result.Seen = true
			result.Votes = append(result.Votes, GuardVote{Kind: string(command.Kind), Actor: d.named(command.Actor), Reason: command.Reason, At: e.OccurredAt})
			if e.Outcome == "decisive" {
				result.State, result.DecidedAt = guardStates[command.Kind], e.OccurredAt
			}
			return nil
		}
	}
}

var guardStates = map[event.GuardAct]string{event.GuardRelease: GuardReleased, event.GuardCancel: GuardCancelled}

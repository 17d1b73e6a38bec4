package desk

import (
	"context"
	"strings"

	"joinery.internal/pkg/event"
)

// Paused is how a target stands after somebody paused or resumed it.
type Paused struct {
	ID     string `json:"id" doc:"the target's name"`
	Paused bool   `json:"paused"`
	DryRun bool   `json:"dry_run"`
}

// PauseTarget has nothing sent to a target any more, or what waited sent again. What is under way ends as it ends.
func (d *Desk) PauseTarget(ctx context.Context, name string, on bool, r Remedy, actor Actor) (Paused, error) {
	out := Paused{ID: name, Paused: on, DryRun: r.DryRun}
	if _, err := d.target(name); err != nil {
		return out, err
	}
	switch {
	case actor.ID == "":
		return out, fault(Forbidden, "only a person can decide: sign in, or act as one (--as PERSON)")
	case strings.TrimSpace(r.Reason) == "":
		return out, fault(Invalid, "give a reason: it becomes evidence")
	case r.DryRun:
		return out, nil
	}
	kind := event.TargetResume
	if on {
		kind = event.TargetPause
	}
	command := event.GuardCommand{ID: d.NewID(), Kind: kind, Hold: name, Actor: actor.ID, Reason: strings.TrimSpace(r.Reason), At: d.Clock.Now()}
	value, err := d.Codec.Encode(string(event.GuardCommands), command)
	if err != nil {
		return out, unavailable("encode the command", err)
	}
	if err := d.Journal.Append(ctx, Outgoing{Topic: event.GuardCommands, Key: name, Everywhere: true, Value: value}); err != nil {
		return out, unavailable("write the command", err)
	}
	return out, nil
}

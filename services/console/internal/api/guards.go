package api

import (
	"context"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// guardDecision is the body of a release or a cancellation.
type guardDecision struct {
	Reason string `json:"reason" doc:"it becomes evidence"`
}

func guards(d *desk.Desk) []operation {
	ops := []operation{
		{Method: "GET", Path: "/guards", Summary: "List guards that have tripped, newest first", Reply: list[desk.Guard]{},
			Query: []parameter{{"state", "holding (the default), released, cancelled or all"}},
			call:  func(ctx context.Context, r request) (any, error) { return listed(d.Guards(ctx, r.query("state"))) }},
	}
	for _, o := range []struct {
		kind    event.GuardAct
		summary string
	}{{event.GuardRelease, "Let what a guard holds go on, once two people say so"}, {event.GuardCancel, "Have what a guard holds not done, once two people say so"}} {
		ops = append(ops, operation{Method: "POST", Path: "/guards/{guard}/" + string(o.kind), Summary: o.summary, Query: []parameter{dryRunParameter},
			Body: guardDecision{}, Reply: desk.GuardResult{},
			call: with(func(ctx context.Context, r request, body guardDecision) (any, error) {
				return d.DecideGuard(ctx, r.PathValue("guard"), desk.GuardDecision{Kind: o.kind, Reason: body.Reason, DryRun: r.dry}, r.actor)
			})})
	}
	return ops
}

package api

import (
	"context"

	"joinery.internal/services/console/internal/desk"
)

// assignment is the body of saying whose a worker is.
type assignment struct {
	To     string `json:"to" doc:"identity id or employee number"`
	Reason string `json:"reason" doc:"it becomes evidence"`
}

func quarantine(d *desk.Desk) []operation {
	assign := func(ctx context.Context, r request, to, reason string) (any, error) {
		return d.Assign(ctx, r.PathValue("worker"), desk.Assignment{To: to, Reason: reason, DryRun: r.dry}, r.actor)
	}
	return []operation{
		{Method: "GET", Path: "/quarantine", Summary: "List workers of whom nobody knows whose they are, who has waited longest first", Reply: list[desk.Quarantined]{},
			Query: []parameter{{"source", "of that source"}},
			call:  func(_ context.Context, r request) (any, error) { return listed(d.Quarantine(r.query("source")), nil) }},
		{Method: "GET", Path: "/quarantine/{worker}", Summary: "Show one of them with its records; the worker is source/source_key", Reply: desk.Quarantined{},
			call: func(_ context.Context, r request) (any, error) { return d.QuarantinedWorker(r.PathValue("worker")) }},
		{Method: "POST", Path: "/quarantine/{worker}/assign", Summary: "Say whose a worker is", Query: []parameter{dryRunParameter}, Body: assignment{}, Reply: desk.Assigned{},
			call: with(func(ctx context.Context, r request, body assignment) (any, error) {
				if body.To == "" {
					return nil, &desk.Fault{Kind: desk.Invalid, Detail: "say in `to` whose the worker is"}
				}
				return assign(ctx, r, body.To, body.Reason)
			})},
		{Method: "POST", Path: "/quarantine/{worker}/new", Summary: "Say that a worker is a new person", Query: []parameter{dryRunParameter}, Body: guardDecision{}, Reply: desk.Assigned{},
			call: with(func(ctx context.Context, r request, body guardDecision) (any, error) {
				return assign(ctx, r, "", body.Reason)
			})},
	}
}

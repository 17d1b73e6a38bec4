package api

import (
	"context"

	"joinery.internal/services/console/internal/desk"
)

// emergency is the body of an emergency, or of its lift.
type emergency struct {
	Person string `json:"person" doc:"identity id or employee number"`
	Reason string `json:"reason" doc:"it becomes evidence"`
}

func emergencies(d *desk.Desk) []operation {
	act := func(lift bool) func(context.Context, request) (any, error) {
		return with(func(ctx context.Context, r request, body emergency) (any, error) {
			return d.Emergency(ctx, desk.Emergency{Lift: lift, Person: body.Person, Reason: body.Reason, DryRun: r.dry}, r.actor)
		})
	}
	return []operation{
		{Method: "POST", Path: "/emergency/terminate", Summary: "Shut a person out at once, in every target", Query: []parameter{dryRunParameter},
			Body: emergency{}, Reply: desk.EmergencyReceipt{}, call: act(false)},
		{Method: "POST", Path: "/emergency/lift", Summary: "Ask to lift an emergency, or agree with who asked: it takes two people", Query: []parameter{dryRunParameter},
			Body: emergency{}, Reply: desk.EmergencyReceipt{}, call: act(true)},
	}
}

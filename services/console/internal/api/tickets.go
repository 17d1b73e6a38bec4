package api

import (
	"context"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

func tickets(d *desk.Desk) []operation {
	ops := []operation{
		{Method: "GET", Path: "/tickets", Summary: "List what people are asked to change by hand: open tickets, leavers first, or closed ones, newest first", Reply: list[desk.Ticket]{},
			Query: []parameter{{"state", "open (the default), done, refused, overtaken, or closed: all three"}, {"target", "of that target"},
				{"mine", "true: only open ones that I may close"}, limitParameter},
			call: func(ctx context.Context, r request) (any, error) {
				mine, err := r.flag("mine")
				if err != nil {
					return nil, err
				}
				return listed(d.Tickets(ctx, desk.TicketQuery{State: r.query("state"), Target: r.query("target"), Mine: mine, Limit: r.limit}, r.actor))
			}},
		{Method: "GET", Path: "/tickets/{ticket}", Summary: "Show one ticket", Reply: desk.Ticket{},
			call: func(ctx context.Context, r request) (any, error) {
				return d.Ticket(ctx, r.PathValue("ticket"), r.actor)
			}},
	}
	for _, o := range []struct {
		kind    event.TicketAct
		summary string
	}{{event.FinishTicket, "Say that every step of a ticket has been made"}, {event.RefuseTicket, "Say that the steps of a ticket will not be made"}} {
		ops = append(ops, operation{Method: "POST", Path: "/tickets/{ticket}/" + string(o.kind), Summary: o.summary, Query: []parameter{dryRunParameter},
			Body: guardDecision{}, Reply: desk.TicketResult{},
			call: with(func(ctx context.Context, r request, body guardDecision) (any, error) {
				return d.CloseTicket(ctx, r.PathValue("ticket"), desk.TicketWord{Kind: o.kind, Reason: body.Reason, DryRun: r.dry}, r.actor)
			})})
	}
	return ops
}

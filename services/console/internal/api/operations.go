package api

import (
	"context"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

var (
	limitParameter  = parameter{"limit", "how many at most, up to 1000; default 100"}
	cursorParameter = parameter{"cursor", "`next` of the page before"}
	asOfParameter   = parameter{"as_of", "at that time; default now"}
	knownParameter  = parameter{"known_at", "as it was known at that time; default now"}
	dryRunParameter = parameter{"dry_run", "true: check everything and change nothing"}
)

// operations is the API. A person in a path or a parameter is named by identity id or employee number.
func operations(d *desk.Desk) []operation {
	var all []operation
	for _, group := range []func(*desk.Desk) []operation{people, approvals, tickets, quarantine, emergencies, guards, remedies, targets, figures, policies, cluster} {
		all = append(all, group(d)...)
	}
	return all
}

func people(d *desk.Desk) []operation {
	return []operation{
		{Method: "GET", Path: "/persons", Summary: "List people by name", Reply: desk.PersonPage{},
			Query: []parameter{{"q", "words that all occur in name, number, mail address, department or id"}, {"employee_number", "exactly"},
				{"email", "exactly"}, {"status", "prehire, active, leave or ended"}, limitParameter, cursorParameter},
			call: func(_ context.Context, r request) (any, error) {
				return d.Persons(desk.PersonQuery{Text: r.query("q"), EmployeeNumber: r.query("employee_number"), Email: r.query("email"),
					Status: r.query("status"), Limit: r.limit, Cursor: r.query("cursor")})
			}},
		{Method: "GET", Path: "/persons/{person}", Summary: "Show one person", Reply: desk.PersonDetail{}, Query: []parameter{asOfParameter, knownParameter},
			call: func(ctx context.Context, r request) (any, error) {
				q, err := r.asOf()
				if err != nil {
					return nil, err
				}
				return d.Person(ctx, r.PathValue("person"), q)
			}},
		{Method: "GET", Path: "/persons/{person}/timeline", Summary: "List what happened to one person, oldest first", Reply: list[desk.Moment]{},
			Query: []parameter{{"kind", "a kind of evidence, or the part before its dot"}, {"limit", "the newest so many, up to 1000, which is the default"}, asOfParameter, knownParameter},
			call: func(ctx context.Context, r request) (any, error) {
				q, err := r.asOf()
				if err != nil {
					return nil, err
				}
				return listed(d.Timeline(ctx, r.PathValue("person"), r.query("kind"), q, r.limit))
			}},
		{Method: "GET", Path: "/persons/{person}/access", Summary: "List one person's roles", Reply: list[desk.Access]{},
			Query: []parameter{asOfParameter, knownParameter},
			call: func(ctx context.Context, r request) (any, error) {
				q, err := r.asOf()
				if err != nil {
					return nil, err
				}
				return listed(d.Access(ctx, r.PathValue("person"), q))
			}},
		{Method: "GET", Path: "/cases", Summary: "List workflows, newest first", Reply: desk.CasePage{},
			Query: []parameter{{"person", "whose"}, {"outcome", "open, succeeded, refused, held or failed"}, {"trigger", "such as identity.hire"}, limitParameter, cursorParameter},
			call: func(ctx context.Context, r request) (any, error) {
				return d.Cases(ctx, desk.CaseQuery{Outcome: r.query("outcome"), Trigger: r.query("trigger"), Limit: r.limit}, r.query("person"), r.query("cursor"))
			}},
		{Method: "GET", Path: "/cases/{case}", Summary: "Show one workflow from its trigger to its last change", Reply: desk.CaseDetail{},
			call: func(ctx context.Context, r request) (any, error) { return d.Case(ctx, r.PathValue("case")) }},
	}
}

// vote is the body of an act on an approval.
type vote struct {
	Reason string `json:"reason" doc:"it becomes evidence"`
}

// delegation is the body of handing a decision on.
type delegation struct {
	Reason string `json:"reason" doc:"it becomes evidence"`
	To     string `json:"to" doc:"who decides instead"`
}

// accessRequest is the body of a request for a change of roles.
type accessRequest struct {
	Kind     event.RequestKind `json:"kind" doc:"grant, revoke or extend"`
	Role     string            `json:"role"`
	For      string            `json:"for" doc:"identity id or employee number"`
	Reason   string            `json:"reason" doc:"it becomes evidence"`
	Duration string            `json:"duration,omitempty" doc:"such as 30d; absent: as long as policy allows"`
}

func approvals(d *desk.Desk) []operation {
	ops := []operation{
		{Method: "GET", Path: "/approvals", Summary: "List requests for a decision, oldest first", Reply: list[desk.Approval]{},
			Query: []parameter{{"mine", "true: only those I am asked to decide now"}, {"status", "open (the default), granted, refused, expired, cancelled or all"}},
			call: func(_ context.Context, r request) (any, error) {
				mine, err := r.flag("mine")
				if err != nil {
					return nil, err
				}
				return listed(d.Approvals(desk.ApprovalQuery{Mine: mine, Status: r.query("status")}, r.actor))
			}},
		{Method: "GET", Path: "/approvals/{approval}", Summary: "Show one request for a decision", Reply: desk.Approval{},
			call: func(_ context.Context, r request) (any, error) { return d.Approval(r.PathValue("approval")) }},
		{Method: "POST", Path: "/approvals/{approval}/delegate", Summary: "Let somebody else decide", Query: []parameter{dryRunParameter}, Body: delegation{}, Reply: desk.VoteResult{},
			call: with(func(ctx context.Context, r request, body delegation) (any, error) {
				return d.Vote(ctx, r.PathValue("approval"), desk.Vote{Kind: event.Delegate, Reason: body.Reason, To: body.To, DryRun: r.dry}, r.actor)
			})},
		{Method: "POST", Path: "/requests", Summary: "Ask for a change of somebody's roles", Query: []parameter{dryRunParameter}, Body: accessRequest{}, Reply: desk.RequestReceipt{},
			call: with(func(ctx context.Context, r request, body accessRequest) (any, error) { return ask(ctx, d, r, body) })},
	}
	for _, kind := range []event.VoteKind{event.Approve, event.Deny} {
		ops = append(ops, operation{Method: "POST", Path: "/approvals/{approval}/" + string(kind), Summary: "Decide: " + string(kind), Query: []parameter{dryRunParameter}, Body: vote{}, Reply: desk.VoteResult{},
			call: with(func(ctx context.Context, r request, body vote) (any, error) {
				return d.Vote(ctx, r.PathValue("approval"), desk.Vote{Kind: kind, Reason: body.Reason, DryRun: r.dry}, r.actor)
			})})
	}
	return ops
}

func ask(ctx context.Context, d *desk.Desk, r request, body accessRequest) (any, error) {
	length, err := duration("duration", body.Duration)
	if err != nil {
		return nil, err
	}
	return d.Request(ctx, desk.AccessRequest{Kind: body.Kind, Role: body.Role, For: body.For, Reason: body.Reason, Duration: length, DryRun: r.dry}, r.actor)
}

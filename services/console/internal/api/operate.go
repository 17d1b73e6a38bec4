package api

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/services/console/internal/desk"
)

// sweep is the body of a demand to reconcile.
type sweep struct {
	Reason string `json:"reason" doc:"kept with the command; may be empty"`
}

// remedy is the body of what is done about a dead letter.
type remedy struct {
	Reason string          `json:"reason" doc:"it becomes evidence"`
	Value  json.RawMessage `json:"value,omitempty" doc:"of a replay: the corrected record as JSON; absent: as it is"`
}

// bulkRemedy is the body of what is done about several dead letters: those named, or the open ones that fit.
type bulkRemedy struct {
	IDs    []string `json:"ids,omitempty"`
	Class  string   `json:"class,omitempty"`
	Topic  string   `json:"topic,omitempty"`
	Where  string   `json:"where,omitempty" doc:"CEL over letter, record (null: unreadable), key and at"`
	Reason string   `json:"reason" doc:"it becomes evidence"`
}

func (b bulkRemedy) of(discard, dryRun bool) desk.BulkRemedy {
	return desk.BulkRemedy{LetterChoice: desk.LetterChoice{IDs: b.IDs, Class: b.Class, Topic: b.Topic, Where: b.Where}, Discard: discard, Reason: b.Reason, DryRun: dryRun}
}

// replay is the body of having records handled again.
type replay struct {
	Topic  string    `json:"topic"`
	From   time.Time `json:"from,omitzero" doc:"written then or later"`
	To     time.Time `json:"to,omitzero" doc:"written before"`
	Where  string    `json:"where,omitempty" doc:"CEL over record, key and at"`
	Reason string    `json:"reason" doc:"it becomes evidence"`
}

// query is the body of a question to the evidence.
type query struct {
	Query string `json:"query" doc:"SQL; the tables and views of database joinery"`
}

// advance is the body of moving the clock.
type advance struct {
	Advance string `json:"advance" doc:"such as 36h or 14d"`
}

// publication is the body of publishing a folder of policy.
type publication struct {
	Files  map[string]string `json:"files" doc:"path in the folder -> content"`
	Reason string            `json:"reason" doc:"it becomes evidence"`
}

func remedies(d *desk.Desk) []operation {
	return []operation{
		{Method: "GET", Path: "/dlq", Summary: "List records that could not be handled, newest first", Reply: list[desk.DeadLetter]{},
			Query: []parameter{{"state", "open or resolved; default both"}, {"class", "such as decode, invalid or unknown_schema"}, {"topic", "that the record stands in"}, limitParameter},
			call: func(ctx context.Context, r request) (any, error) {
				return listed(d.DeadLetters(ctx, desk.DeadLetterQuery{State: r.query("state"), Class: r.query("class"), Topic: r.query("topic"), Limit: r.limit}))
			}},
		{Method: "POST", Path: "/dlq/replay", Summary: "Have the records of several dead letters handled again, as they are", Wait: longWait, Query: []parameter{dryRunParameter}, Body: bulkRemedy{}, Reply: desk.BulkRemedied{},
			call: with(func(ctx context.Context, r request, body bulkRemedy) (any, error) {
				return d.RemedyLetters(ctx, body.of(false, r.dry), r.actor)
			})},
		{Method: "POST", Path: "/dlq/discard", Summary: "Say that nothing is to be done about several dead letters", Wait: longWait, Query: []parameter{dryRunParameter}, Body: bulkRemedy{}, Reply: desk.BulkRemedied{},
			call: with(func(ctx context.Context, r request, body bulkRemedy) (any, error) {
				return d.RemedyLetters(ctx, body.of(true, r.dry), r.actor)
			})},
		{Method: "GET", Path: "/exceptions", Summary: "List what a person may have to look at, newest first", Reply: list[desk.Exception]{},
			Query: []parameter{{"state", "open (the default), resolved or all"}, {"class", "such as dead_letter, invalid or held"}, limitParameter},
			call: func(ctx context.Context, r request) (any, error) {
				return listed(d.Exceptions(ctx, desk.ExceptionQuery{State: r.query("state"), Class: r.query("class"), Limit: r.limit}))
			}},
		{Method: "GET", Path: "/dlq/{id}", Summary: "Show one of them whole", Reply: desk.DeadLetter{},
			call: func(ctx context.Context, r request) (any, error) { return d.DeadLetter(ctx, r.PathValue("id")) }},
		{Method: "POST", Path: "/dlq/{id}/replay", Summary: "Have the record of a dead letter handled again, as it is or corrected", Query: []parameter{dryRunParameter}, Body: remedy{}, Reply: desk.Remedied{},
			call: with(func(ctx context.Context, r request, body remedy) (any, error) {
				return d.ReplayLetter(ctx, r.PathValue("id"), desk.Remedy{Reason: body.Reason, Value: body.Value, DryRun: r.dry}, r.actor)
			})},
		{Method: "POST", Path: "/dlq/{id}/discard", Summary: "Say that nothing is to be done about a dead letter", Query: []parameter{dryRunParameter}, Body: remedy{}, Reply: desk.Remedied{},
			call: with(func(ctx context.Context, r request, body remedy) (any, error) {
				return d.DiscardLetter(ctx, r.PathValue("id"), desk.Remedy{Reason: body.Reason, DryRun: r.dry}, r.actor)
			})},
		{Method: "POST", Path: "/replays", Summary: "Have records of a topic handled again; their idempotency keys are the same", Wait: longWait, Query: []parameter{dryRunParameter}, Body: replay{}, Reply: desk.Remedied{},
			call: with(func(ctx context.Context, r request, body replay) (any, error) {
				return d.Replay(ctx, desk.ReplayQuery{Topic: event.Topic(body.Topic), From: body.From, To: body.To, Where: body.Where, Reason: body.Reason, DryRun: r.dry}, r.actor)
			})},
		{Method: "GET", Path: "/status", Summary: "Show the pipeline at a glance", Reply: desk.Status{},
			call: func(ctx context.Context, _ request) (any, error) { return d.Status(ctx), nil }},
		{Method: "GET", Path: "/clock", Summary: "Show the pipeline's clock", Reply: desk.ClockReading{},
			call: func(context.Context, request) (any, error) { return d.ReadClock(), nil }},
		{Method: "POST", Path: "/clock", Summary: "Move the pipeline's clock ahead (dev only)", Query: []parameter{dryRunParameter}, Body: advance{}, Reply: desk.ClockReading{},
			call: with(func(_ context.Context, r request, body advance) (any, error) {
				by, err := duration("advance", body.Advance)
				if err != nil {
					return nil, err
				}
				return d.MoveClock(by, r.dry)
			})},
	}
}

func targets(d *desk.Desk) []operation {
	return []operation{
		{Method: "GET", Path: "/targets", Summary: "List the systems that are provisioned", Reply: list[desk.Target]{},
			call: func(ctx context.Context, _ request) (any, error) { return listed(d.Targets(ctx)) }},
		{Method: "POST", Path: "/targets/{target}/check", Summary: "Try a target's connection and rights; changes nothing there", Reply: list[desk.Finding]{},
			call: func(ctx context.Context, r request) (any, error) {
				return listed(d.CheckTarget(ctx, r.PathValue("target")))
			}},
		{Method: "POST", Path: "/targets/{target}/pause", Summary: "Send nothing to a target until it is resumed", Query: []parameter{dryRunParameter}, Body: guardDecision{}, Reply: desk.Paused{},
			call: with(func(ctx context.Context, r request, body guardDecision) (any, error) {
				return d.PauseTarget(ctx, r.PathValue("target"), true, desk.Remedy{Reason: body.Reason, DryRun: r.dry}, r.actor)
			})},
		{Method: "POST", Path: "/targets/{target}/resume", Summary: "Send a paused target what has waited", Query: []parameter{dryRunParameter}, Body: guardDecision{}, Reply: desk.Paused{},
			call: with(func(ctx context.Context, r request, body guardDecision) (any, error) {
				return d.PauseTarget(ctx, r.PathValue("target"), false, desk.Remedy{Reason: body.Reason, DryRun: r.dry}, r.actor)
			})},
		{Method: "POST", Path: "/targets/{target}/reconcile", Summary: "Compare a target with what it should be, now; answers when that is done", Wait: longWait,
			Query: []parameter{dryRunParameter, {"timeout", "how long to wait, such as 90s; default 10m"}}, Body: sweep{}, Reply: desk.Sweep{},
			call: with(func(ctx context.Context, r request, body sweep) (any, error) {
				wait, err := duration("timeout", r.query("timeout"))
				if err != nil {
					return nil, err
				}
				if wait > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, wait)
					defer cancel()
				}
				return d.Reconcile(ctx, r.PathValue("target"), body.Reason, r.dry, r.actor)
			})},
	}
}

func figures(d *desk.Desk) []operation {
	return []operation{
		{Method: "GET", Path: "/kpi", Summary: "Show the pipeline's figures", Query: []parameter{{"since", "over the time up to now, such as 30d, the default"}}, Reply: evidence.KPITable{},
			call: func(ctx context.Context, r request) (any, error) {
				since, err := duration("since", r.query("since"))
				if err != nil {
					return nil, err
				}
				if since == 0 {
					since = 30 * 24 * time.Hour
				}
				return d.KPI(ctx, since)
			}},
		{Method: "GET", Path: "/verify", Summary: "Prove from the evidence alone that its chains are whole, or name the first bad row of each", Reply: desk.Verification{}, Wait: longWait,
			call: func(ctx context.Context, _ request) (any, error) { return d.Verify(ctx) }},
		{Method: "GET", Path: "/export", Summary: "Take evidence away: every column of each row as JSON lines, oldest first", Wait: longWait,
			Query: []parameter{{"person", "whose"}, {"case", "of that workflow"}, {"kind", "a kind of evidence, or the part before its dot"},
				{"since", "what occurred then or later"}, {"until", "and before that"}},
			call: func(_ context.Context, r request) (any, error) {
				since, err := r.instant("since")
				if err != nil {
					return nil, err
				}
				until, err := r.instant("until")
				if err != nil {
					return nil, err
				}
				rows, err := d.Export(r.query("person"), desk.ExportQuery{CaseID: r.query("case"), Kind: r.query("kind"), Since: since, Until: until})
				return stream(rows), err
			}},
		{Method: "POST", Path: "/sql", Summary: "Query the evidence, read only", Body: query{}, Reply: desk.Table{}, Wait: time.Minute,
			call: with(func(ctx context.Context, r request, body query) (any, error) {
				return d.SQL(ctx, body.Query)
			})},
	}
}

// simulation is the body of trying a folder of policy.
type simulation struct {
	Files map[string]string `json:"files" doc:"path in the folder -> content"`
	Base  map[string]string `json:"base,omitempty" doc:"the same of what to compare with; absent: the policy in force"`
}

func filesOf(contents map[string]string) (files []config.File) {
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		files = append(files, config.File{Name: name, Data: []byte(contents[name])})
	}
	return files
}

func policies(d *desk.Desk) []operation {
	return []operation{
		{Method: "POST", Path: "/policy/simulate", Summary: "Decide everybody who is here by a folder of policy; changes nothing", Body: simulation{}, Reply: desk.Simulation{}, Wait: 5 * time.Minute,
			call: with(func(ctx context.Context, _ request, body simulation) (any, error) {
				return d.Simulate(ctx, desk.Simulating{Files: filesOf(body.Files), Base: filesOf(body.Base)})
			})},
		{Method: "POST", Path: "/policy/lookback", Summary: "Decide what has happened since a time by a folder of policy; changes nothing", Query: []parameter{{"since", "a time, or a duration such as 30d, the default"}},
			Body: simulation{}, Reply: desk.Hindsight{}, Wait: 5 * time.Minute,
			call: with(func(ctx context.Context, r request, body simulation) (any, error) {
				since, err := r.since(d.Clock.Now())
				if err != nil {
					return nil, err
				}
				return d.LookBack(ctx, desk.LookingBack{Files: filesOf(body.Files), Base: filesOf(body.Base), Since: since})
			})},
		{Method: "GET", Path: "/persons/{person}/explanation", Summary: "Say of each role one person has why they have it", Reply: list[desk.Explanation]{},
			call: func(ctx context.Context, r request) (any, error) {
				return listed(d.Explain(ctx, r.PathValue("person")))
			}},
		{Method: "GET", Path: "/policy", Summary: "Show the policy in force", Reply: desk.Policy{},
			call: func(context.Context, request) (any, error) { return d.Policy() }},
		{Method: "POST", Path: "/policy/publish", Summary: "Check, test and put a folder of policy in force", Query: []parameter{dryRunParameter}, Body: publication{}, Reply: desk.Publication{},
			call: with(func(ctx context.Context, r request, body publication) (any, error) {
				return d.Publish(ctx, desk.Publishing{Files: filesOf(body.Files), Reason: body.Reason, DryRun: r.dry}, r.actor)
			})},
	}
}

func cluster(d *desk.Desk) []operation {
	ops := []operation{
		{Method: "POST", Path: "/produce", Summary: "Write JSON lines to a topic that source systems write to, all or none", MaxBody: maxProduce, Wait: 2 * time.Minute,
			Query: []parameter{{"topic", "jml.source.record.v1"}, dryRunParameter}, Lines: true, Reply: desk.Produced{},
			call: func(ctx context.Context, r request) (any, error) {
				return d.Produce(ctx, event.Topic(r.query("topic")), r.Body, r.dry)
			}},
		{Method: "GET", Path: "/topics/{topic}/cat", Summary: "Show the newest records of a topic, oldest first", Query: []parameter{limitParameter}, Reply: list[desk.TopicRecord]{},
			call: func(ctx context.Context, r request) (any, error) {
				return listed(d.Cat(ctx, event.Topic(r.PathValue("topic")), r.limit))
			}},
	}
	for _, c := range []struct {
		noun, look, lookMethod string
		catalog                desk.Catalog
	}{{"topics", "plan", "GET", d.Topics}, {"schemas", "check", "POST", d.Schemas}} {
		ops = append(ops,
			operation{Method: c.lookMethod, Path: "/" + c.noun + "/" + c.look, Summary: "List what would be changed to have the " + c.noun + " of this version", Reply: list[desk.Change]{},
				call: func(ctx context.Context, _ request) (any, error) { return listed(c.catalog.Plan(ctx)) }},
			operation{Method: "POST", Path: "/" + c.noun + "/apply", Summary: "Make the " + c.noun + " those of this version", Query: []parameter{dryRunParameter}, Reply: list[desk.Change]{},
				call: func(ctx context.Context, r request) (any, error) {
					if r.dry {
						return listed(c.catalog.Plan(ctx))
					}
					return listed(c.catalog.Apply(ctx))
				}})
	}
	return ops
}

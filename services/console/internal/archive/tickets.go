package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// Tickets implements desk.Archive: what closed a ticket has it as its cause.
func (a *Archive) Tickets(ctx context.Context, q desk.ClosedTicketQuery) ([]desk.Ticket, error) {
	var rows []struct {
		ID       string    `ch:"id"`
		State    string    `ch:"state"`
		Target   string    `ch:"target"`
		Account  string    `ch:"account"`
		Identity string    `ch:"identity_id"`
		CaseID   string    `ch:"case_id"`
		Opened   time.Time `ch:"opened"`
		Closed   time.Time `ch:"closed"`
		Actor    string    `ch:"actor"`
		Reason   string    `ch:"message"`
		Payload  string    `ch:"payload"`
	}
	p := driver.Parameters{"id": q.ID, "state": q.State, "target": q.Target, "limit": fmt.Sprint(q.Limit)}
	err := a.conn.Select(with(ctx, p), &rows, `
		SELECT c.causation_id AS id, c.outcome AS state, c.target AS target, c.account AS account, c.identity_id AS identity_id, c.case_id AS case_id,
			o.occurred_at AS opened, c.occurred_at AS closed, c.actor AS actor, c.message AS message, c.payload AS payload
		FROM (SELECT * FROM joinery.evidence WHERE src_topic = 'jml.provision.event.v1' AND kind IN ('ticket.done', 'ticket.refused', 'ticket.overtaken')
			AND ({id:String} = '' OR causation_id = {id:String}) AND ({state:String} = '' OR outcome = {state:String}) AND ({target:String} = '' OR target = {target:String})
			ORDER BY occurred_at DESC, event_id LIMIT {limit:UInt32}) AS c
		LEFT JOIN (SELECT event_id, occurred_at FROM joinery.evidence WHERE src_topic = 'jml.provision.event.v1' AND kind = 'ticket.opened') AS o ON o.event_id = c.causation_id
		ORDER BY closed DESC, id`)
	if err != nil {
		return nil, err
	}
	out := make([]desk.Ticket, len(rows))
	for i, r := range rows {
		out[i] = desk.Ticket{ID: r.ID, State: r.State, Target: r.Target, Account: r.Account, Person: desk.Named{ID: event.IdentityID(r.Identity)}, CaseID: r.CaseID,
			Steps: []desk.TicketStep{}, OpenedAt: moment(r.Opened), ClosedAt: moment(r.Closed), Actor: desk.Named{ID: event.IdentityID(r.Actor)}, Reason: r.Reason}
		var payload struct {
			Lane    string `json:"lane"`
			Changes []struct{ Verb, Attribute, Item string }
		}
		if err := json.Unmarshal([]byte(r.Payload), &payload); err != nil {
			return nil, fmt.Errorf("read ticket %s: %w", r.ID, err)
		}
		out[i].Lane = payload.Lane
		for _, c := range payload.Changes {
			out[i].Steps = append(out[i].Steps, desk.TicketStep{Verb: c.Verb, Item: c.Item + c.Attribute})
		}
	}
	return out, nil
}

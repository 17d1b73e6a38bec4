package desk

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
)

// TicketOpen is the state of a ticket that somebody has to work on.
const TicketOpen = "open"

// ticketStates are those of tickets that are closed, by what closed them.
var ticketStates = map[event.Kind]string{event.TicketDone: "done", event.TicketRefused: "refused", event.TicketOvertaken: "overtaken"}

// Ticket is what a person is asked to change by hand.
type Ticket struct {
	ID       string       `json:"id"`
	State    string       `json:"state" doc:"open, done, refused, or overtaken by something newer"`
	Target   string       `json:"target"`
	Account  string       `json:"account"`
	Person   Named        `json:"person" doc:"whose account it is"`
	Lane     string       `json:"lane" doc:"emergency and leaver take access away, and come first"`
	CaseID   string       `json:"case_id"`
	Steps    []TicketStep `json:"steps"`
	OpenedAt time.Time    `json:"opened_at"`
	ClosedAt time.Time    `json:"closed_at,omitzero"`
	Actor    Named        `json:"actor" doc:"who closed it; empty while it is open"`
	Reason   string       `json:"reason"`
	MayClose bool         `json:"may_close" doc:"the one who asks may"`
}

// TicketStep is one change. Values are there while the ticket is open.
type TicketStep struct {
	Verb       string            `json:"verb"`
	Item       string            `json:"item" doc:"of grant and revoke: kind/name; of an update that is closed: the attribute's name"`
	Enabled    *bool             `json:"enabled,omitempty" doc:"of create: whether people can sign in at once"`
	Attributes map[string]string `json:"attributes,omitempty" doc:"of create and update; an empty value is to be removed"`
}

// TicketQuery asks for tickets: open ones in the order in which people had better work, closed ones newest first.
type TicketQuery struct {
	State  string // open (the default), done, refused, overtaken, or closed: all three
	Target string // empty: any
	Mine   bool   // only those that the actor may close; of open ones
	Limit  int    // of closed ones
}

// ClosedTicketQuery asks the evidence.
type ClosedTicketQuery struct {
	ID     string // exactly; empty: any
	State  string // empty: any
	Target string // empty: any
	Limit  int
}

// Tickets lists them.
func (d *Desk) Tickets(ctx context.Context, q TicketQuery, actor Actor) ([]Ticket, error) {
	limit, err := limitOf(q.Limit)
	if err != nil {
		return nil, err
	}
	closed := slices.Sorted(maps.Values(ticketStates))
	switch q.State {
	case "", TicketOpen:
		return d.openTickets(q, actor), nil
	case "closed":
		q.State = ""
	default:
		if !slices.Contains(closed, q.State) {
			return nil, fault(Invalid, "state is %q: give open, closed, %s", q.State, strings.Join(closed, ", "))
		}
	}
	rows, err := d.Archive.Tickets(ctx, ClosedTicketQuery{State: q.State, Target: q.Target, Limit: limit})
	if err != nil {
		return nil, unavailable("read closed tickets from the evidence", err)
	}
	for i := range rows {
		d.nameTicket(&rows[i])
	}
	return rows, nil
}

func (d *Desk) openTickets(q TicketQuery, actor Actor) (out []Ticket) {
	may := d.closer(actor)
	for _, t := range d.Queue.List(func(t event.Ticket) bool { return q.Target == "" || t.Target == q.Target }) {
		one := d.openTicket(t, may(t) == nil)
		if one.MayClose || !q.Mine {
			out = append(out, one)
		}
	}
	return out
}

func (d *Desk) openTicket(t event.Ticket, mayClose bool) Ticket {
	out := Ticket{ID: t.ID, State: TicketOpen, Target: t.Target, Account: t.Account, Person: d.named(t.IdentityID), Lane: string(t.Lane), CaseID: string(t.CaseID),
		Steps: make([]TicketStep, len(t.Steps)), OpenedAt: t.OpenedAt, MayClose: mayClose}
	for i, s := range t.Steps {
		out.Steps[i] = TicketStep{Verb: s.Verb, Item: s.Item, Attributes: s.Attributes}
		if s.Verb == string(connector.Create) {
			out.Steps[i].Enabled = &s.Enabled
		}
	}
	return out
}

func (d *Desk) nameTicket(t *Ticket) {
	t.Person = d.named(t.Person.ID)
	if t.Actor.ID != "" {
		t.Actor = d.named(t.Actor.ID)
	}
}

// Ticket shows one, open or closed.
func (d *Desk) Ticket(ctx context.Context, id string, actor Actor) (Ticket, error) {
	if t, _, open := d.Queue.Get(id); open {
		return d.openTicket(t, d.closer(actor)(t) == nil), nil
	}
	rows, err := d.Archive.Tickets(ctx, ClosedTicketQuery{ID: id, Limit: 1})
	switch {
	case err != nil:
		return Ticket{}, unavailable("read the ticket from the evidence", err)
	case len(rows) == 0:
		return Ticket{}, fault(NotFound, "no ticket %q is open; one that was closed just now is shown in a moment. `joinery ticket list` shows those that are open", id)
	}
	d.nameTicket(&rows[0])
	return rows[0], nil
}

// closer says of tickets whether the actor may close them: the owner or secondary of the target, who has the role that its file
// names as workers, and the operator; never the person whose account it is about.
func (d *Desk) closer(actor Actor) func(event.Ticket) error {
	known := map[string]error{} // by target
	return func(t event.Ticket) error {
		if actor.ID != "" && actor.ID == t.IdentityID {
			return fault(Forbidden, "nobody closes a ticket about an account of their own")
		}
		err, asked := known[t.Target]
		if !asked {
			err = d.worksOn(t.Target, actor)
			known[t.Target] = err
		}
		return err
	}
}

// worksOn is nil for those who work on the tickets of a target.
func (d *Desk) worksOn(name string, actor Actor) error {
	target, err := d.target(name)
	switch {
	case err != nil:
		return err
	case actor.ID == "":
		return nil
	}
	if e, known := d.Directory.Entry(actor.ID); !known || !e.Present() {
		return fault(Forbidden, "only who works here, and is not held by an emergency, can close a ticket")
	}
	var names []string
	if target.Owner != nil {
		for _, number := range []string{target.Owner.EmployeeNumber.Value, target.Owner.Secondary.Value} {
			id, known := d.Directory.ByEmployeeNumber(number)
			switch {
			case known && id == actor.ID:
				return nil
			case known:
				names = append(names, d.named(id).Name)
			}
		}
	}
	if role := target.Workers().Value; role != "" {
		if slices.Contains(d.Directory.RolesOf(actor.ID), role) {
			return nil
		}
		names = append(names, "whoever has the role "+role)
	}
	return fault(Forbidden, "tickets of %s are closed by %s", name, cmp.Or(strings.Join(names, " or "), "nobody but the operator: its file names neither an owner nor workers"))
}

// TicketWord is one person's word on a ticket.
type TicketWord struct {
	Kind   event.TicketAct
	Reason string
	DryRun bool // check, and write nothing
}

// TicketResult is the ticket after a word.
type TicketResult struct {
	Ticket
	Seen   bool `json:"seen" doc:"false: the word is written and does not count yet"`
	DryRun bool `json:"dry_run"`
}

// CloseTicket says a person's word on a ticket and waits a little for what comes of it. The provisioner decides.
//
//	tail of jml.provision.event.v1 opened at its end
//	  -> one command
//	  -> the ticket.* that the provisioner answers it with, and the queue without the ticket
func (d *Desk) CloseTicket(ctx context.Context, id string, w TicketWord, actor Actor) (TicketResult, error) {
	t, _, open := d.Queue.Get(id)
	if !open {
		closed, err := d.Ticket(ctx, id, actor)
		if err != nil {
			return TicketResult{}, err
		}
		return TicketResult{}, fault(Conflict, "this ticket is %s; there is nothing left to do", closed.State)
	}
	if err := d.closer(actor)(t); err != nil {
		return TicketResult{}, err
	}
	reason := strings.TrimSpace(w.Reason)
	if reason == "" {
		return TicketResult{}, fault(Invalid, "give a reason: it becomes evidence")
	}
	result := TicketResult{Ticket: d.openTicket(t, true), DryRun: w.DryRun}
	if w.DryRun {
		return result, nil
	}
	tail, err := d.Journal.Tail(ctx, event.ProvisionEvents)
	if err != nil {
		return TicketResult{}, unavailable("read what becomes of your word", err)
	}
	defer tail.Close()
	command := event.TicketCommand{ID: d.NewID(), Kind: w.Kind, Ticket: id, IdentityID: t.IdentityID, Target: t.Target, Actor: actor.String(), Reason: reason, At: d.Clock.Now()}
	if err := d.append(ctx, event.TicketCommands, string(t.IdentityID), command); err != nil {
		return TicketResult{}, err
	}
	return result, d.awaitTicket(ctx, tail, command, &result)
}

// awaitTicket reads the tail until the provisioner has answered, and the queue has let go of the ticket, or patience ends.
func (d *Desk) awaitTicket(ctx context.Context, tail Tail, c event.TicketCommand, result *TicketResult) error {
	patient, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	for !result.Seen {
		records, err := tail.Next(patient)
		switch {
		case patient.Err() != nil && ctx.Err() == nil:
			return nil // it is written, and counts when the provisioner reads it
		case err != nil:
			return unavailable("read what becomes of your word", err)
		}
		for _, r := range records {
			var e event.ProvisionEvent
			if err := d.Codec.Decode(r.Value, string(event.ProvisionEvents), &e); err != nil || e.CausationID != c.Ticket {
				continue // others' work
			}
			if e.Kind == event.TicketIgnored && e.Actor == c.Actor {
				return fault(Conflict, "your word does not count: %s", e.Message)
			}
			if state, closed := ticketStates[e.Kind]; closed {
				result.State, result.Seen, result.MayClose, result.ClosedAt = state, true, false, e.OccurredAt
				result.Actor, result.Reason = d.named(event.IdentityID(e.Actor)), e.Message
			}
		}
	}
	d.patiently(patient, func() (<-chan struct{}, bool) {
		_, changed, open := d.Queue.Get(c.Ticket)
		return changed, !open
	})
	return nil
}

// OwnTickets is how many open tickets the actor may close.
func (d *Desk) OwnTickets(actor Actor) int {
	may := d.closer(actor)
	return len(d.Queue.List(func(t event.Ticket) bool { return may(t) == nil }))
}

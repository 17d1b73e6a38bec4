package app

import (
	"errors"
	"fmt"
	"strings"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/provisioner/internal/account"
)

// ticket takes a person's word on what they were asked to change by hand.
func (p provisioner) ticket(tx *stream.Tx, r stream.Record) error {
	c, err := stream.Decode[event.TicketCommand](tx, r)
	if err != nil {
		return err
	}
	switch {
	case c.ID == "" || c.Ticket == "" || c.Actor == "" || strings.TrimSpace(c.Reason) == "":
		return stream.Poison("invalid", errors.New("a ticket command needs an id, a ticket, an actor and a reason"))
	case c.Kind != event.FinishTicket && c.Kind != event.RefuseTicket:
		return stream.Poison("invalid", fmt.Errorf("ticket command %s: there is no kind %q", c.ID, c.Kind))
	case c.IdentityID == "" || c.Target == "" || r.Key != string(c.IdentityID):
		return stream.Poison("key", fmt.Errorf("ticket command %s about %q in %q has the key %q; it must be the identity", c.ID, c.IdentityID, c.Target, r.Key))
	}
	key := account.Key(c.IdentityID, c.Target)
	s, known := accounts.Get(tx, key)
	if !known {
		s.Want.IdentityID, s.Want.Target = c.IdentityID, c.Target
	}
	d := p.work(tx, s).Closed(c)
	d.Forget = !known // the word is evidence all the same
	p.apply(tx, key, d)
	return nil
}

// showTicket keeps what the console shows in step with the account's state.
func showTicket(tx *stream.Tx, key string, d account.Decision) {
	if !d.Moved {
		return
	}
	if t := d.State.Ticket(); t != nil {
		tx.Emit(event.OpenTickets, key, t)
		return
	}
	tx.Emit(event.OpenTickets, key, nil)
}

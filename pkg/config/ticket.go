package config

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// Ticket says how an ITSM is asked to have a person make a change. Expressions are those of the rest section.
type Ticket struct {
	Item  TicketItem    `key:"item" is:"required" doc:"where a ticket's parts are in an answer: CEL over item"`
	Calls TicketCalls   `key:"calls" is:"required"`
	Every time.Duration `key:"every" default:"15m" doc:"how often an open ticket is looked at"`
}

// TicketItem finds a ticket's parts.
type TicketItem struct {
	ID      Expr `key:"id" is:"required"`
	State   Expr `key:"state" is:"required" doc:"gives open, done or rejected"`
	Payload Expr `key:"payload" is:"required" doc:"what open was given as payload"`
	Said    Expr `key:"said" doc:"what the person wrote when closing it"`
}

// TicketCalls are the calls about tickets.
type TicketCalls struct {
	Find   RESTCall  `key:"find" is:"required" doc:"all tickets of an account"`
	Open   RESTCall  `key:"open" is:"required"`
	Cancel *RESTCall `key:"cancel" doc:"absent: tickets that are overtaken are left to the people"`
}

// OwnQueue says whether people are asked by tickets in the console, without an ITSM.
func (t *Target) OwnQueue() bool {
	_, own := t.Connection["queue"]
	return t.Connector == "ticket" && own
}

// Workers is the role whose members may close the tickets of the console's queue, besides the target's owner.
func (t *Target) Workers() Text {
	v := t.Connection["workers"]
	return Text{Value: v.Text, Pos: v.Pos}
}

func (t *Target) checkTicket(d *decoder, n *yaml.Node) {
	switch {
	case t.OwnQueue() && t.Ticket != nil:
		d.fault(keyNode(n, "ticket"), "spec.ticket has the calls of an ITSM, and connection.queue says that there is none")
	case t.OwnQueue():
	case t.Connector == "ticket" && t.Ticket == nil:
		d.fault(n, `connector ticket lacks the key "ticket" with its calls, or connection.queue for a queue in the console`)
	case t.Connector != "ticket" && t.Ticket != nil:
		d.fault(keyNode(n, "ticket"), "spec.ticket is for connector ticket, not %s", t.Connector)
	}
}

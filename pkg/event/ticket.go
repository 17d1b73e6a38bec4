package event

import "time"

// Ticket is what a person is asked to change in a target that no program reaches: the value of jml.ticket.open.v1, keyed
// identity_id|target, for an account has one open ticket at most. Once it is closed or overtaken a tombstone follows, so that
// the values it carries rest no longer than they are needed. Its ID is that of its ticket.opened.
type Ticket struct {
	ID         string       `avro:"id" json:"id"`
	IdentityID IdentityID   `avro:"identity_id" json:"p"`
	CaseID     CaseID       `avro:"case_id" json:"c,omitempty"`
	Target     string       `avro:"target" json:"t"`
	Account    string       `avro:"account" json:"a"`
	Lane       Lane         `avro:"lane" json:"l,omitempty"`
	Version    int64        `avro:"version" json:"v"` // of the desired state it was opened for
	Steps      []TicketStep `avro:"steps" json:"s"`   // all of them, in this order
	OpenedAt   time.Time    `avro:"opened_at" json:"at"`
}

// TicketStep is one change of a ticket.
type TicketStep struct {
	Verb       string            `avro:"verb" json:"v"`                 // create, update, enable, disable, grant, revoke, delete
	Item       string            `avro:"item" json:"i,omitempty"`       // of grant and revoke: kind/name
	Enabled    bool              `avro:"enabled" json:"e,omitempty"`    // of create: people can sign in at once
	Attributes map[string]string `avro:"attributes" json:"m,omitempty"` // of create and update; "" removes a value
}

// TicketAct is what a person says of a ticket.
type TicketAct string

// The acts. There are no others.
const (
	FinishTicket TicketAct = "done"   // every step has been made
	RefuseTicket TicketAct = "refuse" // they will not be made, until something newer is wanted
)

// TicketCommand is a person's word on a ticket: the value of jml.ticket.command.v1, keyed by the identity.
type TicketCommand struct {
	ID         string     `avro:"id"`
	Kind       TicketAct  `avro:"kind"`
	Ticket     string     `avro:"ticket"`
	IdentityID IdentityID `avro:"identity_id"` // whose account the ticket is about
	Target     string     `avro:"target"`
	Actor      string     `avro:"actor"` // a person's identity id, or the operator
	Reason     string     `avro:"reason"`
	At         time.Time  `avro:"at"`
}

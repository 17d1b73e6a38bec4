// Package ticket is a target that people change by hand, asked by tickets in the console's own queue.
//
// It owns what such an account is and what has to be asked for (Paper), and the connector of the queue. It does not own
// the tickets: the provisioner keeps them with the account's state, because they must be opened once and closed once,
// whoever dies; so nothing here talks to anybody. Tickets of an ITSM are package rest's.
//
//	key      meaning                                                         default
//	queue    "console"                                                       required
//	workers  a role: who has it may close tickets, besides the target's owner   -
//
// A Queue is safe for concurrent use; a Paper is for one drive.
//
//	paper := queue.OnPaper(have)              // as people have said it is
//	out, err := connector.Drive(ctx, paper, key, want)
//	ask(out.Changes)                          // nothing has been changed but the paper
package ticket

import (
	"context"

	"joinery.internal/pkg/connector"
)

// Console is the only queue there is.
const Console = "console"

// Keys are the connection keys.
func Keys() []string { return []string{"queue", "workers"} }

// Queue is the connector of a target that people work on.
type Queue struct{ *Paper }

// Open checks the settings.
func Open(s connector.Settings) (Queue, error) {
	op := "open target " + s.Name
	if err := s.CheckKeys(Keys()...); err != nil {
		return Queue{}, err
	}
	if s.Ticket != nil {
		return Queue{}, connector.Errorf(connector.Invalid, op, "the ticket section is for an ITSM; the console's queue has no calls")
	}
	if got := s.Connection["queue"]; got != Console {
		return Queue{}, connector.Errorf(connector.Invalid, op, "connection.queue is %q; there is only %q", got, Console)
	}
	return Queue{NewPaper(nil)}, nil
}

// OnPaper implements connector.ByHand.
func (Queue) OnPaper(have *connector.Object) connector.Connector { return NewPaper(have) }

// Apply refuses: without OnPaper nobody would be asked.
func (Queue) Apply(_ context.Context, op connector.Op) (connector.Result, error) {
	return connector.Result{}, connector.Errorf(connector.Unsupported, string(op.Verb)+" account "+op.Ref.Account, "people change this target")
}

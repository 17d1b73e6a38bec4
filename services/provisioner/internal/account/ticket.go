package account

import (
	"maps"
	"slices"
	"strings"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
)

// Hands is an account of a target that people change. Its pointers are never written through.
//
//	          ask: a plan           Closed: done, refused
//	no ticket ----------> open ----------------------------> no ticket
//	                      |  ^
//	                      +--+ ask: another plan; the old ticket is overtaken
type Hands struct {
	Have   *connector.Object `json:"h,omitempty"` // as people have said it is; nil: there is none
	Ticket *event.Ticket     `json:"t,omitempty"` // what they are asked for
	After  *connector.Object `json:"a,omitempty"` // what the account is once Ticket is done; nil: there is none
}

// Asked is what people are to be asked for, all of it.
type Asked struct {
	Account string
	Steps   []event.TicketStep
	After   *connector.Object // what the account is then; nil: there is none
}

func (a Asked) by(t event.Ticket) bool {
	return a.Account == t.Account && slices.EqualFunc(a.Steps, t.Steps, func(x, y event.TicketStep) bool {
		return x.Verb == y.Verb && x.Item == y.Item && x.Enabled == y.Enabled && maps.Equal(x.Attributes, y.Attributes)
	})
}

// Ticket is the account's open ticket; nil: there is none.
func (s State) Ticket() *event.Ticket {
	if s.Hands == nil {
		return nil
	}
	return s.Hands.Ticket
}

// ask makes the open ticket say what a call found to be needed. One that says so already stays as it is, whatever version it
// was opened for: somebody may be at it. A call that could not tell changes nothing.
func (w *Work) ask(r Result) {
	s := &w.State
	untold := r.Refused || r.Class.Retryable() && r.Class != connector.Waiting
	open := s.Ticket()
	if untold || open == nil && r.Asked == nil {
		return
	}
	if open != nil && r.Asked != nil && r.Asked.by(*open) {
		return
	}
	hands := Hands{}
	if s.Hands != nil {
		hands.Have = s.Hands.Have
	}
	if open != nil {
		w.told(event.TicketOvertaken, "overtaken", open, "something else is wanted by now")
	}
	if r.Asked != nil {
		t := event.Ticket{IdentityID: s.Want.IdentityID, CaseID: s.Want.CaseID, Target: s.Want.Target, Account: r.Asked.Account, Lane: s.Want.Lane,
			Version: s.Want.Version, Steps: r.Asked.Steps, OpenedAt: w.Now}
		t.ID = w.emit(event.TicketOpened, "open", "", describe(namesOf(t.Steps)))
		w.events[len(w.events)-1].Changes = namesOf(t.Steps)
		w.events[len(w.events)-1].Account = t.Account
		hands.Ticket, hands.After = &t, r.Asked.After
	}
	s.Hands, w.moved = &hands, true
}

// Closed takes a person's word on the account's ticket. Done is believed: nobody but people can look. What was wanted is then
// driven again, on paper, and is found to be so.
func (w Work) Closed(c event.TicketCommand) Decision {
	s := &w.State
	t := s.Ticket()
	switch {
	case t == nil || t.ID != c.Ticket:
		w.ignored(c, "not_open", "the ticket is closed already, or something newer is wanted")
		return w.decide()
	case c.Actor == string(t.IdentityID):
		w.ignored(c, "own_account", "nobody closes a ticket about an account of their own")
		return w.decide()
	case c.Kind == event.FinishTicket:
		w.told(event.TicketDone, "done", t, c.Reason)
		s.Hands = &Hands{Have: s.Hands.After}
		w.doubt(Result{Doubt: namesOf(t.Steps)}) // the next drive finds it, and says so
	default:
		w.told(event.TicketRefused, "refused", t, c.Reason)
		s.Hands = &Hands{Have: s.Hands.Have}
	}
	w.events[len(w.events)-1].Actor = c.Actor
	w.moved = true
	w.afterWord(c, *t)
	return w.decide()
}

// afterWord goes on from a ticket that was closed.
func (w *Work) afterWord(c event.TicketCommand, t event.Ticket) {
	s := &w.State
	switch done := c.Kind == event.FinishTicket; {
	case s.Intent != nil: // it was planned from what was before
		s.Round++
		w.start(s.Intent.Why)
	case done && s.Wait == WaitTicket:
		s.Round++
		w.start(Person)
	case !done && (s.Wait == WaitTicket || s.Wait != WaitHeld && s.Want.Version == t.Version):
		s.Doubt = nil
		id := w.outcome(event.ProvisionDeadLettered, "dead_lettered", connector.Invalid, Result{Message: "a person refused the ticket: " + c.Reason})
		w.open("invalid", "", id)
		w.back(WaitParked, 0)
	default: // it waits for something else, and is planned when that has come
	}
}

// Dropped takes the end of all that was wanted of the account: nobody is to work on it any more.
func (w Work) Dropped() Decision {
	if t := w.State.Ticket(); t != nil {
		w.told(event.TicketOvertaken, "overtaken", t, "nothing is wanted any more")
		w.moved = true
	}
	w.State, w.forget = State{Want: w.State.Want}, true
	return w.decide()
}

// told records what became of a ticket. Its cause is the ticket, whose id is that of its ticket.opened.
func (w *Work) told(kind event.Kind, outcome string, t *event.Ticket, message string) {
	w.emit(kind, outcome, "", message)
	e := &w.events[len(w.events)-1]
	e.CaseID, e.CausationID, e.Account, e.Version, e.Changes = t.CaseID, t.ID, t.Account, t.Version, namesOf(t.Steps)
}

// ignored records a word that does not count.
func (w *Work) ignored(c event.TicketCommand, reason, message string) {
	w.emit(event.TicketIgnored, "ignored", connector.Class(reason), message)
	e := &w.events[len(w.events)-1]
	e.IdentityID, e.Target, e.Actor, e.CausationID = c.IdentityID, c.Target, c.Actor, c.Ticket
}

// namesOf names what is to be changed, never to what.
func namesOf(steps []event.TicketStep) []event.Change {
	var out []event.Change
	for _, s := range steps {
		if s.Verb != string(connector.Update) {
			out = append(out, event.Change{Verb: s.Verb, Item: s.Item})
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(s.Attributes)) {
			out = append(out, event.Change{Verb: s.Verb, Attribute: name})
		}
	}
	return out
}

// StepsOf is what a plan asks of people.
func StepsOf(ops []connector.Op) []event.TicketStep {
	steps := make([]event.TicketStep, len(ops))
	for i, op := range ops {
		steps[i] = event.TicketStep{Verb: string(op.Verb), Item: strings.Join(op.Want.Entitlements, ","), Enabled: op.Verb == connector.Create && op.Want.Enabled,
			Attributes: op.Want.Attributes}
	}
	return steps
}

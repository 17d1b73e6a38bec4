package app_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/ticket"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/services/provisioner/internal/shell/desk"
)

// newQueue is a provisioner over one target that people change.
func newQueue(t *testing.T) *pipe {
	t.Helper()
	return newPipe(t, func(target *desk.Target) {
		target.Open = func() (connector.Connector, error) {
			return ticket.Open(connector.Settings{Name: "chat", Connector: "ticket", Connection: map[string]string{"queue": "console"}})
		}
	})
}

// shown is what the console is told next about open tickets.
func (p *pipe) shown() []event.Ticket {
	p.t.Helper()
	return streamtest.Out[event.Ticket](p.Harness, event.OpenTickets)
}

func (p *pipe) says(kind event.TicketAct, of event.Ticket, actor string) {
	p.t.Helper()
	p.Feed(event.TicketCommands, string(of.IdentityID), &event.TicketCommand{ID: "act-" + actor, Kind: kind, Ticket: of.ID, IdentityID: of.IdentityID,
		Target: of.Target, Actor: actor, Reason: "so it is", At: p.Now()})
	p.Perform()
}

func TestATicketIsOpenedOnceOverRestartsAndItsChangesCountOnceAPersonSaysTheyAreMade(t *testing.T) {
	t.Parallel()
	p := newQueue(t)
	p.want(desired("a", 1))
	p.Restart()
	p.Perform()
	p.Restart()
	p.newDesk()
	p.Perform()
	open := p.shown()
	if len(open) != 1 || fmt.Sprint(open[0].Steps) != "[{create  true map[title:Engineer]} {grant group/staff false map[]}]" || open[0].Account != "name-a" || open[0].CaseID != "case-a" {
		t.Fatalf("shown: %+v", open)
	}
	p.run(24*time.Hour, time.Hour)
	if p.count(event.TicketOpened) != 1 || p.count(event.ProvisionApplied) != 0 || p.count(event.ExceptionOpened) != 0 || p.count(event.ProvisionDeferred) != 1 {
		t.Fatalf("while it is open: %v", p.kinds())
	}
	p.says(event.FinishTicket, open[0], "id-boss")
	all := p.all()
	last := all[len(all)-1]
	if last.Kind != event.ProvisionApplied || last.Reason != "by_hand" || len(last.Changes) != 2 || last.State != event.AccountActive || last.RemoteID != "name-a" {
		t.Errorf("applied: %+v", last)
	}
	p.says(event.FinishTicket, open[0], "id-cyn")
	if p.count(event.TicketDone) != 1 || p.count(event.TicketIgnored) != 1 || p.count(event.ProvisionApplied) != 1 {
		t.Errorf("after a second word: %v", p.kinds())
	}

	d := desired("a", 2) // what they said is remembered: only the difference is asked for
	d.State, d.Entitlements, d.Lane = event.AccountDisabled, nil, event.LaneLeaver
	p.want(d)
	p.Perform()
	tickets := p.shown() // the tombstone of the first reads as nothing
	second := tickets[len(tickets)-1]
	if fmt.Sprint(second.Steps) != "[{disable  false map[]} {revoke group/staff false map[]}]" {
		t.Fatalf("the leaver's: %+v", second)
	}
	p.says(event.RefuseTicket, second, "id-boss")
	if p.count(event.ProvisionDeadLettered) != 1 || p.count(event.ExceptionOpened) != 1 {
		t.Errorf("refused: %v", p.kinds())
	}
	p.want(d) // replayed
	p.Perform()
	tickets = p.shown()
	p.says(event.FinishTicket, tickets[len(tickets)-1], "id-boss")
	if p.count(event.ExceptionResolved) != 1 || p.count(event.ProvisionApplied) != 2 {
		t.Errorf("replayed and done: %v", p.kinds())
	}
}

func TestATicketEndsWithTheAccountAndAWordOnAnUnknownOneIsEvidence(t *testing.T) {
	t.Parallel()
	p := newQueue(t)
	p.want(desired("a", 1))
	p.Perform()
	open := p.shown()[0]
	p.FeedRaw(event.AccessDesired, "a|chat", nil)
	if p.count(event.TicketOvertaken) != 1 {
		t.Errorf("events: %v", p.kinds())
	}
	p.says(event.FinishTicket, open, "id-boss")
	all := p.all()
	if last := all[len(all)-1]; last.Kind != event.TicketIgnored || last.IdentityID != "a" || last.Actor != "id-boss" || last.Reason != "not_open" || last.CausationID != open.ID {
		t.Errorf("ignored: %+v", last)
	}
}

func TestAWordOnATicketThatSaysTooLittleIsPoison(t *testing.T) {
	t.Parallel()
	p := newQueue(t)
	good := event.TicketCommand{ID: "act-1", Kind: event.FinishTicket, Ticket: "pe-1", IdentityID: "a", Target: "chat", Actor: "id-boss", Reason: "done", At: start}
	for i, spoil := range []func(*event.TicketCommand){
		func(c *event.TicketCommand) { c.Reason = " " }, func(c *event.TicketCommand) { c.Actor = "" }, func(c *event.TicketCommand) { c.Kind = "burn" },
		func(c *event.TicketCommand) { c.Target = "" }, func(c *event.TicketCommand) { c.IdentityID = "b" },
	} {
		c := good
		spoil(&c)
		p.Feed(event.TicketCommands, "a", &c)
		if n := len(streamtest.Out[event.DeadLetter](p.Harness, event.DeadLetters)); n != 1 {
			t.Errorf("%d: %d dead letters", i, n)
		}
	}
	if len(p.all()) != 0 {
		t.Errorf("events: %v", p.kinds())
	}
}

// itsm asks people itself. Nobody closes a ticket; who is in have has the account.
type itsm struct {
	ticket.Queue
	have  map[string]connector.Object
	asked map[string]int // by key: how often
}

func (s *itsm) Get(_ context.Context, ref connector.Ref) (connector.Object, error) {
	o, ok := s.have[ref.Account]
	if !ok {
		return o, &connector.Error{Class: connector.NotFound, Op: "get", Err: connector.ErrNotFound}
	}
	return o, nil
}

func (s *itsm) Ask(_ context.Context, key string, _ *connector.Object, _ []connector.Op) error {
	s.asked[key]++
	return &connector.Error{Class: connector.Waiting, Op: "ask", RetryAfter: 15 * time.Minute, Err: errors.New("a person has it")}
}

func TestALookWhetherAPersonIsDoneIsNeitherToldNorCountedByAGuard(t *testing.T) {
	t.Parallel()
	people := &itsm{have: map[string]connector.Object{}, asked: map[string]int{}}
	p := newPipe(t, func(target *desk.Target) { target.Open = func() (connector.Connector, error) { return people, nil } })
	p.publish(guarded("{name: mass-leaver, action: disable, window: 1h, count: 1, per: [target]}"), start)
	leaves := func(id string) {
		d := desired(id, 1)
		d.State, d.Lane, d.Entitlements, d.Attributes = event.AccountDisabled, event.LaneLeaver, nil, nil
		people.have[d.AccountName] = connector.Object{Ref: connector.Ref{Account: d.AccountName, RemoteID: d.AccountName}, Enabled: true}
		p.want(d)
		p.Perform()
	}
	leaves("a")
	p.run(70*time.Minute, 5*time.Minute)
	leaves("b") // a's window is over, whatever looks there were
	p.run(30*time.Minute, 5*time.Minute)
	if n := p.count(event.GuardTripped); n != 0 {
		t.Fatalf("a guard tripped: %v", p.kinds())
	}
	leaves("c") // and b's is not
	if n := p.count(event.GuardTripped); n != 1 {
		t.Errorf("the guard did not trip: %v", p.kinds())
	}
	looks := 0
	for _, n := range people.asked {
		looks += n
	}
	if i, d := p.count(event.ProvisionIntended), p.count(event.ProvisionDeferred); len(people.asked) != 2 || looks < 6 || i != 3 || d != 2 {
		t.Errorf("%d plans asked for, %d times; told: %d intended, %d deferred", len(people.asked), looks, i, d)
	}
	for name, o := range people.have { // the people are done
		o.Enabled = false
		people.have[name] = o
	}
	p.run(30*time.Minute, 5*time.Minute)
	if n := p.count(event.ProvisionApplied); n != 2 {
		t.Errorf("done, and %d applied: %v", n, p.kinds())
	}
}

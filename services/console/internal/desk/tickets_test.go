package desk_test

import (
	"errors"
	"strings"
	"testing"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

// keys is a target that people change: boss owns it, and whoever is a porter works on it.
const keys = `apiVersion: joinery/v1
kind: Target
metadata: {name: keys}
spec:
  connector: ticket
  connection: {queue: console, workers: staff-base}
  owner: {employee_number: "1000"}
  account: {name: person.employee_number}
  entitlements: [key]
`

func newQueue(t *testing.T) *desktest.World {
	t.Helper()
	w := desktest.New(t)
	w.Enforce(t, append([]config.File{{Name: "targets/keys.yaml", Data: []byte(keys)}}, desktest.Files...))
	w.Queue.Put("id-ana|keys", &event.Ticket{ID: "t-1", IdentityID: "id-ana", Target: "keys", Account: "1001", Lane: event.LaneJoiner, OpenedAt: desktest.Start,
		Steps: []event.TicketStep{{Verb: "create", Enabled: true, Attributes: map[string]string{"desk": "4"}}, {Verb: "grant", Item: "key/garage"}}})
	return w
}

func TestATicketIsClosedByWhoWorksOnTheTargetAndNeverAboutThemselves(t *testing.T) {
	t.Parallel()
	w := newQueue(t)
	w.People.PutRoles("id-ana", []string{"staff-base"})
	for actor, may := range map[event.IdentityID]bool{"id-boss": true, "": true, "id-cyn": false, "id-ana": false} {
		got, err := w.Desk.Ticket(t.Context(), "t-1", desk.Actor{ID: actor})
		if err != nil || got.MayClose != may {
			t.Errorf("%q may close it: %v, %v", actor, got.MayClose, err)
		}
	}
	var f *desk.Fault
	if _, err := w.Desk.CloseTicket(t.Context(), "t-1", desk.TicketWord{Kind: event.FinishTicket, Reason: "x"}, desk.Actor{ID: "id-cyn"}); !errors.As(err, &f) ||
		f.Kind != desk.Forbidden || f.Detail != "tickets of keys are closed by Bo Holm or whoever has the role staff-base" {
		t.Errorf("a stranger: %v", err)
	}
	w.People.PutRoles("id-cyn", []string{"staff-base"})
	if mine, err := w.Desk.Tickets(t.Context(), desk.TicketQuery{Mine: true}, desk.Actor{ID: "id-cyn"}); err != nil || len(mine) != 1 {
		t.Errorf("a worker's own list: %+v, %v", mine, err)
	}
	w.People.Put(event.DirectoryEntry{IdentityID: "id-cyn", EmployeeNumber: "1002", DisplayName: "Cyn Diaz", Status: event.StatusActive, Held: true})
	if mine, err := w.Desk.Tickets(t.Context(), desk.TicketQuery{Mine: true}, desk.Actor{ID: "id-cyn"}); err != nil || len(mine) != 0 {
		t.Errorf("of who is held by an emergency: %+v, %v", mine, err)
	}
	if n := w.Desk.OwnTickets(desk.Actor{ID: "id-ana"}); n != 0 {
		t.Errorf("the person it is about may close %d", n)
	}
	if sent := desktest.Written[event.TicketCommand](t, w, event.TicketCommands); len(sent) != 0 {
		t.Errorf("written: %+v", sent)
	}
}

func TestAWordOnATicketIsWrittenAndItsEffectIsSeen(t *testing.T) {
	t.Parallel()
	w := newQueue(t)
	answer := func(kind event.Kind) func(desk.Outgoing) {
		return func(desk.Outgoing) {
			w.Journal.Put(t, event.ProvisionEvents, 0, &event.ProvisionEvent{Meta: event.Meta{EventID: "e-1", Kind: kind, CausationID: "t-1", Actor: "id-boss", Message: "handed over", OccurredAt: desktest.Start}})
			if kind != event.TicketIgnored {
				w.Queue.Put("id-ana|keys", nil)
			}
		}
	}
	boss := desk.Actor{ID: "id-boss"}
	dry, err := w.Desk.CloseTicket(t.Context(), "t-1", desk.TicketWord{Kind: event.FinishTicket, Reason: "x", DryRun: true}, boss)
	if err != nil || dry.State != "open" || !dry.DryRun {
		t.Fatalf("dry run: %+v, %v", dry, err)
	}
	w.Journal.Answer = answer(event.TicketIgnored)
	var f *desk.Fault
	if _, err := w.Desk.CloseTicket(t.Context(), "t-1", desk.TicketWord{Kind: event.FinishTicket, Reason: "handed over"}, boss); !errors.As(err, &f) || f.Kind != desk.Conflict {
		t.Errorf("ignored: %v", err)
	}
	w.Journal.Answer = answer(event.TicketDone)
	got, err := w.Desk.CloseTicket(t.Context(), "t-1", desk.TicketWord{Kind: event.FinishTicket, Reason: " handed over "}, boss)
	if err != nil || !got.Seen || got.State != "done" || got.Actor.Name != "Bo Holm" || got.MayClose {
		t.Fatalf("done: %+v, %v", got, err)
	}
	sent := desktest.Written[event.TicketCommand](t, w, event.TicketCommands)
	if c := sent[len(sent)-1]; len(sent) != 2 || c.Kind != event.FinishTicket || c.Ticket != "t-1" || c.IdentityID != "id-ana" || c.Target != "keys" || c.Actor != "id-boss" || c.Reason != "handed over" {
		t.Errorf("written: %+v", sent)
	}
	w.Archive.Closed = []desk.Ticket{{ID: "t-1", State: "done", Person: desk.Named{ID: "id-ana"}, Actor: desk.Named{ID: "id-boss"}}}
	if _, err := w.Desk.CloseTicket(t.Context(), "t-1", desk.TicketWord{Kind: event.RefuseTicket, Reason: "x"}, boss); !errors.As(err, &f) || !strings.Contains(f.Detail, "is done") {
		t.Errorf("once more: %v", err)
	}
	if closed, err := w.Desk.Tickets(t.Context(), desk.TicketQuery{State: "closed"}, boss); err != nil || len(closed) != 1 || closed[0].Actor.Name != "Bo Holm" || closed[0].Person.Name != "Ana Berg" {
		t.Errorf("closed: %+v, %v", closed, err)
	}
	if _, err := w.Desk.Tickets(t.Context(), desk.TicketQuery{State: "lost"}, boss); !errors.As(err, &f) || f.Kind != desk.Invalid {
		t.Errorf("a state that is none: %v", err)
	}
}

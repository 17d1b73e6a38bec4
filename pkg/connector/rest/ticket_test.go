package rest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/rest"
	"joinery.internal/pkg/connector/rest/resttest"
)

// itsm is json-server with tickets, and the person who works on them.
type itsm struct{ resttest.Peer }

func (p itsm) open(t *testing.T, url string) *rest.Tickets {
	t.Helper()
	c, err := rest.OpenTickets(connector.Settings{Name: "desk", Connector: "ticket", Connection: map[string]string{"url": url, "token": token},
		Ticket: &connector.Ticket{
			ID: "item.id", Payload: "item.work", Said: "item.notes", Every: time.Minute,
			State:  `item.status == "closed" ? "done" : item.status in ["refused", "cancelled"] ? "rejected" : "open"`,
			Find:   connector.RESTCall{Path: "tickets", Query: map[string]string{"account": "account"}},
			Open:   connector.RESTCall{Path: "tickets", Body: `{"account": account, "status": "new", "subject": title, "text": text, "work": payload}`},
			Cancel: &connector.RESTCall{Path: "tickets/{id}", Body: `{"status": "cancelled"}`},
		}})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// statuses are those of all tickets in their order.
func (p itsm) statuses(t *testing.T) string {
	t.Helper()
	var out []string
	for _, one := range p.Tickets(t) {
		out = append(out, one.Status)
	}
	return strings.Join(out, " ")
}

// drive does what the provisioner does: it plans on paper, from what people have said, and has them asked.
func drive(t *testing.T, c *rest.Tickets, key string, want connector.Desired) (connector.Object, error) {
	t.Helper()
	have, err := c.Get(t.Context(), want.Ref())
	paper := c.OnPaper(&have)
	if errors.Is(err, connector.ErrNotFound) {
		paper = c.OnPaper(nil)
	} else if err != nil {
		return have, err
	}
	out, err := connector.Drive(t.Context(), paper, key, want)
	if err != nil || out.Unchanged() {
		return have, err
	}
	return have, c.Ask(t.Context(), key, out.Before, out.Changes)
}

func mustWait(t *testing.T, c *rest.Tickets, key string, want connector.Desired) {
	t.Helper()
	_, err := drive(t, c, key, want)
	if connector.ClassOf(err) != connector.Waiting || connector.RetryAfter(err) != time.Minute {
		t.Fatalf("the drive says %v, want waiting for a minute", err)
	}
}

func TestTicketsAreOpenedWatchedAndClosed(t *testing.T) {
	t.Parallel()
	p := itsm{resttest.Start(t)}
	t.Run("a hire asks for all of it, once", p.hire)
	t.Run("a rejected ticket ends it, with what the person wrote", p.rejected)
	t.Run("a newer wish cancels the ticket of the older one", p.overtaken)
	t.Run("an answer that was lost opens no second ticket", p.lost)
}

func (p itsm) hire(t *testing.T) {
	p.Reset(t)
	want := connector.Desired{Account: "o'brien & söhne", State: connector.Active, Attributes: map[string]string{"desk": "4"},
		Entitlements: []string{"key/front door", "key/garage"}, ManagedKinds: []string{"key"}}
	for range 3 { // each try may come after a restart
		mustWait(t, p.open(t, p.Base()), "v1", want)
	}
	if got := p.statuses(t); got != "new" {
		t.Fatalf("the tickets are %q, want one", got)
	}
	if text := p.Tickets(t)[0].Text; text != "Please make these changes to the account o'brien & söhne, in this order:\n1. create\n   - desk: 4\n2. grant key/front door\n3. grant key/garage\n" {
		t.Errorf("the ticket says %q", text)
	}
	p.Work(t, "closed", "done")
	have, err := drive(t, p.open(t, p.Base()), "v1", want)
	if err != nil || !have.Enabled || len(have.Entitlements) != 2 || have.Attributes["desk"] != "4" {
		t.Fatalf("in the end: %+v, %v", have, err)
	}
	want.State, want.Entitlements = connector.Disabled, nil
	mustWait(t, p.open(t, p.Base()), "v2", want)
	p.Work(t, "closed", "done")
	if have, err = drive(t, p.open(t, p.Base()), "v2", want); err != nil || have.Enabled || len(have.Entitlements) != 0 {
		t.Errorf("after leaving: %+v, %v", have, err)
	}
	want.State = connector.Absent
	mustWait(t, p.open(t, p.Base()), "v3", want)
	p.Work(t, "closed", "done")
	if _, err := p.open(t, p.Base()).Get(t.Context(), want.Ref()); !errors.Is(err, connector.ErrNotFound) {
		t.Errorf("after the deletion: %v", err)
	}
}

func (p itsm) rejected(t *testing.T) {
	p.Reset(t)
	c := p.open(t, p.Base())
	want := connector.Desired{Account: "ana.berg", State: connector.Active}
	mustWait(t, c, "v1", want)
	p.Work(t, "refused", "no desk is free")
	_, err := drive(t, c, "v1", want)
	if connector.ClassOf(err) != connector.Invalid || !strings.Contains(err.Error(), "no desk is free") {
		t.Errorf("a rejected ticket: %v, want invalid and the reason", err)
	}
	mustWait(t, c, "v1, replayed", want)
	if got := p.statuses(t); got != "refused new" {
		t.Errorf("after a replay the tickets are %q", got)
	}
}

func (p itsm) overtaken(t *testing.T) {
	p.Reset(t)
	c := p.open(t, p.Base())
	want := connector.Desired{Account: "ana.berg", State: connector.Active, Attributes: map[string]string{"desk": "4"}}
	mustWait(t, c, "v1", want)
	want.Attributes["desk"] = "5"
	mustWait(t, c, "v2", want)
	if got := p.statuses(t); got != "cancelled new" {
		t.Errorf("the tickets are %q", got)
	}
}

func (p itsm) lost(t *testing.T) {
	p.Reset(t)
	proxy := connectortest.NewProxy(t, p.Base())
	c := p.open(t, proxy.URL())
	want := connector.Desired{Account: "ana.berg", State: connector.Active}
	for _, fault := range []connectortest.HTTPFault{{Cut: true, AfterCommit: true, OnlyWrites: true}, {Status: 500, AfterCommit: true, OnlyWrites: true}} {
		p.Reset(t)
		proxy.Next(fault)
		_, err := drive(t, c, "v1", want)
		if connector.ClassOf(err) != connector.Ambiguous || strings.Contains(err.Error(), token) {
			t.Errorf("%+v: %v, want ambiguous", fault, err)
		}
		mustWait(t, c, "v1", want)
		if got := p.statuses(t); got != "new" {
			t.Errorf("%+v: the tickets are %q, want one", fault, got)
		}
	}
}

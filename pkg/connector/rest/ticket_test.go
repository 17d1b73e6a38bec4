package rest_test

import (
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

func mustWait(t *testing.T, c connector.Connector, key string, want connector.Desired) {
	t.Helper()
	_, err := connector.Drive(t.Context(), c, key, want)
	if connector.ClassOf(err) != connector.Waiting || connector.RetryAfter(err) != time.Minute {
		t.Fatalf("the drive says %v, want waiting for a minute", err)
	}
}

func TestTicketsAreOpenedWatchedAndClosed(t *testing.T) {
	t.Parallel()
	p := itsm{resttest.Start(t)}
	t.Run("a hire asks for one thing after the other, each once", p.hire)
	t.Run("a rejected ticket ends it, with what the person wrote", p.rejected)
	t.Run("a newer wish cancels the ticket of the older one", p.overtaken)
	t.Run("an answer that was lost opens no second ticket", p.lost)
}

func (p itsm) hire(t *testing.T) {
	p.Reset(t)
	want := connector.Desired{Account: "o'brien & söhne", State: connector.Active, Attributes: map[string]string{"desk": "4"},
		Entitlements: []string{"key/front door", "key/garage"}, ManagedKinds: []string{"key"}}
	for step, statuses := range []string{"new", "closed new", "closed closed new"} {
		for range 3 { // each try may come after a restart
			mustWait(t, p.open(t, p.Base()), "v1", want)
		}
		if got := p.statuses(t); got != statuses {
			t.Fatalf("step %d: the tickets are %q, want %q", step, got, statuses)
		}
		p.Work(t, "closed", "done")
	}
	out, err := connector.Drive(t.Context(), p.open(t, p.Base()), "v1", want)
	if err != nil || !out.Unchanged() || out.After == nil || !out.After.Enabled || len(out.After.Entitlements) != 2 {
		t.Fatalf("in the end: %+v, %v", out, err)
	}
	if text := p.Tickets(t)[0].Text; !strings.Contains(text, "Please create the account o'brien & söhne.") || !strings.Contains(text, "desk: 4") {
		t.Errorf("the ticket says %q", text)
	}
	want.State, want.Entitlements = connector.Disabled, nil
	for range 3 {
		mustWait(t, p.open(t, p.Base()), "v2", want)
		p.Work(t, "closed", "done")
	}
	if out, err = connector.Drive(t.Context(), p.open(t, p.Base()), "v2", want); err != nil || out.After.Enabled || len(out.After.Entitlements) != 0 {
		t.Errorf("after leaving: %+v, %v", out, err)
	}
}

func (p itsm) rejected(t *testing.T) {
	p.Reset(t)
	c := p.open(t, p.Base())
	want := connector.Desired{Account: "ana.berg", State: connector.Active}
	mustWait(t, c, "v1", want)
	p.Work(t, "refused", "no desk is free")
	_, err := connector.Drive(t.Context(), c, "v1", want)
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
		_, err := connector.Drive(t.Context(), c, "v1", want)
		if connector.ClassOf(err) != connector.Ambiguous || strings.Contains(err.Error(), token) {
			t.Errorf("%+v: %v, want ambiguous", fault, err)
		}
		mustWait(t, c, "v1", want)
		if got := p.statuses(t); got != "new" {
			t.Errorf("%+v: the tickets are %q, want one", fault, got)
		}
	}
}

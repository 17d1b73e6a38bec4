// Package resttest runs a real JSON API for tests: json-server from npm, which knows nothing of Joinery, over a store that can
// be looked into beside the API. It has users, memberships and tickets, and a journal of what was changed of the first two.
//
// It owns what the server is, and the person who works on tickets; package nodetest runs it. Peers are independent of one another,
// and so are the stores of one.
package resttest

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/nodetest"
)

// Token is what a peer wants to hear.
const Token = "peer-secret-4712"

//go:embed server
var server embed.FS

// Peer is a store of a json-server in a process of its own.
type Peer struct{ Origin string }

// Start starts a server; it ends with the test.
func Start(t testing.TB) Peer {
	t.Helper()
	files, err := fs.Sub(server, "server")
	if err != nil {
		t.Fatalf("read the peer: %v", err)
	}
	return Peer{nodetest.Start(t, "json-server", files, Token)}
}

// At is another store of the same server, empty at first.
func (p Peer) At(store string) Peer { return Peer{p.Origin + "/at/" + store} }

// Base is where the API is.
func (p Peer) Base() string { return p.Origin + "/api" }

// Reset empties the store and its journal.
func (p Peer) Reset(t testing.TB) {
	t.Helper()
	res, err := http.Post(p.Origin+"/reset", "", nil)
	if err != nil {
		t.Fatalf("reset the peer: %v", err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatalf("reset the peer: %s, %v", res.Status, err)
	}
}

// Inspect reads the store beside the API.
func (p Peer) Inspect(t testing.TB, store any) {
	t.Helper()
	res, err := http.Get(p.Origin + "/inspect")
	if err != nil {
		t.Fatalf("inspect the peer: %v", err)
	}
	defer res.Body.Close() //nolint:errcheck // it has been read
	if err := json.NewDecoder(res.Body).Decode(store); err != nil {
		t.Fatalf("inspect the peer: %v", err)
	}
}

// User is one as the store has it.
type User struct {
	ID                               int
	Login, ExternalID, Title, Office string
	Active                           bool
}

// Users are all users in their order.
func (p Peer) Users(t testing.TB) []User {
	t.Helper()
	var store struct{ Users []User }
	p.Inspect(t, &store)
	return store.Users
}

// Objects are the users as accounts, with their groups.
func (p Peer) Objects(t testing.TB) (out []connector.Object) {
	t.Helper()
	var store struct {
		Users       []User
		Memberships []struct {
			UserID int
			Group  string
		}
	}
	p.Inspect(t, &store)
	for _, u := range store.Users {
		o := connector.Object{Ref: connector.Ref{Account: u.Login, RemoteID: strconv.Itoa(u.ID), ExternalID: u.ExternalID}, Enabled: u.Active,
			Attributes: map[string]string{"title": u.Title, "office": u.Office}}
		for _, m := range store.Memberships {
			if m.UserID == u.ID {
				o.Entitlements = append(o.Entitlements, connector.Entitlement("group", m.Group))
			}
		}
		slices.Sort(o.Entitlements)
		out = append(out, o)
	}
	return out
}

// Change is one by which the content came to be.
type Change struct {
	Account, Verb string
	Item          string // the group of grant and revoke
	At            time.Time
}

// Journal are all changes of users and memberships since the store was empty.
func (p Peer) Journal(t testing.TB) []Change {
	t.Helper()
	var store struct{ Journal []Change }
	p.Inspect(t, &store)
	return store.Journal
}

// Ticket is one as the store has it.
type Ticket struct {
	ID                    int
	Account, Status, Text string
}

// Tickets are all tickets in their order.
func (p Peer) Tickets(t testing.TB) []Ticket {
	t.Helper()
	var store struct{ Tickets []Ticket }
	p.Inspect(t, &store)
	return store.Tickets
}

// Work is what the person does with every new ticket: it gets a status and a note.
func (p Peer) Work(t testing.TB, status, notes string) {
	t.Helper()
	for _, one := range p.Tickets(t) {
		if one.Status == "new" {
			p.Call(t, http.MethodPatch, fmt.Sprint("tickets/", one.ID), map[string]string{"status": status, "notes": notes})
		}
	}
}

// Call makes a request as an administrator of the application does.
func (p Peer) Call(t testing.TB, method, path string, body any) {
	t.Helper()
	var encoded bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&encoded).Encode(body); err != nil {
			t.Fatalf("call the peer: %v", err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, p.Base()+"/"+path, &encoded)
	if err != nil {
		t.Fatalf("call the peer: %v", err)
	}
	req.Header.Set("Authorization", "Bearer "+Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("call the peer: %v", err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %s, %v", method, path, res.Status, err)
	}
}

// Package resttest runs a real JSON API for tests: json-server from npm, which knows nothing of Joinery, over a store that can
// be looked into beside the API. It has users, memberships and tickets.
//
// It owns what the server is, and the person who works on tickets; package nodetest runs it. Peers are independent of one another.
package resttest

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"testing"

	"joinery.internal/pkg/nodetest"
)

// Token is what a peer wants to hear.
const Token = "peer-secret-4712"

//go:embed server
var server embed.FS

// Peer is a json-server in a process of its own.
type Peer struct{ Origin string }

// Start starts a server; it ends with the test.
func Start(t *testing.T) Peer {
	t.Helper()
	files, err := fs.Sub(server, "server")
	if err != nil {
		t.Fatalf("read the peer: %v", err)
	}
	return Peer{nodetest.Start(t, "json-server", files, Token)}
}

// Base is where the API is.
func (p Peer) Base() string { return p.Origin + "/api" }

// Reset empties the store.
func (p Peer) Reset(t *testing.T) {
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
func (p Peer) Inspect(t *testing.T, store any) {
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

// Ticket is one as the store has it.
type Ticket struct {
	ID                    int
	Account, Status, Text string
}

// Tickets are all tickets in their order.
func (p Peer) Tickets(t *testing.T) []Ticket {
	t.Helper()
	var store struct{ Tickets []Ticket }
	p.Inspect(t, &store)
	return store.Tickets
}

// Work is what the person does with every new ticket: it gets a status and a note.
func (p Peer) Work(t *testing.T, status, notes string) {
	t.Helper()
	for _, one := range p.Tickets(t) {
		if one.Status == "new" {
			p.patch(t, one, map[string]string{"status": status, "notes": notes})
		}
	}
}

func (p Peer) patch(t *testing.T, one Ticket, fields map[string]string) {
	t.Helper()
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, fmt.Sprintf("%s/tickets/%d", p.Base(), one.ID), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("work on ticket %d: %s, %v", one.ID, res.Status, err)
	}
}

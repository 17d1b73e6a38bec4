// Package scimmytest runs a real SCIM 2.0 server for tests: scimmy and scimmy-routers from npm, which know nothing of
// Joinery, with a store of ours that can be looked into beside the protocol.
//
// It owns what the server is; package nodetest runs it. Peers are independent of one another.
package scimmytest

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"testing"

	"joinery.internal/pkg/nodetest"
)

// Token is what a peer wants to hear.
const Token = "peer-secret-4711"

//go:embed server
var server embed.FS

// Peer is a scimmy server in a process of its own.
type Peer struct {
	Origin string // the API is at Origin/scim
}

// Start starts a server; it ends with the test.
func Start(t *testing.T) Peer {
	t.Helper()
	files, err := fs.Sub(server, "server")
	if err != nil {
		t.Fatalf("read the peer: %v", err)
	}
	return Peer{nodetest.Start(t, "scimmy", files, Token)}
}

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

// Store is the peer's whole content, read beside the protocol.
type Store struct {
	Users []struct {
		ID, UserName, ExternalID, Title, DisplayName string
		Active                                       *bool
		Emails                                       []struct{ Type, Value string }
		Enterprise                                   struct {
			Department string
			Manager    struct{ Value string }
		} `json:"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
	}
	Groups []struct {
		DisplayName string
		Members     []struct{ Value string }
	}
}

// Inspect reads the store beside the protocol.
func (p Peer) Inspect(t *testing.T) Store {
	t.Helper()
	res, err := http.Get(p.Origin + "/inspect")
	if err != nil {
		t.Fatalf("inspect the peer: %v", err)
	}
	defer res.Body.Close()
	var s Store
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		t.Fatalf("inspect the peer: %v", err)
	}
	return s
}

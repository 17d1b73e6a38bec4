// Package scimmytest runs a real SCIM 2.0 server for tests: scimmy and scimmy-routers from npm, which know nothing of
// Joinery, with a store of ours that can be looked into beside the protocol.
//
// It owns the server's process, which ends with the test, and the cache its packages are installed in once. Peers are
// independent of one another.
package scimmytest

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
	dir := install(t)
	cmd := exec.CommandContext(t.Context(), "node", "server.js", Token)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // the server ends when it closes, however this process ends
	if err != nil {
		t.Fatalf("pipe to the peer: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("pipe from the peer: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start the peer (is Node installed?): %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil && t.Context().Err() == nil {
			t.Errorf("stop the peer: %v", err)
		}
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("read the peer's port: %v", err)
	}
	return Peer{"http://127.0.0.1:" + strings.TrimSpace(port)}
}

// install copies the server into a cache folder named by its content, with its dependencies: once per lock.
func install(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("find the cache folder: %v", err)
	}
	sum := sha256.New()
	source, err := fs.Sub(server, "server")
	if err != nil {
		t.Fatalf("read the peer: %v", err)
	}
	for _, name := range []string{"package-lock.json", "package.json", "server.js"} {
		content, err := fs.ReadFile(source, name)
		if err != nil {
			t.Fatalf("read the peer: %v", err)
		}
		sum.Write(content)
	}
	dir := filepath.Join(cache, "joinery", "scimmy-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatalf("make the cache folder: %v", err)
	}
	staging, err := os.MkdirTemp(filepath.Dir(dir), "staging-")
	if err != nil {
		t.Fatalf("make the cache folder: %v", err)
	}
	if err := os.CopyFS(staging, source); err != nil {
		t.Fatalf("copy the peer: %v", err)
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
	npm.Dir = staging
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci for the scimmy peer (Node with npm and a package registry are needed): %v\n%s", err, out)
	}
	if err := os.Rename(staging, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // another test was faster: its copy is as good
			t.Fatalf("keep the peer: %v", err)
		}
		if err := os.RemoveAll(staging); err != nil {
			t.Fatalf("remove the second copy of the peer: %v", err)
		}
	}
	return dir
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

package scim_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/scim"
)

const peerToken = "peer-secret-4711"

// peer is a scimmy server in a process of its own.
type peer struct{ origin string }

// startPeer starts testdata/scimmy; it ends with the test.
func startPeer(t *testing.T) peer {
	t.Helper()
	dir := installPeer(t)
	cmd := exec.CommandContext(t.Context(), "node", "server.js", peerToken)
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
	return peer{"http://127.0.0.1:" + strings.TrimSpace(port)}
}

// installPeer copies testdata/scimmy into a cache folder named by its content, with its dependencies: once per lock.
func installPeer(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("find the cache folder: %v", err)
	}
	sum := sha256.New()
	source := os.DirFS("testdata/scimmy")
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

func (p peer) reset(t *testing.T) {
	t.Helper()
	res, err := http.Post(p.origin+"/reset", "", nil)
	if err != nil {
		t.Fatalf("reset the peer: %v", err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatalf("reset the peer: %s, %v", res.Status, err)
	}
}

// store is the peer's whole content, read beside the protocol.
type store struct {
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

func (p peer) inspect(t *testing.T) store {
	t.Helper()
	res, err := http.Get(p.origin + "/inspect")
	if err != nil {
		t.Fatalf("inspect the peer: %v", err)
	}
	defer res.Body.Close()
	var s store
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil {
		t.Fatalf("inspect the peer: %v", err)
	}
	return s
}

func (p peer) objects(t *testing.T) []connector.Object {
	t.Helper()
	s := p.inspect(t)
	var out []connector.Object
	for _, u := range s.Users {
		o := connector.Object{
			Ref:        connector.Ref{Account: u.UserName, RemoteID: u.ID, ExternalID: u.ExternalID},
			Enabled:    u.Active == nil || *u.Active,
			Attributes: map[string]string{"title": u.Title, "enterprise.department": u.Enterprise.Department},
		}
		for _, g := range s.Groups {
			for _, m := range g.Members {
				if m.Value == u.ID {
					o.Entitlements = append(o.Entitlements, "group/"+g.DisplayName)
				}
			}
		}
		slices.Sort(o.Entitlements)
		out = append(out, o)
	}
	return out
}

func (p peer) open(t *testing.T, url string, timeout time.Duration) *scim.Client {
	t.Helper()
	c, err := scim.Open(connector.Settings{
		Name: "peer", Connector: "scim", Timeout: timeout, Entitlements: []string{"group"},
		Connection: map[string]string{"url": url, "token": peerToken},
	})
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

func TestSCIMConformsAgainstScimmy(t *testing.T) {
	t.Parallel()
	p := startPeer(t)
	base := p.origin + "/scim"
	connectortest.Run(t, connectortest.Harness{
		New:        func(t *testing.T) connector.Connector { return p.open(t, base, 0) },
		Reset:      p.reset,
		Inspect:    p.objects,
		Attributes: [2]string{"title", "enterprise.department"},
		Kind:       "group",
		HTTP: &connectortest.HTTP{
			URL: base, Secret: peerToken,
			Open: func(t *testing.T, url string, timeout time.Duration) connector.Connector {
				return p.open(t, url, timeout)
			},
		},
	})
	t.Run("every mapped attribute arrives where it belongs", func(t *testing.T) { attributesArrive(t, p, base) })
	t.Run("parallel grants of a new group create it once", func(t *testing.T) { groupCreatedOnce(t, p, base) })
}

func attributesArrive(t *testing.T, p peer, base string) {
	p.reset(t)
	c := p.open(t, base, 0)
	want := connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active, Attributes: map[string]string{
		"title": "Engineer", "displayName": " Ana Berg ", "name.givenName": "Ana", "name.familyName": "Berg",
		"emails.work": "Ana.Berg@acme.example", "emails.home": "ana@home.example", "phoneNumbers.work": "+420 123",
		"addresses.work.locality": "Prague", "enterprise.department": "Finance", "enterprise.manager": "m-1",
	}}
	for _, step := range []struct {
		name, value string
		changes     int
	}{
		{"title", "Engineer", 1}, // the create
		{"emails.work", "ana.novak@acme.example", 1},
		{"emails.home", "", 1},
		{"emails.home", "new@home.example", 1},
		{"name.familyName", "Novák", 1},
		{"enterprise.department", "Sales", 1},
		{"enterprise.manager", "m-2", 1},
		{"addresses.work.locality", "Brno", 1},
		{"phoneNumbers.work", "", 1},
	} {
		want.Attributes[step.name] = step.value
		out, err := connector.Drive(t.Context(), c, "k", want)
		if err != nil {
			t.Fatalf("%s=%q: %v", step.name, step.value, err)
		}
		if len(out.Changes) != step.changes {
			t.Errorf("%s=%q: %d changes, want %d", step.name, step.value, len(out.Changes), step.changes)
		}
		if out, err = connector.Drive(t.Context(), c, "k", want); err != nil || !out.Unchanged() {
			t.Errorf("%s=%q: the second drive made %+v, %v", step.name, step.value, out.Changes, err)
		}
	}
	u := p.inspect(t).Users[0]
	got := fmt.Sprintln(u.Title, u.DisplayName, u.Emails, u.Enterprise)
	if want := fmt.Sprintln("Engineer", "Ana Berg", "[{work ana.novak@acme.example} {home new@home.example}]", "{Sales {m-2}}"); got != want {
		t.Errorf("the peer has %swant %s", got, want)
	}
}

func groupCreatedOnce(t *testing.T, p peer, base string) {
	p.reset(t)
	c := p.open(t, base, 0)
	errs := make(chan error)
	const n = 8
	for i := range n {
		go func() {
			_, err := connector.Drive(t.Context(), c, "k", connector.Desired{
				Account: fmt.Sprint("user", i), ExternalID: fmt.Sprint("id-", i), State: connector.Active,
				Entitlements: []string{"group/all"}, ManagedKinds: []string{"group"},
			})
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	groups := p.inspect(t).Groups
	if len(groups) != 1 || len(groups[0].Members) != n {
		t.Errorf("the peer has %+v, want one group of %d", groups, n)
	}
}

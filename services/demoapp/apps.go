package demoapp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mode is how an application behaves.
type Mode string

// The modes. Flaky fails some calls, by turns before and after it has acted; it lets enough pass to get on.
const (
	Up     Mode = "up"
	Down   Mode = "down"
	Flaky  Mode = "flaky"
	Slow   Mode = "slow"
	Reject Mode = "reject" // refuses every change as invalid
)

func modes() []Mode { return []Mode{Up, Down, Flaky, Slow, Reject} }

// Snapshot is what an application holds, and what was changed in it since it was first started.
type Snapshot struct {
	App      string    `json:"app"`
	Mode     Mode      `json:"mode"`
	Accounts []Account `json:"accounts"` // sorted by name
	Journal  []Change  `json:"journal"`  // effective changes, in order
	// Creates counts how often each account name was created, CreatesByExternalID how often an account was created for
	// each identity: more than one without a delete between is a duplicate.
	Creates             map[string]int `json:"creates"`
	CreatesByExternalID map[string]int `json:"creates_by_external_id"`
}

// Account is one account of an application.
type Account struct {
	Account      string            `json:"account"`
	ID           string            `json:"id"`
	ExternalID   string            `json:"external_id"`
	Enabled      bool              `json:"enabled"`
	Attributes   map[string]string `json:"attributes"`
	Entitlements []string          `json:"entitlements"` // "group/engineering", sorted
}

// Change is one effective change.
type Change struct {
	Time        time.Time `json:"time"`
	Verb        string    `json:"verb"` // create update enable disable grant revoke delete
	Account     string    `json:"account,omitempty"`
	ExternalID  string    `json:"external_id,omitempty"`
	Entitlement string    `json:"entitlement,omitempty"` // for grant and revoke; with create and delete: the group itself
}

func (s *Snapshot) count() {
	s.Creates, s.CreatesByExternalID = map[string]int{}, map[string]int{}
	for _, c := range s.Journal {
		if c.Verb == "create" && c.Account != "" {
			s.Creates[c.Account]++
			s.CreatesByExternalID[c.ExternalID]++
		}
	}
}

// application is one of the bundled targets.
type application interface {
	inspect(ctx context.Context) (Snapshot, error)
	setMode(ctx context.Context, mode Mode) error
	// address is what a target file's connection.url stands for, and its token.
	address(origin string) (url, token string)
	api() http.Handler // nil: it has none over HTTP
	close() error
}

// Apps are the running applications.
type Apps struct {
	names    []string
	apps     map[string]application
	origin   string
	server   *http.Server
	finished chan error // the end of Serve
}

// Start opens the applications in dir, which it creates if need be, and listens. ctx bounds the start only.
func Start(ctx context.Context, dir string) (*Apps, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the demo folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the demo folder: %w", err)
	}
	kept, err := loadIdentity(dir)
	if err != nil {
		return nil, err
	}
	a := &Apps{names: []string{"chat", "wiki", "erp"}, apps: map[string]application{}, finished: make(chan error, 1)}
	for _, name := range []string{"chat", "wiki"} {
		s, err := openStore(filepath.Join(dir, name+".jsonl"))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open demo target %s: %w", name, err), a.closeApps())
		}
		a.apps[name] = newSCIM(name, s, kept.Tokens[name])
	}
	erp, err := openERP(ctx, filepath.Join(dir, "erp.db"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open demo target erp: %w", err), a.closeApps())
	}
	a.apps["erp"] = erp
	if err := a.listen(ctx, dir, kept); err != nil {
		return nil, errors.Join(err, a.closeApps())
	}
	return a, nil
}

// listen takes the port of last time if it is free, else any, which it remembers.
func (a *Apps) listen(ctx context.Context, dir string, kept identity) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(kept.Port)))
	if err != nil && kept.Port != 0 {
		listener, err = config.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return fmt.Errorf("listen for the demo targets: %w", err)
	}
	kept.Port = listener.Addr().(*net.TCPAddr).Port
	if err := kept.save(dir); err != nil {
		return errors.Join(err, listener.Close())
	}
	a.origin = "http://" + listener.Addr().String()
	a.server = &http.Server{Handler: a.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { a.finished <- a.server.Serve(listener) }()
	return nil
}

// URL is the page that lists the applications.
func (a *Apps) URL() string { return a.origin }

// Names are the names of the applications.
func (a *Apps) Names() []string { return slices.Clone(a.names) }

// Resolve turns `demo:chat` of a target file into the application's address and token (empty: it takes none).
func (a *Apps) Resolve(ref string) (url, token string, err error) {
	app, err := a.app(strings.TrimPrefix(ref, "demo:"))
	if err != nil {
		return "", "", fmt.Errorf("resolve %q: %w", ref, err)
	}
	url, token = app.address(a.origin + "/" + strings.TrimPrefix(ref, "demo:"))
	return url, token, nil
}

// Inspect looks into an application.
func (a *Apps) Inspect(ctx context.Context, name string) (Snapshot, error) {
	app, err := a.app(name)
	if err != nil {
		return Snapshot{}, err
	}
	s, err := app.inspect(ctx)
	if err != nil {
		return Snapshot{}, fmt.Errorf("inspect demo target %s: %w", name, err)
	}
	s.App = name
	s.count()
	return s, nil
}

// Switch changes how an application behaves.
func (a *Apps) Switch(ctx context.Context, name string, mode Mode) error {
	app, err := a.app(name)
	if err != nil {
		return err
	}
	if !slices.Contains(modes(), mode) {
		return fmt.Errorf("mode %q is none of %v", mode, modes())
	}
	if err := app.setMode(ctx, mode); err != nil {
		return fmt.Errorf("switch demo target %s %s: %w", name, mode, err)
	}
	return nil
}

func (a *Apps) app(name string) (application, error) {
	app, ok := a.apps[name]
	if !ok {
		return nil, fmt.Errorf("there is no demo target %q; there are %s", name, strings.Join(a.names, ", "))
	}
	return app, nil
}

// Close stops listening, lets calls under way end for a moment, and closes the data.
func (a *Apps) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := a.server.Shutdown(ctx)
	if err != nil { // a call that hangs does not keep us
		err = a.server.Close()
	}
	if served := <-a.finished; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, a.closeApps())
}

func (a *Apps) closeApps() error {
	var errs []error
	for _, name := range a.names {
		if app, ok := a.apps[name]; ok {
			errs = append(errs, app.close())
		}
	}
	return errors.Join(errs...)
}

// identity is what stays the same over restarts, so that whoever holds an address or a token can go on.
type identity struct {
	Port   int               `json:"port"`
	Tokens map[string]string `json:"tokens"`
}

const identityFile = "demo.json"

func loadIdentity(dir string) (identity, error) {
	var kept identity
	content, err := os.ReadFile(filepath.Join(dir, identityFile))
	if errors.Is(err, os.ErrNotExist) {
		kept.Tokens = map[string]string{"chat": rand.Text(), "wiki": rand.Text()}
		return kept, nil
	}
	if err != nil {
		return kept, fmt.Errorf("read the demo targets' address: %w", err)
	}
	if err := json.Unmarshal(content, &kept); err != nil {
		return kept, fmt.Errorf("read %s: %w; delete it to have a new one made", filepath.Join(dir, identityFile), err)
	}
	return kept, nil
}

func (k identity) save(dir string) error {
	content, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("write the demo targets' address: %w", err)
	}
	next := filepath.Join(dir, identityFile+".new")
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return fmt.Errorf("write the demo targets' address: %w", err)
	}
	if err := os.Rename(next, filepath.Join(dir, identityFile)); err != nil {
		return fmt.Errorf("write the demo targets' address: %w", err)
	}
	return nil
}

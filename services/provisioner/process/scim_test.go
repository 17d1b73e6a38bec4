package process_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"joinery.internal/pkg/connector"
	"joinery.internal/services/demoapp"
)

// front is an application's door over HTTP.
type front struct {
	target *httputil.ReverseProxy
	token  string // the application's own

	mu         sync.Mutex
	misbehaves string
	wants      string // the token that callers must show
}

// scimSubjects are applications of their own each.
func scimSubjects(testing.TB) func(testing.TB, string) *subject { return newSCIM }

func newSCIM(t testing.TB, dir string) *subject {
	t.Helper()
	apps, err := demoapp.Start(t.Context(), filepath.Join(dir, "app"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := apps.Close(); err != nil {
			t.Error(err)
		}
	})
	address, token, err := apps.Resolve("demo:chat")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{token: token, wants: "secret-0"}
	f.target = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u); r.Out.Header.Set("Authorization", "Bearer "+token) }, ModifyResponse: f.shorten}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	secret := filepath.Join(dir, "token")
	show := func(token string) { write(t, secret, token) }
	now, next := numbered()
	show(now())
	s := &subject{kind: "group", gate: newGate(t, "tcp", server.Listener.Addr().String(), httpWrites)}
	s.file = `connection: {url: "http://` + s.gate.listen + `", token: "file:` + secret + `"}`
	s.inspect = func(t testing.TB) ([]connector.Object, []entry) { return inspectSCIM(t, apps) }
	misbehave := func(name string) fault {
		return fault{name, func() { f.set(name) }, func() { f.set("") }, name == lies}
	}
	s.faults = []fault{misbehave(throttles), misbehave(errsAfter), misbehave(lies),
		{name: rotated, begin: func() { f.rotate(next()) }, end: func() { show(now()) }}}
	s.short = misbehave(shortens)
	admin := &http.Client{}
	s.alter = func(t testing.TB, account string, v connector.Verb) { alterSCIM(t, admin, address, token, account, v) }
	return s
}

// ways of a front to misbehave.
const (
	throttles = "429 with Retry-After"
	errsAfter = "500 after it acted"
	lies      = "lies: 200, and did nothing"
	shortens  = "listing cut short"
)

func (f *front) set(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.misbehaves = name
}

func (f *front) rotate(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wants = token
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	name, wants := f.misbehaves, f.wants
	f.mu.Unlock()
	read := r.Method == http.MethodGet
	switch {
	case r.Header.Get("Authorization") != "Bearer "+wants:
		w.WriteHeader(http.StatusUnauthorized)
	case name == throttles:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case name == errsAfter && !read:
		f.target.ServeHTTP(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusInternalServerError)
	case name == lies && r.Method == http.MethodPost:
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body["id"] = "lie-1"
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(body) //nolint:errcheck // to a client that may be dead
	case name == lies && !read:
		w.WriteHeader(http.StatusNoContent)
	default:
		f.target.ServeHTTP(w, r)
	}
}

// shorten cuts an answer to a listing.
func (f *front) shorten(res *http.Response) error {
	f.mu.Lock()
	name := f.misbehaves
	f.mu.Unlock()
	r := res.Request
	if name != shortens || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/Users") || r.URL.Query().Get("filter") != "" {
		return nil
	}
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return err
	}
	all, _ := body["Resources"].([]any)
	body["Resources"], body["totalResults"] = all[:len(all)/2], len(all)/2
	short, err := json.Marshal(body)
	if err != nil {
		return err
	}
	res.Body, res.ContentLength = readCloser{bytes.NewReader(short)}, int64(len(short))
	res.Header.Set("Content-Length", fmt.Sprint(len(short)))
	return nil
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// httpWrites knows a request that changes something by its method.
func httpWrites() func([]byte) bool {
	return func(chunk []byte) bool {
		method, _, _ := bytes.Cut(chunk, []byte(" "))
		switch string(method) {
		case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
			return true
		}
		return false
	}
}

func inspectSCIM(t testing.TB, apps *demoapp.Apps) ([]connector.Object, []entry) {
	t.Helper()
	s, err := apps.Inspect(context.WithoutCancel(t.Context()), "chat")
	if err != nil {
		t.Fatal(err)
	}
	var accounts []connector.Object
	for _, a := range s.Accounts {
		accounts = append(accounts, connector.Object{Ref: connector.Ref{Account: a.Account, ExternalID: a.ExternalID, RemoteID: a.ID}, Enabled: a.Enabled,
			Attributes: a.Attributes, Entitlements: a.Entitlements})
	}
	var journal []entry
	for _, c := range s.Journal {
		if c.Account != "" {
			journal = append(journal, entry{change{c.Account, c.Verb, c.Entitlement}, c.Time})
		}
	}
	return accounts, journal
}

// alterSCIM changes an account as an administrator of the application does.
func alterSCIM(t testing.TB, client *http.Client, address, token, account string, v connector.Verb) {
	t.Helper()
	call := func(method, path, body string) (answer struct{ Resources []struct{ ID string } }) {
		req, err := http.NewRequestWithContext(t.Context(), method, address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", method, path, res.Status)
		}
		if method == http.MethodGet {
			if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
				t.Fatal(err)
			}
		}
		return answer
	}
	found := call(http.MethodGet, "/Users?filter="+url.QueryEscape(`userName eq "`+account+`"`), "")
	if len(found.Resources) != 1 {
		t.Fatalf("%d accounts are called %s", len(found.Resources), account)
	}
	path := "/Users/" + found.Resources[0].ID
	if v == connector.Delete {
		call(http.MethodDelete, path, "")
		return
	}
	call(http.MethodPatch, path, fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":%t}]}`, v == connector.Enable))
}

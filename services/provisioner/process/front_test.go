package process_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
)

// front is an application's door over HTTP.
type front struct {
	target *httputil.ReverseProxy
	lists  func(*http.Request) bool // knows a request for a page of all accounts
	grants bool                     // callers show a token that they get at /token for the secret (OAuth2 client credentials)

	mu         sync.Mutex
	misbehaves string
	secret     string // what callers must know
}

// ways of a front to misbehave.
const (
	throttles = "429 with Retry-After"
	errsAfter = "500 after it acted"
	lies      = "lies: 200, and did nothing"
	shortens  = "listing cut short"
)

// before puts the front and a gate before an application that itself wants a token. The subject's file says url, and its
// secret is in a file of that name.
func (f *front) before(t testing.TB, dir, application, token string) (s *subject, secret string) {
	t.Helper()
	u, err := url.Parse(application)
	if err != nil {
		t.Fatal(err)
	}
	f.target = &httputil.ReverseProxy{ModifyResponse: f.shorten, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(u)
		r.Out.Header.Set("Authorization", "Bearer "+token)
	}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	now, next := numbered()
	f.secret, secret = now(), filepath.Join(dir, "token")
	write(t, secret, now())
	misbehave := func(name string) fault {
		return fault{name, func() { f.set(&f.misbehaves, name) }, func() { f.set(&f.misbehaves, "") }, name == lies}
	}
	s = &subject{kind: "group", gate: newGate(t, "tcp", server.Listener.Addr().String(), httpWrites), short: misbehave(shortens)}
	s.faults = []fault{misbehave(throttles), misbehave(errsAfter), misbehave(lies),
		{name: rotated, begin: func() { f.set(&f.secret, next()) }, end: func() { write(t, secret, now()) }}}
	return s, secret
}

func (f *front) set(field *string, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*field = value
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	name, secret := f.misbehaves, f.secret
	f.mu.Unlock()
	read := r.Method == http.MethodGet
	switch {
	case f.grants && r.URL.Path == "/token":
		grant(w, r, secret)
	case !f.grants && r.Header.Get("Authorization") != "Bearer "+secret, f.grants && r.Header.Get("Authorization") != "Bearer granted-"+secret:
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

// grant is the token service. What it has granted is void when the secret is another.
func grant(w http.ResponseWriter, r *http.Request, secret string) {
	w.Header().Set("Content-Type", "application/json")
	if _, shown, _ := r.BasicAuth(); shown != secret {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error": "invalid_client"}`)
		return
	}
	fmt.Fprintf(w, `{"access_token": "granted-%s", "token_type": "Bearer", "expires_in": 3600}`, secret)
}

// shorten cuts an answer to a listing.
func (f *front) shorten(res *http.Response) error {
	f.mu.Lock()
	name := f.misbehaves
	f.mu.Unlock()
	if name != shortens || res.Request.Method != http.MethodGet || !f.lists(res.Request) {
		return nil
	}
	var body any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return err
	}
	short, err := json.Marshal(halved(body))
	if err != nil {
		return err
	}
	res.Body, res.ContentLength = readCloser{bytes.NewReader(short)}, int64(len(short))
	res.Header.Set("Content-Length", fmt.Sprint(len(short)))
	return nil
}

// halved leaves the first half of a list, whether it is SCIM's or a plain one.
func halved(body any) any {
	if list, ok := body.([]any); ok {
		return list[:len(list)/2]
	}
	page, _ := body.(map[string]any)
	half, _ := halved(page["Resources"]).([]any)
	page["Resources"], page["totalResults"] = half, len(half)
	return page
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// httpWrites knows a request that changes something by its method.
func httpWrites() func([]byte) bool {
	return func(chunk []byte) bool {
		method, rest, _ := bytes.Cut(chunk, []byte(" "))
		switch string(method) {
		case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
			return !bytes.HasPrefix(rest, []byte("/token "))
		}
		return false
	}
}

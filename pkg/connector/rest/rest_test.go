package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/rest"
)

func TestFaultsOfTheSectionAreAllNamedAtOpen(t *testing.T) {
	t.Parallel()
	s := peer{}.settings("https://desk.example/api")
	s.Attributes = append(s.Attributes, "phone")
	s.Entitlements = append(s.Entitlements, "licence")
	s.REST.Account.Enabled = "itm.active"
	get := s.REST.Calls["get"]
	get.Path = "users/{ident}?x=1"
	s.REST.Calls["get"] = get
	create := s.REST.Calls["create"]
	create.Body = `{"login": acount}`
	s.REST.Calls["create"] = create
	list := s.REST.Calls["list"]
	list.Next = ""
	s.REST.Calls["list"] = list
	delete(s.REST.Calls, "disable")
	s.Connection["username"] = "joe"
	_, err := rest.Open(s)
	if connector.ClassOf(err) != connector.Invalid {
		t.Fatalf("open: %v, want invalid", err)
	}
	for _, want := range []string{
		"rest.account.enabled: undeclared reference to 'itm'", "rest.calls.get.path: {ident} is not known", "what follows ? goes into query",
		"rest.calls.create.body: undeclared reference to 'acount'", "(column 11)", "rest.calls.list.next is missing", "rest.calls.disable is missing",
		"rest.account.attributes lacks phone", "rest.entitlements lacks the calls of licence", "more than one of token, username and tokenURL",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), token) {
		t.Error("the error has the token")
	}
}

// api answers with one user, and keeps what it was asked.
type api struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []*http.Request
	status int               // of changes; 0: 200
	header map[string]string // of answers
	token  string            // wanted; empty: any
}

func newAPI(t *testing.T) *api {
	a := &api{header: map[string]string{}}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.asked = append(a.asked, r)
		if a.token != "" && r.Header.Get("Authorization") != "Bearer "+a.token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		for name, value := range a.header {
			w.Header().Set(name, value)
		}
		user := map[string]any{"id": 7, "login": "ana.berg", "active": true, "title": nil}
		switch {
		case r.Method != http.MethodGet && a.status != 0:
			w.WriteHeader(a.status)
			fmt.Fprint(w, `{"message": "Engineer is taken"}`)
		case strings.Contains(r.URL.Path, "/memberships"):
			fmt.Fprint(w, "[]")
		case r.URL.Path == "/users":
			_ = json.NewEncoder(w).Encode([]any{user})
		default:
			_ = json.NewEncoder(w).Encode(user)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *api) last() *http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[len(a.asked)-1]
}

func (a *api) want(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = token
}

func update(t *testing.T, c connector.Connector, version string) error {
	t.Helper()
	_, err := c.Apply(t.Context(), connector.Op{Key: "kľúč", Verb: connector.Update, Ref: connector.Ref{RemoteID: "7"}, IfVersion: version,
		Want: connector.Object{Attributes: map[string]string{"title": "Engineer"}}})
	return err
}

func TestAChangeCarriesItsKeyAndTheVersionThatWasRead(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.header["ETag"] = `"v7"`
	s := peer{}.settings(a.URL)
	s.REST.Conditional = true
	s.Connection["header"] = "X-Api-Key"
	c := open(t, s)
	o, err := c.Get(t.Context(), connector.Ref{Account: "ana.berg"})
	if err != nil || o.Version != `"v7"` {
		t.Fatalf("get: %+v, %v", o, err)
	}
	if err := update(t, c, o.Version); err != nil {
		t.Fatal(err)
	}
	first := a.last().Header.Get("Idempotency-Key")
	if err := update(t, c, o.Version); err != nil {
		t.Fatal(err)
	}
	h := a.last().Header
	if len(first) != 32 || h.Get("Idempotency-Key") != first || h.Get("If-Match") != `"v7"` || h.Get("X-Api-Key") != token || h.Get("Authorization") != "" {
		t.Errorf("the change carries %v", h)
	}
}

func TestAStatusMeansWhatTheTargetFileSays(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.status = http.StatusUnprocessableEntity
	s := peer{}.settings(a.URL)
	if err := update(t, open(t, s), ""); connector.ClassOf(err) != connector.Invalid || strings.Contains(err.Error(), "Engineer") {
		t.Errorf("422: %v, want invalid, and the value not quoted", err)
	}
	s.REST.Statuses = map[int]connector.Class{http.StatusUnprocessableEntity: connector.Conflict}
	if err := update(t, open(t, s), ""); connector.ClassOf(err) != connector.Conflict {
		t.Errorf("422 as conflict: %v", err)
	}
}

func TestAListIsNotFollowedToAnotherServer(t *testing.T) {
	t.Parallel()
	a, other := newAPI(t), newAPI(t)
	a.header["Link"] = "<" + other.URL + `/users>; rel="next"`
	s := peer{}.settings(a.URL)
	s.REST.Paging = "link"
	c := open(t, s)
	page, err := c.List(t.Context(), connector.ListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.List(t.Context(), connector.ListRequest{Token: page.Next}); connector.ClassOf(err) != connector.Unsupported || len(other.asked) > 0 {
		t.Errorf("the next page: %v; the other server was asked %d times", err, len(other.asked))
	}
}

func TestAnIDCannotLeaveItsPath(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	c := open(t, peer{}.settings(a.URL+"/api"))
	for _, id := range []string{"../admin", "7/roles?all=1#x", "%2e%2e/admin"} {
		if _, err := c.Get(t.Context(), connector.Ref{RemoteID: id}); err != nil {
			t.Fatal(err)
		}
		a.mu.Lock()
		path := a.asked[len(a.asked)-2].URL.EscapedPath() // before its memberships
		a.mu.Unlock()
		if strings.Count(path, "/") != 3 || !strings.HasPrefix(path, "/api/users/") {
			t.Errorf("%s asked for %s", id, path)
		}
	}
	if _, err := c.Get(t.Context(), connector.Ref{RemoteID: ".."}); connector.ClassOf(err) != connector.Invalid {
		t.Errorf("..: %v, want invalid", err)
	}
}

// tokens is an OAuth2 token service that numbers its tokens.
func tokens(t *testing.T, a *api) *httptest.Server {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if id != "joinery" || secret != "s3cret" || r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("scope") != "users" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error": "invalid_client"}`)
			return
		}
		n++
		a.want(fmt.Sprint("token", n))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "token%d", "token_type": "Bearer", "expires_in": 3600}`, n)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestOAuth2TokensAreGotKeptAndGotAnew(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	service := tokens(t, a)
	s := peer{}.settings(a.URL)
	s.Connection = map[string]string{"url": a.URL, "tokenURL": service.URL, "clientId": "joinery", "clientSecret": "s3cret", "scope": "users"}
	c := open(t, s)
	for range 3 {
		if err := update(t, c, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.last().Header.Get("Authorization"); got != "Bearer token1" {
		t.Errorf("three changes went with %s", got)
	}
	s.Connection["clientSecret"] = "wr0ng-secret"
	err := update(t, open(t, s), "")
	if connector.ClassOf(err) != connector.Denied || strings.Contains(err.Error(), "wr0ng") || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("a wrong secret: %v, want denied", err)
	}
	s.Connection["clientSecret"] = "s3cret"
	service.Close()
	if err := update(t, open(t, s), ""); connector.ClassOf(err) != connector.Transient {
		t.Errorf("no token service: %v, want transient", err)
	}
}

func TestAnAPIThatIsNotThereIsNotTakenForAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]http.HandlerFunc{
		"404 for everything": http.NotFound,
		"a page for people":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>We will be back soon</html>") },
	} {
		away := httptest.NewServer(page)
		t.Cleanup(away.Close)
		s := peer{}.settings(away.URL)
		want := connector.Desired{Account: "ana.berg", RemoteID: "7", State: connector.Absent}
		if out, err := connector.Drive(t.Context(), open(t, s), "key", want); connector.ClassOf(err) != connector.Transient {
			t.Errorf("%s: %+v, %v; want transient", name, out, err)
		}
	}
	away := httptest.NewServer(http.HandlerFunc(http.NotFound))
	t.Cleanup(away.Close)
	s := peer{}.settings(away.URL)
	s.REST.Statuses = map[int]connector.Class{http.StatusNotFound: connector.NotFound} // the target file says that it means that
	if _, err := open(t, s).Get(t.Context(), connector.Ref{Account: "ana.berg"}); connector.ClassOf(err) != connector.NotFound {
		t.Errorf("%v, want not found", err)
	}
}

func TestCredentialsDoNotTravelInTheClear(t *testing.T) {
	t.Parallel()
	s := peer{}.settings("http://desk.acme.example/api")
	if _, err := rest.Open(s); connector.ClassOf(err) != connector.Invalid || !strings.Contains(err.Error(), "https") {
		t.Errorf("%v", err)
	}
	s = peer{}.settings("https://desk.acme.example/api")
	delete(s.Connection, "token")
	s.Connection["tokenURL"], s.Connection["clientId"], s.Connection["clientSecret"] = "http://login.acme.example", "joinery", "s3cret"
	if _, err := rest.Open(s); connector.ClassOf(err) != connector.Invalid || !strings.Contains(err.Error(), "https") {
		t.Errorf("token: %v", err)
	}
}

func TestAListByPagesGoesOnWhereTheAPIGivesLessThanItIsAskedFor(t *testing.T) {
	t.Parallel()
	const accounts, most = 7, 3
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		users := []any{}
		if r.URL.Path == "/users" {
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			for i := (page - 1) * most; i < min(page*most, accounts); i++ {
				users = append(users, map[string]any{"id": i, "login": fmt.Sprint("user", i), "active": true})
			}
		}
		_ = json.NewEncoder(w).Encode(users)
	}))
	t.Cleanup(server.Close)
	s := peer{}.settings(server.URL)
	s.REST.Paging = "page"
	s.REST.Calls["list"] = connector.RESTCall{Path: "users", Query: map[string]string{"page": "page", "limit": "limit"}}
	c, n := open(t, s), 0
	for token := ""; ; {
		page, err := c.List(t.Context(), connector.ListRequest{Token: token, Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Objects)
		if token = page.Next; token == "" {
			break
		}
	}
	if n != accounts {
		t.Errorf("%d accounts are listed, want %d", n, accounts)
	}
}

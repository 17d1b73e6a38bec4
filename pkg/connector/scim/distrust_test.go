package scim_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/scim"
)

// odd opens a connector for a quirky service that first may give another answer.
func odd(t *testing.T, q *quirky, instead func(w http.ResponseWriter, r *http.Request) bool) *scim.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if instead == nil || !instead(w, r) {
			q.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	c, err := scim.Open(connector.Settings{Name: "odd", Connector: "scim", Timeout: 10 * time.Second, Entitlements: []string{"group"},
		Connection: map[string]string{"url": server.URL, "token": "secret-token"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func drive(t *testing.T, c connector.Connector, want connector.Desired) connector.Outcome {
	t.Helper()
	out, err := connector.Drive(t.Context(), c, "key", want)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func ana(state connector.State, groups ...string) connector.Desired {
	d := connector.Desired{Account: "ana", ExternalID: "id-1", State: state, ManagedKinds: []string{"group"}}
	for _, g := range groups {
		d.Entitlements = append(d.Entitlements, "group/"+g)
	}
	return d
}

func TestAServiceThatIsNotThereIsNotTakenForAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]func(w http.ResponseWriter){
		"404 for everything":       func(w http.ResponseWriter) { http.Error(w, "no such route", http.StatusNotFound) },
		"a page for people":        func(w http.ResponseWriter) { fmt.Fprint(w, "<html>We will be back soon</html>") },
		"JSON that is no answer":   func(w http.ResponseWriter) { fmt.Fprint(w, `{"message": "maintenance"}`) },
		"a list that is cut short": func(w http.ResponseWriter) { fmt.Fprint(w, `{"totalResults": 7, "startIndex": 1, "Resources": []}`) },
	} {
		var away atomic.Bool
		c := odd(t, &quirky{}, func(w http.ResponseWriter, r *http.Request) bool {
			single := strings.Count(r.URL.Path, "/") > 1
			if !away.Load() {
				return false
			}
			if single && strings.HasPrefix(name, "a list") {
				w.WriteHeader(http.StatusNotFound)
				return true
			}
			page(w)
			return true
		})
		want := ana(connector.Active)
		want.RemoteID = drive(t, c, want).RemoteID
		away.Store(true)
		want.State = connector.Absent
		if out, err := connector.Drive(t.Context(), c, "key", want); connector.ClassOf(err) != connector.Transient {
			t.Errorf("%s: %+v, %v; want transient", name, out, err)
		}
		if _, err := c.List(t.Context(), connector.ListRequest{}); connector.ClassOf(err) != connector.Transient {
			t.Errorf("%s: list: %v, want transient", name, err)
		}
		away.Store(false)
		if out := drive(t, c, want); len(out.Changes) != 1 || out.After != nil {
			t.Errorf("%s: afterwards %+v", name, out)
		}
	}
}

func TestAServiceThatIsNotThereAtFirstIsNotTakenForOneThatSaysNothingOfItself(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	away.Store(true)
	c := odd(t, &quirky{quirks: quirks{noPatch: true}}, func(w http.ResponseWriter, _ *http.Request) bool {
		if away.Load() {
			w.WriteHeader(http.StatusNotFound)
		}
		return away.Load()
	})
	if _, err := c.Describe(t.Context()); connector.ClassOf(err) != connector.Transient {
		t.Errorf("describe: %v, want transient", err)
	}
	away.Store(false)
	if d, err := c.Describe(t.Context()); err != nil || !d.Conditional {
		t.Errorf("describe: %+v, %v", d, err)
	}
}

func TestAChangeAnsweredByAPageForPeopleMayHaveBeenMade(t *testing.T) {
	t.Parallel()
	var once sync.Once
	q := &quirky{}
	c := odd(t, q, func(w http.ResponseWriter, r *http.Request) (handled bool) {
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/Users") {
			once.Do(func() {
				handled = true
				q.ServeHTTP(httptest.NewRecorder(), r)
				w.WriteHeader(http.StatusCreated) // and nothing in it
			})
		}
		return handled
	})
	if _, err := connector.Drive(t.Context(), c, "key", ana(connector.Active)); connector.ClassOf(err) != connector.Ambiguous {
		t.Errorf("%v, want ambiguous", err)
	}
	if out := drive(t, c, ana(connector.Active)); !out.Unchanged() || len(q.objects(t)) != 1 {
		t.Errorf("the next drive: %+v", out)
	}
}

func TestAServiceThatRepeatsItsFirstPageHasNotSaidThatNobodyElseIsThere(t *testing.T) {
	t.Parallel()
	c := odd(t, &quirky{quirks: quirks{ignoresFilter: true}}, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/Users" || r.Method != http.MethodGet {
			return false
		}
		fmt.Fprint(w, `{"totalResults": 4, "Resources": [{"id": "1", "userName": "a"}, {"id": "2", "userName": "b"}]}`)
		return true
	})
	if _, err := c.Get(t.Context(), connector.Ref{Account: "ana"}); connector.ClassOf(err) != connector.Unsupported {
		t.Errorf("%v, want unsupported", err)
	}
}

func TestAMembershipIsTakenAwayFromEveryGroupOfItsName(t *testing.T) {
	t.Parallel()
	q := &quirky{}
	c := odd(t, q, nil)
	drive(t, c, ana(connector.Active, "payments"))
	q.mu.Lock() // two instances have made it at the same time, and the service lets them
	user := str(q.users[0]["id"])
	q.groups = append(q.groups, document{"id": 99, "n": 1, "displayName": "payments", "members": []any{map[string]any{"value": user}}})
	q.mu.Unlock()
	drive(t, c, ana(connector.Active))
	if o := q.objects(t)[0]; len(o.Entitlements) > 0 {
		t.Errorf("it still has %v", o.Entitlements)
	}
}

func TestGroupsThatAreReplacedLoseNobody(t *testing.T) {
	t.Parallel()
	q := &quirky{quirks: quirks{noPatch: true}}
	other := make(chan struct{})
	c := odd(t, q, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "Config") { // it has no ETags
			fmt.Fprint(w, `{"patch": {"supported": false}, "filter": {"supported": true}, "etag": {"supported": false}}`)
			return true
		}
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/Groups/") { // and waits for another to read the same
			answer := httptest.NewRecorder()
			q.ServeHTTP(answer, r)
			select {
			case other <- struct{}{}:
			case <-other:
			case <-time.After(50 * time.Millisecond):
			}
			_, _ = io.Copy(w, answer.Body)
			return true
		}
		return false
	})
	const people = 6
	var wg sync.WaitGroup
	for i := range people {
		wg.Go(func() {
			want := ana(connector.Active, "staff")
			want.Account, want.ExternalID = fmt.Sprint("p", i), fmt.Sprint("id-", i)
			if _, err := connector.Drive(t.Context(), c, "key", want); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, o := range q.objects(t) {
		if len(o.Entitlements) != 1 {
			t.Errorf("%s has lost its group", o.Account)
		}
	}
}

func TestCredentialsDoNotTravelInTheClear(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{"https://chat.acme.example": true, "http://chat.acme.example": false, "http://127.0.0.1:1": true, "http://localhost": true, "http://[::1]:9": true} {
		_, err := scim.Open(connector.Settings{Name: "chat", Connector: "scim", Connection: map[string]string{"url": url, "token": "secret-token"}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestOfAccountsThatDifferInCapitalsAloneTheOneOfThatNameIsTaken(t *testing.T) {
	t.Parallel()
	q := &quirky{users: []document{{"id": 1, "n": 1, "userName": "ANA"}, {"id": 2, "n": 1, "userName": "ana"}}}
	c := odd(t, q, nil)
	if o, err := c.Get(t.Context(), connector.Ref{Account: "ana"}); err != nil || o.RemoteID != "2" {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := c.Get(t.Context(), connector.Ref{Account: "Ana"}); connector.ClassOf(err) != connector.Conflict {
		t.Errorf("of neither: %v, want a conflict", err)
	}
}

func TestAnAttributeThatTheTargetFileDoesNotMapIsNotWritten(t *testing.T) {
	t.Parallel()
	q := &quirky{}
	server := httptest.NewServer(q)
	t.Cleanup(server.Close)
	c, err := scim.Open(connector.Settings{Name: "chat", Connector: "scim", Attributes: []string{"title"}, Connection: map[string]string{"url": server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	want := connector.Desired{Account: "ana", ExternalID: "id-1", State: connector.Active, Attributes: map[string]string{"title": "Engineer", "roles.primary": "admin"}}
	if _, err := connector.Drive(t.Context(), c, "key", want); connector.ClassOf(err) != connector.Unsupported || len(q.objects(t)) > 0 {
		t.Errorf("%v, want unsupported", err)
	}
}

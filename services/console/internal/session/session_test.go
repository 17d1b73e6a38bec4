package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/session"
)

type people map[string]event.IdentityID

func (p people) Find(name string) (event.IdentityID, error) {
	if id, ok := p[name]; ok {
		return id, nil
	}
	return "", &desk.Fault{Kind: desk.NotFound, Detail: "nobody"}
}

func (p people) Name(id event.IdentityID) string { return "name of " + string(id) }

var known = people{"1001": "id-ana", "id-ana": "id-ana"}

func request(t *testing.T, set func(*http.Request)) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if set != nil {
		set(r)
	}
	return r
}

func signedIn(s *session.Sessions) *http.Cookie {
	w := httptest.NewRecorder()
	s.SignIn(w, "id-ana")
	return w.Result().Cookies()[0]
}

func TestTheHeaderNamesThePerson(t *testing.T) {
	t.Parallel()
	s := session.New(known, true)
	a, err := s.Actor(request(t, func(r *http.Request) { r.Header.Set(session.Header, "1001") }))
	if err != nil || a.ID != "id-ana" || a.Name != "name of id-ana" {
		t.Errorf("got %+v, %v", a, err)
	}
	_, err = s.Actor(request(t, func(r *http.Request) { r.Header.Set(session.Header, "4711") }))
	var f *desk.Fault
	if !errors.As(err, &f) || f.Kind != desk.NotFound {
		t.Errorf("a person nobody knows: %v", err)
	}
}

func TestASignedInBrowserActsAsThatPersonUntilItSignsOut(t *testing.T) {
	t.Parallel()
	s := session.New(known, true)
	cookie := signedIn(s)
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("the cookie %v can be read by scripts or sent by other sites", cookie)
	}
	if a, err := s.Actor(request(t, func(r *http.Request) { r.AddCookie(cookie) })); err != nil || a.ID != "id-ana" {
		t.Errorf("got %+v, %v", a, err)
	}
	w := httptest.NewRecorder()
	s.SignOut(w)
	if gone := w.Result().Cookies()[0]; gone.MaxAge >= 0 || gone.Name != cookie.Name {
		t.Errorf("signing out leaves %v", gone)
	}
}

func TestAForgedOrForeignCookieIsNobody(t *testing.T) {
	t.Parallel()
	s := session.New(known, true)
	foreign := signedIn(session.New(known, true)) // of another process
	forged := *foreign
	forged.Value = "aWQtYW5h."
	for _, c := range []*http.Cookie{foreign, &forged, {Name: foreign.Name, Value: "x"}} {
		if a, err := s.Actor(request(t, func(r *http.Request) { r.AddCookie(c) })); err != nil || a.ID != "" || a.Name != desk.Operator {
			t.Errorf("%s: got %+v, %v", c.Value, a, err)
		}
	}
}

func TestWithoutDemoLoginsNobodyGetsIn(t *testing.T) {
	t.Parallel()
	s := session.New(known, false)
	cookie := signedIn(s)
	for name, set := range map[string]func(*http.Request){
		"nothing": nil,
		"header":  func(r *http.Request) { r.Header.Set(session.Header, "1001") },
		"cookie":  func(r *http.Request) { r.AddCookie(cookie) },
	} {
		var f *desk.Fault
		if _, err := s.Actor(request(t, set)); !errors.As(err, &f) || f.Kind != desk.Anonymous {
			t.Errorf("%s: %v", name, err)
		}
	}
}

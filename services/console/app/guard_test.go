package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"joinery.internal/services/console/internal/desk/desktest"
)

func ask(t *testing.T, method, path string, set func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	h := Handler(desktest.New(t).Desk, http.NotFoundHandler(), true, slog.New(slog.DiscardHandler))
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:8080"+path, strings.NewReader("{}"))
	if set != nil {
		set(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryAnswerCarriesAStrictContentPolicy(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/people/1001", "/nowhere", "/api/v1/status", "/api/v1/nowhere", "/assets/console.css"} {
		h := ask(t, http.MethodGet, path, nil).Header()
		if h.Get("Content-Security-Policy") != contentPolicy || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
	for _, loose := range []string{"unsafe", "*", "data:", "script-src", "http:"} {
		if strings.Contains(contentPolicy, loose) {
			t.Errorf("the policy allows %s", loose)
		}
	}
}

func TestAFormOfAnotherSiteIsRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/sign-in", "/approvals/act-1/approve", "/api/v1/clock"} {
		for name, set := range map[string]func(*http.Request){
			"fetch metadata": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"origin":         func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		} {
			if got := ask(t, http.MethodPost, path, set); got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), "another site") {
				t.Errorf("%s with %s: %d %s", path, name, got.Code, got.Body)
			}
		}
	}
}

func TestANameThatOnlyPointsToThisMachineIsRefused(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]int{"127.0.0.1:8080": 200, "localhost:1": 200, "[::1]:8080": 200, "rebound.evil.example": 403, "127.0.0.1.evil.example:8080": 403, "": 403} {
		if got := ask(t, http.MethodGet, "/api/v1/clock", func(r *http.Request) { r.Host = host }); got.Code != want {
			t.Errorf("host %q: %d, want %d", host, got.Code, want)
		}
	}
}

func TestFaultsOfTheAPIAreProblemsAndThoseOfPagesArePages(t *testing.T) {
	t.Parallel()
	foreign := func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }
	if got := ask(t, http.MethodPost, "/api/v1/clock", foreign).Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("API: %s", got)
	}
	if got := ask(t, http.MethodPost, "/sign-in", foreign).Header().Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
		t.Errorf("pages: %s", got)
	}
}

package push_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/intake/intaketest"
	"joinery.internal/pkg/intake/push"
	"joinery.internal/pkg/stream"
)

const sources = `
apiVersion: joinery/v1
kind: Source
metadata: {name: a}
spec: {authority: profile, intake: {webhook: {secret: "env:PUSH_SECRET"}}, map: {source_key: record.id}}
---
apiVersion: joinery/v1
kind: Source
metadata: {name: b}
spec: {authority: employment, intake: {scim: {token: "env:PUSH_TOKEN"}}}
---
apiVersion: joinery/v1
kind: Source
metadata: {name: c}
spec: {authority: signal, intake: {ssf: {issuer: "https://idp.acme.example", audience: joinery}}}
---
apiVersion: joinery/v1
kind: Source
metadata: {name: d}
spec: {authority: employment, intake: {records: {}}}
`

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Load([]config.File{{Name: "sources/all.yaml", Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestEachSourceThatIsPushedHasItsAddress(t *testing.T) {
	t.Setenv("PUSH_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	t.Setenv("PUSH_TOKEN", "t")
	in, err := push.Open(t.Context(), push.Options{Config: load(t, sources), Stream: intaketest.New(t).Options})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/in/webhook/a":         {415, "urn:joinery:problem:media-type"},
		"/in/scim/b/v2/Users":   {401, "api:messages:2.0:Error"},
		"/in/ssf/c":             {415, "urn:joinery:problem:media-type"},
		"/in/webhook/d":         {404, "urn:joinery:problem:path"},
		"/in/webhook/b":         {404, "urn:joinery:problem:path"},
		"/in/scim/a/v2/Users":   {404, "urn:joinery:problem:path"},
		"/in/webhook/a/further": {404, "urn:joinery:problem:path"},
	} {
		w := httptest.NewRecorder()
		in.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader("{}")))
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.says) {
			t.Errorf("%s: %d %s, want %d %s", path, w.Code, w.Body, want.status, want.says)
		}
	}
}

func TestARequestOfASenderWhoIsKnownIsASignOfLifeAndNoOther(t *testing.T) {
	t.Setenv("PUSH_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	t.Setenv("PUSH_TOKEN", "t")
	o := intaketest.New(t).Options
	metrics := prometheus.NewRegistry()
	o.Metrics = metrics
	in, err := push.Open(t.Context(), push.Options{Config: load(t, sources), Stream: o})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	heard := func() float64 {
		t.Helper()
		families, err := metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.Metric {
				if f.GetName() == "joinery_source_last_heard_timestamp_seconds" && m.Label[0].GetValue() == "b" {
					return m.GetGauge().GetValue()
				}
			}
		}
		t.Fatal("the source has no meter")
		return 0
	}
	ask := func(token string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/in/scim/b/v2/Users", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		in.ServeHTTP(httptest.NewRecorder(), r)
	}
	before := heard()
	tick := time.NewTicker(2 * time.Millisecond) // the metric knows milliseconds
	defer tick.Stop()
	<-tick.C
	if ask("forged"); heard() != before {
		t.Error("a stranger counts as a sign of life")
	}
	<-tick.C
	if ask("t"); heard() <= before {
		t.Error("a request of the sender's is no sign of life")
	}
}

func TestWithoutSourcesThatArePushedNothingIsConnectedTo(t *testing.T) {
	t.Parallel()
	text := "apiVersion: joinery/v1\nkind: Source\nmetadata: {name: d}\nspec: {authority: employment, intake: {records: {}}}\n"
	in, err := push.Open(t.Context(), push.Options{Config: load(t, text), Stream: stream.Options{Seeds: []string{"127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
}

func TestASecretThatIsMissingIsNamedWithItsSource(t *testing.T) {
	t.Parallel()
	text := "apiVersion: joinery/v1\nkind: Source\nmetadata: {name: a}\nspec: {authority: profile, intake: {webhook: {secret: \"env:PUSH_NO_SUCH\"}}, map: {source_key: record.id}}\n"
	if _, err := push.Open(t.Context(), push.Options{Config: load(t, text), Stream: intaketest.New(t).Options}); err == nil || !strings.Contains(err.Error(), "source a") || !strings.Contains(err.Error(), "PUSH_NO_SUCH") {
		t.Errorf("got %v", err)
	}
}

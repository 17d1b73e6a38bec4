package ssf_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/gate"
	"joinery.internal/pkg/intake/intaketest"
	"joinery.internal/pkg/intake/sendertest"
	"joinery.internal/pkg/intake/ssf"
)

const audience = "https://joinery.acme.example"

func TestMain(m *testing.M) {
	os.Setenv("SSF_TOKEN", "stream-secret") //nolint:errcheck // a name that every system takes
	os.Exit(m.Run())
}

const sources = `
apiVersion: joinery/v1
kind: Source
metadata: {name: soc}
spec:
  authority: signal
  intake: {ssf: {issuer: "ISSUER", audience: "https://joinery.acme.example"}}
  map: {source_key: record.subject.key, person: {email: record.subject.email, employee_number: record.subject.externalId}}
  correlate: [email]
---
apiVersion: joinery/v1
kind: Source
metadata: {name: people}
spec:
  authority: employment
  intake: {ssf: {issuer: "ISSUER", audience: "https://joinery.acme.example", jwks: "ISSUER/jwks", token: "env:SSF_TOKEN"}}
  map:
    source_key: record.subject.key
    kind: 'record.event == "session-revoked" ? "observation" : record.kind'
    person: {employee_number: record.subject.externalId, department: record.data.department}
`

type sink struct {
	mu      sync.Mutex
	records []event.SourceRecord
	down    error
}

func (s *sink) Put(_ context.Context, records []event.SourceRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil {
		s.records = append(s.records, records...)
	}
	return s.down
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a receiver and a transmitter.
type world struct {
	t      *testing.T
	sender sendertest.Sender
	sink   *sink
	clock  *clock
	h      http.Handler
}

func start(t *testing.T, source string) *world {
	t.Helper()
	w := &world{t: t, sender: sendertest.Start(t), sink: &sink{}, clock: &clock{now: time.Now().UTC().Truncate(time.Second)}}
	w.h = w.receiver(source, w.sender.Origin)
	return w
}

func (w *world) receiver(source, issuer string) http.Handler {
	w.t.Helper()
	bundle := intaketest.Bundle(w.t, strings.ReplaceAll(sources, "ISSUER", issuer))
	mapper, err := intake.NewMapper(bundle, source)
	if err != nil {
		w.t.Fatal(err)
	}
	s, _ := bundle.Source(source)
	h, err := ssf.New(ssf.Options{Source: s, Mapper: mapper, Sink: w.sink, Clocks: gate.Clocks{World: w.clock, Pipeline: w.clock},
		Counter: gate.NewCounter(nil, slog.New(slog.DiscardHandler))})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

type object = map[string]any

const (
	risc = "https://schemas.openid.net/secevent/risc/event-type/"
	caep = "https://schemas.openid.net/secevent/caep/event-type/"
)

func (w *world) claims(jti string, subject any, events object) object {
	return object{"iss": w.sender.Origin, "aud": audience, "jti": jti, "iat": w.clock.Now().Unix(), "sub_id": subject, "events": events}
}

func email(address string) object { return object{"format": "email", "email": address} }

// push sends a body as a token; headers are pairs.
func (w *world) push(body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/in/ssf/soc", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/secevent+jwt")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	out := httptest.NewRecorder()
	w.h.ServeHTTP(out, r)
	return out
}

func (w *world) signed(claims object) string {
	w.t.Helper()
	return w.sender.Token(w.t, sendertest.Token{Claims: claims})
}

func TestASignalIsAnEmergencyOrAnObservation(t *testing.T) {
	t.Parallel()
	w := start(t, "soc")
	for i, c := range []struct {
		event   string
		details object
		subject object
		want    string
	}{
		{risc + "account-disabled", object{"reason": "hijacking"}, email("ada@acme.example"), "emergency ada@acme.example account-disabled"},
		{caep + "session-revoked", object{"initiating_entity": "policy"}, email("bo@acme.example"), "emergency bo@acme.example session-revoked"},
		{caep + "session-revoked", object{"initiating_entity": "user"}, email("bo@acme.example"), "observation bo@acme.example session-revoked"},
		{caep + "credential-change", object{"change_type": "create"}, email("bo@acme.example"), "observation bo@acme.example credential-change"},
		{risc + "account-enabled", object{}, email("ada@acme.example"), "observation ada@acme.example account-enabled"},
		{risc + "account-purged", object{}, email("ada@acme.example"), "observation ada@acme.example account-purged"},
		{"https://schemas.openid.net/secevent/ssf/event-type/verification", object{"state": "x"}, object{"format": "opaque", "id": "s"}, "observation stream verification"},
		{"https://example.com/events/new", object{}, email("ada@acme.example"), "observation ada@acme.example other"},
		{"urn:ietf:params:SCIM:event:prov:deactivate", object{}, object{"format": "scim", "uri": "/Users/7"}, "observation /Users/7 prov:deactivate"},
		{risc + "account-disabled", nil, object{"format": "iss_sub", "iss": "https://idp.example", "sub": "42"}, "emergency https://idp.example|42 account-disabled"},
		{risc + "account-disabled", nil, object{"format": "opaque", "id": "o-1"}, "emergency o-1 account-disabled"},
		{risc + "account-disabled", nil, object{"format": "account", "uri": "acct:cyd@acme.example"}, "emergency cyd@acme.example account-disabled"},
		{risc + "account-disabled", nil, object{"format": "phone_number", "phone_number": "+420123"}, "emergency +420123 account-disabled"},
		{risc + "account-disabled", nil, object{"format": "aliases", "identifiers": []object{{"format": "opaque", "id": "o-2"}, email("dov@acme.example")}}, "emergency dov@acme.example account-disabled"},
		{caep + "session-revoked", nil, object{"format": "complex", "user": email("eve@acme.example"), "session": object{"format": "opaque", "id": "s"}}, "emergency eve@acme.example session-revoked"},
		{risc + "account-disabled", object{"subject": email("fay@acme.example")}, nil, "emergency fay@acme.example account-disabled"},
	} {
		w.sink.records = nil
		var subject any
		if c.subject != nil {
			subject = c.subject
		}
		if got := w.push(w.signed(w.claims(fmt.Sprint("jti-", i), subject, object{c.event: c.details}))); got.Code != http.StatusAccepted || got.Body.Len() > 0 {
			t.Fatalf("%s: %d %s", c.event, got.Code, got.Body)
		}
		got := ""
		for _, r := range w.sink.records {
			got += fmt.Sprintf("%s %s %s", r.Kind, r.SourceKey, r.Reason)
		}
		if got != c.want {
			t.Errorf("%s of %v: %q, want %q", c.event, c.subject, got, c.want)
		}
	}
}

func TestSCIMEventsOfAnEmployerAreItsWorkers(t *testing.T) {
	t.Parallel()
	w := start(t, "people")
	subject := object{"format": "scim", "uri": "/Users/7", "externalId": "1007"}
	for i, e := range []string{"prov:create:full", "prov:put:full", "prov:deactivate", "prov:activate", "prov:delete", "prov:patch:notice"} {
		claims := w.claims(fmt.Sprint("jti-", i), subject, object{"urn:ietf:params:SCIM:event:" + e: object{"data": object{"department": "Sales"}}})
		if got := w.push(w.signed(claims), "Authorization", "Bearer stream-secret"); got.Code != http.StatusAccepted {
			t.Fatalf("%s: %d %s", e, got.Code, got.Body)
		}
	}
	revoked := w.claims("jti-9", email("x@acme.example"), object{caep + "session-revoked": object{}})
	if got := w.push(w.signed(revoked), "Authorization", "Bearer stream-secret"); got.Code != http.StatusAccepted {
		t.Fatalf("session-revoked: %d %s", got.Code, got.Body)
	}
	var got []string
	for _, r := range w.sink.records {
		got = append(got, string(r.Kind)+" "+r.SourceKey+" "+r.Person.Department)
	}
	want := []string{"upsert 1007 Sales", "upsert 1007 Sales", "suspend 1007 Sales", "resume 1007 Sales", "terminate 1007 Sales",
		"observation 1007 Sales", "observation x@acme.example "}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if res := w.push(w.signed(revoked)); res.Code != http.StatusUnauthorized || res.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("without the stream's token: %d", res.Code)
	}
}

func TestTheSameTokenAgainIsTheSameRecord(t *testing.T) {
	t.Parallel()
	w := start(t, "soc")
	claims := w.claims("jti-1", email("ada@acme.example"), object{risc + "account-disabled": object{}})
	token := w.signed(claims)
	w.push(token)
	w.clock.advance(24 * time.Hour)
	w.push(token)
	if len(w.sink.records) != 2 {
		t.Fatalf("%d records", len(w.sink.records))
	}
	a, b := w.sink.records[0], w.sink.records[1]
	if a.ID != b.ID || !a.RecordedAt.Equal(b.RecordedAt) || a.RecordedAt.Unix() != claims["iat"] {
		t.Errorf("first %s at %s, again %s at %s", a.ID, a.RecordedAt, b.ID, b.RecordedAt)
	}
	w.clock.advance(7 * 24 * time.Hour)
	if got := w.push(token); got.Code != http.StatusBadRequest {
		t.Errorf("a week later: %d %s", got.Code, got.Body)
	}
}

func TestAForgedOrForeignTokenIsRefusedWithItsCode(t *testing.T) {
	t.Parallel()
	w := start(t, "soc")
	good := func() object {
		return w.claims("jti-1", email("ada@acme.example"), object{risc + "account-disabled": object{}})
	}
	with := func(name string, v any) object { c := good(); c[name] = v; return c }
	without := func(name string) object { c := good(); delete(c, name); return c }
	whole := w.signed(good())
	parts := strings.Split(whole, ".")
	other := strings.Split(w.signed(with("jti", "jti-2")), ".")
	now := w.clock.Now()
	token := func(t0 sendertest.Token) string {
		if t0.Claims == nil {
			t0.Claims = good()
		}
		return w.sender.Token(t, t0)
	}
	for name, c := range map[string]struct{ body, code string }{
		"no token":                    {"hello", "invalid_request"},
		"nothing":                     {"", "invalid_request"},
		"cut off":                     {whole[:len(whole)-20], "invalid_request invalid_key"},
		"unsigned":                    {token(sendertest.Token{Alg: "none"}), "invalid_request"},
		"no signature":                {parts[0] + "." + parts[1] + ".", "invalid_request invalid_key"},
		"the claims of another":       {parts[0] + "." + other[1] + "." + parts[2], "invalid_key"},
		"the public key as a secret":  {token(sendertest.Token{Alg: "HS256"}), "invalid_request"},
		"a stranger's key":            {token(sendertest.Token{Key: "stranger"}), "invalid_key"},
		"an access token":             {token(sendertest.Token{Typ: "at+jwt"}), "invalid_request"},
		"another issuer":              {w.signed(with("iss", "https://evil.example")), "invalid_issuer"},
		"for another":                 {w.signed(with("aud", "https://other.example")), "invalid_audience"},
		"for nobody":                  {w.signed(without("aud")), "invalid_audience"},
		"no id":                       {w.signed(without("jti")), "invalid_request"},
		"no time":                     {w.signed(without("iat")), "invalid_request"},
		"an hour ahead":               {w.signed(with("iat", now.Add(time.Hour).Unix())), "invalid_request"},
		"a month old":                 {w.signed(with("iat", now.Add(-31*24*time.Hour).Unix())), "invalid_request"},
		"expired":                     {w.signed(with("exp", now.Add(-time.Hour).Unix())), "invalid_request"},
		"no events":                   {w.signed(without("events")), "invalid_request"},
		"deep":                        {w.signed(with("x", json.RawMessage(strings.Repeat("[", 100)+strings.Repeat("]", 100)))), "invalid_request"},
		"a subject nobody can key":    {w.signed(with("sub_id", object{"format": "did", "x": "y"})), "invalid_request"},
		"two dots and nothing":        {"..", "invalid_request"},
		"JSON instead of the compact": {`{"payload":"e30","signatures":[]}`, "invalid_request"},
	} {
		got := w.push(c.body)
		var fault struct{ Err, Description string }
		if err := json.Unmarshal(got.Body.Bytes(), &fault); err != nil || got.Code != http.StatusBadRequest || fault.Err == "" || !strings.Contains(c.code, fault.Err) || fault.Description == "" {
			t.Errorf("%s: %d %s, want %s", name, got.Code, got.Body, c.code)
		}
		if strings.Contains(fault.Description, "ada@") {
			t.Errorf("%s: the description repeats what was sent: %s", name, fault.Description)
		}
	}
	for name, c := range map[string]struct {
		status  int
		body    string
		headers []string
	}{
		"as JSON":   {415, whole, []string{"Content-Type", "application/json"}},
		"enormous":  {413, strings.Repeat("x", 65<<10), nil},
		"not UTF-8": {400, whole + "\xff", nil},
	} {
		if got := w.push(c.body, c.headers...); got.Code != c.status {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
	if len(w.sink.records) > 0 {
		t.Errorf("%d records were made", len(w.sink.records))
	}
}

func TestEveryAsymmetricAlgorithmIsTaken(t *testing.T) {
	t.Parallel()
	w := start(t, "soc")
	for _, alg := range []string{"ES256", "RS256", "PS256", "EdDSA"} {
		token := w.sender.Token(t, sendertest.Token{Alg: alg, Claims: w.claims(alg, email("ada@acme.example"), object{risc + "account-disabled": object{}})})
		if got := w.push(token); got.Code != http.StatusAccepted {
			t.Errorf("%s: %d %s", alg, got.Code, got.Body)
		}
	}
}

func TestANewKeyIsFoundAndAWithdrawnOneForgotten(t *testing.T) {
	t.Parallel()
	w := start(t, "soc")
	claims := w.claims("jti-1", email("ada@acme.example"), object{risc + "account-disabled": object{}})
	old := w.signed(claims)
	if got := w.push(old); got.Code != http.StatusAccepted {
		t.Fatalf("the first: %d %s", got.Code, got.Body)
	}
	w.sender.Rotate(t, true)
	w.clock.advance(11 * time.Second)
	if got := w.push(w.signed(claims)); got.Code != http.StatusAccepted {
		t.Errorf("a new key: %d %s", got.Code, got.Body)
	}
	if got := w.push(old); got.Code != http.StatusAccepted {
		t.Errorf("the old key, still served: %d %s", got.Code, got.Body)
	}
	w.sender.Rotate(t, false)
	w.clock.advance(11 * time.Minute)
	if got := w.push(old); got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), "invalid_key") {
		t.Errorf("the old key, withdrawn: %d %s", got.Code, got.Body)
	}
}

func TestAnIssuerOutOfReachIsNotTheTransmittersFault(t *testing.T) {
	t.Parallel()
	w := start(t, "soc")
	token := w.signed(w.claims("jti-1", email("ada@acme.example"), object{risc + "account-disabled": object{}}))
	silent := httptest.NewServer(http.NotFoundHandler())
	defer silent.Close()
	w.h = w.receiver("soc", silent.URL)
	if got := w.push(token); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %s", got.Code, got.Body)
	}
	w.h = w.receiver("soc", w.sender.Origin)
	w.sink.down = errors.New("no broker")
	if got := w.push(token); got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("without Kafka: %d %s", got.Code, got.Body)
	}
}

package scimserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/gate"
	"joinery.internal/pkg/intake/intaketest"
	"joinery.internal/pkg/intake/scimserver"
)

const token = "scim-secret-0815"

const sources = `
apiVersion: joinery/v1
kind: Source
metadata: {name: idp}
spec:
  authority: employment
  intake: {scim: {token: "env:SCIM_TOKEN"}}
  map:
    source_key: record.id
    person:
      employee_number: record.enterprise.employeeNumber
      given_name: record.name.givenName
      family_name: record.name.familyName
      email: record.email
      department: record.enterprise.department
      manager: record.manager_number
      title: record.title
  correlate: [employee_number]
---
apiVersion: joinery/v1
kind: Source
metadata: {name: strict}
spec:
  authority: employment
  intake: {scim: {token: "env:SCIM_TOKEN"}}
  map:
    source_key: record.userName
    kind: 'record.deleted ? "absent" : record.active ? "upsert" : "terminate"'
    person: {employee_number: record.userName, title: record.title}
`

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// world is a server and the broker behind it.
type world struct {
	*intaketest.World
	t      testing.TB
	ledger *scimserver.Ledger
	clock  *clock
	url    string // of source idp
	strict string
}

// patience is how long a request waits for Kafka here: tests run on machines that do much else.
const patience = time.Minute

func start(t testing.TB) *world {
	t.Helper()
	return at(t, intaketest.New(t), patience)
}

// at opens one more console on a broker.
func at(t testing.TB, broker *intaketest.World, wait time.Duration) *world {
	t.Helper()
	w := &world{World: broker, t: t, clock: &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}}
	ledger, err := scimserver.OpenLedger(t.Context(), broker.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ledger.Close)
	w.ledger = ledger
	bundle := intaketest.Bundle(t, sources)
	counter := gate.NewCounter(nil, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	for _, name := range bundle.Sources() {
		mapper, err := intake.NewMapper(bundle, name)
		if err != nil {
			t.Fatal(err)
		}
		source, _ := bundle.Source(name)
		path := "/in/scim/" + name + "/v2"
		mux.Handle(path+"/", scimserver.New(scimserver.Options{Source: source, Path: path, Mapper: mapper, Ledger: ledger, Clock: w.clock, NewID: uuid.NewString, Counter: counter, Wait: wait}))
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url, w.strict = server.URL+"/in/scim/idp/v2", server.URL+"/in/scim/strict/v2"
	return w
}

// response is what a call came to.
type response struct {
	*http.Response
	raw  []byte
	body map[string]any
}

func (r response) text(name string) string { return fmt.Sprint(r.body[name]) }

// call sends a request; headers are pairs.
func (w *world) call(method, url string, body any, headers ...string) response {
	w.t.Helper()
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = bytes.NewReader([]byte(b))
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		sent = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, sent)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/scim+json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	out := response{Response: res}
	if out.raw, err = io.ReadAll(res.Body); err != nil {
		w.t.Fatal(err)
	}
	if len(out.raw) > 0 {
		if err := json.Unmarshal(out.raw, &out.body); err != nil {
			w.t.Fatalf("%s %s answers no JSON: %s", method, url, out.raw)
		}
	}
	return out
}

// must fails the test unless the call has that status.
func (w *world) must(status int, method, url string, body any, headers ...string) response {
	w.t.Helper()
	res := w.call(method, url, body, headers...)
	if res.StatusCode != status {
		w.t.Fatalf("%s %s: %d, want %d: %s", method, url, res.StatusCode, status, res.raw)
	}
	return res
}

type object = map[string]any

const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

func user(name string, more ...object) object {
	o := object{"schemas": []string{userURN, enterpriseURN}, "userName": name}
	for _, m := range more {
		for k, v := range m {
			o[k] = v
		}
	}
	return o
}

func patch(operations ...object) object {
	return object{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": operations}
}

// said lists what reached the source topic about one worker, in order: kind, and department where there is a person.
func (w *world) said(n int, key string) []string {
	w.t.Helper()
	var out []string
	for _, r := range w.Said(n) {
		if r.SourceKey != key {
			continue
		}
		line := string(r.Kind)
		if r.Kind == event.Upsert {
			line += " " + r.Person.Department + r.Person.Title
		}
		out = append(out, line)
	}
	return out
}

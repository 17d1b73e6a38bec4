package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/api"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

// as is an authenticator that believes everybody.
type as desk.Actor

func (a as) Actor(*http.Request) (desk.Actor, error) { return desk.Actor(a), nil }

type nobody struct{}

func (nobody) Actor(*http.Request) (desk.Actor, error) {
	return desk.Actor{}, &desk.Fault{Kind: desk.Anonymous, Detail: "sign in"}
}

func call(t *testing.T, h http.Handler, method, path, body string) (int, http.Header, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, api.Prefix+path, strings.NewReader(body)))
	return w.Code, w.Header(), w.Body.String()
}

func newAPI(t *testing.T, id event.IdentityID) (*desktest.World, http.Handler) {
	t.Helper()
	w := desktest.New(t)
	w.Approval("act-1", "id-boss")
	w.Archive.Workflows = []desk.Case{{ID: "case-1", IdentityID: "id-ana", Outcome: "open", OpenedAt: desktest.Start}}
	w.Archive.Trips = []desk.Guard{{ID: "mass-leaver:chat.3f9a2c1b", State: desk.GuardHolding, Votes: []desk.GuardVote{}}}
	w.Archive.Letters = []desk.DeadLetter{{ID: "dl-1", Class: "decode"}}
	return w, api.New(w.Desk, as{ID: id}, slog.New(slog.DiscardHandler))
}

func TestEveryListHasItemsWithAnID(t *testing.T) {
	t.Parallel()
	w, h := newAPI(t, "id-boss")
	w.Archive.Moments = []desk.Moment{{EventID: "e-1", Kind: "identity.hire"}}
	w.Archive.Roles = []desk.Access{{ID: "staff-base||", Role: "staff-base"}}
	w.Journal.Put(t, event.SweepCommands, 0, &event.SweepCommand{ID: "s-1", Target: "chat", At: desktest.Start})
	for _, path := range []string{"/persons", "/persons/1001/timeline", "/persons/id-ana/access", "/cases", "/approvals", "/approvals?mine=true", "/guards", "/dlq", "/targets",
		"/topics/plan", "/topics/jml.reconcile.command.v1/cat"} {
		status, header, body := call(t, h, http.MethodGet, path, "")
		var got struct {
			Items []struct {
				ID string `json:"id"`
			} `json:"items"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s %s", path, status, header.Get("Content-Type"), body)
			continue
		}
		if len(got.Items) == 0 || got.Items[0].ID == "" {
			t.Errorf("%s: no item with an id in %s", path, body)
		}
	}
}

func TestAnEmptyListIsAnArray(t *testing.T) {
	t.Parallel()
	_, h := newAPI(t, "id-ana")
	for _, path := range []string{"/persons?q=nobody-like-this", "/persons/1001/timeline", "/persons/1001/access", "/approvals?mine"} {
		if _, _, body := call(t, h, http.MethodGet, path, ""); !strings.Contains(body, `"items":[]`) {
			t.Errorf("%s: %s", path, body)
		}
	}
}

func TestEveryFaultIsAProblemThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w, h := newAPI(t, "id-cyn")
	w.Desk.Advance = nil
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"unknown path":      {"GET", "/people", "", 404, "openapi.json"},
		"wrong method":      {"POST", "/persons", "", 405, "takes GET"},
		"unknown person":    {"GET", "/persons/4711", "", 404, "4711"},
		"unknown case":      {"GET", "/cases/case-9", "", 404, "case-9"},
		"unknown approval":  {"GET", "/approvals/act-9", "", 404, "act-9"},
		"unknown letter":    {"GET", "/dlq/dl-9", "", 404, "dl-9"},
		"unknown target":    {"POST", "/targets/chatt/check", "", 404, `did you mean "chat"?`},
		"unknown parameter": {"GET", "/persons?name=x", "", 422, `no parameter "name"`},
		"bad limit":         {"GET", "/cases?limit=many", "", 422, "whole number"},
		"huge limit":        {"GET", "/persons?limit=100000", "", 422, "1 to 1000"},
		"bad time":          {"GET", "/persons/1001/access?as_of=soon", "", 422, "2026-03-02"},
		"bad duration":      {"GET", "/kpi?since=ages", "", 422, "14d"},
		"bad status":        {"GET", "/approvals?status=closed", "", 422, "granted"},
		"no body":           {"POST", "/requests", "", 422, "JSON object"},
		"unknown field":     {"POST", "/requests", `{"roll":"x"}`, 422, "roll"},
		"two bodies":        {"POST", "/sql", `{"query":"x"}{}`, 422, "goes on"},
		"no reason":         {"POST", "/requests", `{"kind":"grant","role":"staff-base","for":"1001"}`, 422, "reason"},
		"unknown kind":      {"POST", "/requests", `{"kind":"steal","role":"staff-base","for":"1001","reason":"x"}`, 422, "grant"},
		"own approval":      {"POST", "/approvals/act-1/approve", `{"reason":"x"}`, 403, "nobody decides"},
		"fixed clock":       {"POST", "/clock", `{"advance":"1h"}`, 403, "real time"},
		"foreign topic":     {"POST", "/produce?topic=jml.dlq.v1", "{}", 422, "jml.source.record.v1"},
		"bad line":          {"POST", "/produce?topic=jml.source.record.v1", "{", 422, "line 1"},
		"bad policy":        {"POST", "/policy/publish", `{"reason":"x","files":{"policy/a.yaml":"kind: Policy"}}`, 422, "not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, header, body := call(t, h, c.method, c.path, c.body)
			var p api.Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if status != c.status || p.Status != c.status || header.Get("Content-Type") != "application/problem+json" || !strings.Contains(p.Detail, c.says) || p.Title == "" || !strings.HasPrefix(p.Type, "urn:joinery:problem:") {
				t.Errorf("%d %s; want %d with %q", status, body, c.status, c.says)
			}
		})
	}
}

func TestWhatDoesNotAnswerIsA503(t *testing.T) {
	t.Parallel()
	w, h := newAPI(t, "id-boss")
	w.Archive.Down = true
	for _, path := range []string{"/persons/1001", "/persons/1001/timeline", "/cases", "/dlq", "/kpi", "/targets"} {
		if status, _, body := call(t, h, http.MethodGet, path, ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "connection refused") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _, _ := call(t, h, http.MethodGet, "/status", ""); status != http.StatusOK {
		t.Errorf("status itself answers %d", status)
	}
}

func TestNobodyGetsAnythingWithoutSigningIn(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	h := api.New(w.Desk, nobody{}, slog.New(slog.DiscardHandler))
	for _, path := range []string{"/persons", "/status", "/kpi"} {
		if status, _, _ := call(t, h, http.MethodGet, path, ""); status != http.StatusUnauthorized {
			t.Errorf("%s answers %d", path, status)
		}
	}
}

func TestAnApprovalIsDecidedOverHTTP(t *testing.T) {
	t.Parallel()
	w, h := newAPI(t, "id-boss")
	w.Journal.Answer = func(desk.Outgoing) {
		w.Inbox.Event(event.ApprovalEvent{Meta: event.Meta{EventID: "e-2", Kind: event.ApprovalRefused, OccurredAt: desktest.Start}, RequestID: "act-1"})
	}
	status, _, body := call(t, h, http.MethodPost, "/approvals/act-1/deny", `{"reason":"not now"}`)
	if status != http.StatusOK || !strings.Contains(body, `"status":"refused"`) || !strings.Contains(body, `"seen":true`) {
		t.Errorf("%d %s", status, body)
	}
	if sent := desktest.Written[event.ApprovalCommand](t, w, event.ApprovalCommands); len(sent) != 1 || sent[0].Kind != event.Deny {
		t.Errorf("written %+v", sent)
	}
}

func TestADryRunOfApplyIsThePlan(t *testing.T) {
	t.Parallel()
	w, h := newAPI(t, "id-boss")
	for _, path := range []string{"/topics/apply?dry_run=true", "/schemas/apply?dry_run", "/schemas/check"} {
		if status, _, body := call(t, h, http.MethodPost, path, ""); status != http.StatusOK || !strings.Contains(body, "jml.dlq.v1") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if w.Applied != 0 {
		t.Error("a dry run changed something")
	}
	if call(t, h, http.MethodPost, "/topics/apply", ""); w.Applied != 1 {
		t.Error("apply changed nothing")
	}
}

// description is what the test reads of the OpenAPI document.
type description struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Parameters  []struct {
			Name string `json:"name"`
			In   string `json:"in"`
		} `json:"parameters"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]struct {
				Type json.RawMessage `json:"type"`
				Ref  string          `json:"$ref"`
			} `json:"properties"`
		} `json:"schemas"`
	} `json:"components"`
}

func TestOpenAPIDescribesEveryPathAndEveryTypeItNames(t *testing.T) {
	t.Parallel()
	_, h := newAPI(t, "id-boss")
	status, _, body := call(t, h, http.MethodGet, "/openapi.json", "")
	var doc description
	if err := json.Unmarshal([]byte(body), &doc); err != nil || status != http.StatusOK || doc.OpenAPI != "3.1.0" {
		t.Fatalf("%d %v", status, err)
	}
	var ids []string
	for path, actions := range doc.Paths {
		for method, a := range actions {
			ids = append(ids, a.OperationID)
			var inPath int
			for _, p := range a.Parameters {
				if p.In == "path" {
					inPath++
				}
			}
			if inPath != strings.Count(path, "{") {
				t.Errorf("%s %s names %d of its path parameters", method, path, inPath)
			}
			concrete := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x")
			if code, _, _ := call(t, h, strings.ToUpper(method), concrete, ""); code == http.StatusMethodNotAllowed {
				t.Errorf("%s %s is described and not served", method, path)
			}
		}
	}
	slices.Sort(ids)
	if n := len(ids); n < 25 || len(slices.Compact(ids)) != n {
		t.Errorf("%d operations, and their ids are not unique", n)
	}
	for _, m := range regexp.MustCompile(`#/components/schemas/(\w+)`).FindAllStringSubmatch(body, -1) {
		if s, ok := doc.Components.Schemas[m[1]]; !ok || len(s.Properties) == 0 {
			t.Errorf("the type %s is named and not described", m[1])
		}
	}
	if _, ok := doc.Components.Schemas["VoteResult"].Properties["role"]; !ok {
		t.Error("a vote's result lacks the fields of the approval in it")
	}
}

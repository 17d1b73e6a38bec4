package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/scim"
)

// quirks says what is odd about a service.
type quirks struct {
	noConfig      bool // ServiceProviderConfig is not there
	noPatch       bool // and says so: PUT only, with ETags
	noFilter      bool // and says so
	ignoresFilter bool // says it filters, and gives everything
	oddActive     bool // active is a string, and missing when true
	smallPages    int  // more than this many at once are not given
}

// document is a resource in the quirky service.
type document map[string]any

// quirky is a SCIM service with oddities seen in the field. In all of them ids are numbers, users do not list their
// groups, and members are removed by value only.
type quirky struct {
	quirks
	mu     sync.Mutex
	lastID int
	users  []document
	groups []document
}

func (q *quirky) reset(*testing.T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.users, q.groups = nil, nil
}

func (q *quirky) objects(*testing.T) []connector.Object {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []connector.Object
	for _, u := range q.users {
		o := connector.Object{Enabled: u["active"] != false, Attributes: map[string]string{"title": str(u["title"]), "displayName": str(u["displayName"])}}
		o.Account, o.ExternalID = str(u["userName"]), str(u["externalId"])
		for _, g := range q.groups {
			if slices.Contains(members(g), str(u["id"])) {
				o.Entitlements = append(o.Entitlements, "group/"+str(g["displayName"]))
			}
		}
		slices.Sort(o.Entitlements)
		out = append(out, o)
	}
	return out
}

func str(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func members(g document) []string {
	var ids []string
	list, _ := g["members"].([]any)
	for _, m := range list {
		ids = append(ids, str(m.(map[string]any)["value"]))
	}
	return ids
}

func (q *quirky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	kind, id, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	store := &q.users
	switch kind {
	case "ServiceProviderConfig":
		q.config(w)
		return
	case "Groups":
		store = &q.groups
	}
	var body document
	if r.Body != nil && r.ContentLength > 0 {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	at := slices.IndexFunc(*store, func(d document) bool { return str(d["id"]) == id })
	switch {
	case r.Method == http.MethodGet && id == "":
		q.list(w, r, *store)
	case r.Method == http.MethodPost:
		q.create(w, store, body)
	case at < 0:
		w.WriteHeader(http.StatusNotFound)
	case r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != etag((*store)[at]):
		w.WriteHeader(http.StatusPreconditionFailed)
	case r.Method == http.MethodDelete:
		*store = slices.Delete(*store, at, at+1)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet:
		q.answer(w, http.StatusOK, (*store)[at])
	case r.Method == http.MethodPut && q.noPatch:
		number, err := strconv.Atoi(str((*store)[at]["n"]))
		if err != nil {
			panic(err)
		}
		body["id"], body["n"] = (*store)[at]["id"], number+1
		if body["active"] == nil {
			body["active"] = true
		}
		(*store)[at] = body
		q.answer(w, http.StatusOK, body)
	case r.Method == http.MethodPatch && !q.noPatch:
		q.patch(w, (*store)[at], body)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (q *quirky) create(w http.ResponseWriter, store *[]document, body document) {
	name := func(d document) string {
		if d["userName"] != nil {
			return strings.ToLower(str(d["userName"]))
		}
		return strings.ToLower(str(d["displayName"]))
	}
	if slices.ContainsFunc(*store, func(d document) bool { return name(d) == name(body) }) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	q.lastID++
	body["id"], body["n"] = q.lastID, 1
	*store = append(*store, body)
	q.answer(w, http.StatusCreated, body)
}

func etag(d document) string { return fmt.Sprintf(`W/"%v"`, d["n"]) }

func (q *quirky) config(w http.ResponseWriter) {
	if q.noConfig {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	supported := func(yes bool) document { return document{"supported": yes} }
	write(w, document{"patch": supported(!q.noPatch), "filter": supported(!q.noFilter), "etag": supported(q.noPatch)})
}

func write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

// odd is how the service shows a resource.
func (q *quirky) odd(d document) document {
	out := document{}
	for k, v := range d {
		out[k] = v
	}
	delete(out, "n")
	if q.oddActive && d["userName"] != nil {
		delete(out, "active")
		if d["active"] == false {
			out["active"] = "False"
		}
	}
	return out
}

func (q *quirky) answer(w http.ResponseWriter, status int, d document) {
	w.Header().Set("ETag", etag(d))
	w.WriteHeader(status)
	write(w, q.odd(d))
}

func (q *quirky) list(w http.ResponseWriter, r *http.Request, store []document) {
	query := r.URL.Query()
	attribute, literal, filtered := strings.Cut(query.Get("filter"), " eq ")
	found := []document{}
	for _, d := range store {
		if filtered && !q.ignoresFilter {
			var value string
			if err := json.Unmarshal([]byte(literal), &value); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			member := attribute == "members.value" && slices.Contains(members(d), value)
			if !member && !strings.EqualFold(str(d[attribute]), value) {
				continue
			}
		}
		shown := q.odd(d)
		if q.noPatch {
			shown["meta"] = document{"version": etag(d)}
		}
		found = append(found, shown)
	}
	start, err := strconv.Atoi(query.Get("startIndex"))
	if err != nil {
		start = 1
	}
	count, err := strconv.Atoi(query.Get("count"))
	if err != nil || q.smallPages > 0 {
		count = min(max(count, 1), q.smallPages)
	}
	page := found[min(start-1, len(found)):min(start-1+count, len(found))]
	write(w, document{"totalResults": len(found), "startIndex": start, "Resources": page})
}

func (q *quirky) patch(w http.ResponseWriter, d, body document) {
	for _, o := range body["Operations"].([]any) {
		op := o.(map[string]any)
		path, value := str(op["path"]), op["value"]
		list, _ := d["members"].([]any)
		switch {
		case path == "members" && op["op"] == "add":
			d["members"] = append(list, value.([]any)...)
		case strings.HasPrefix(path, "members["):
			w.WriteHeader(http.StatusBadRequest)
			return
		case path == "members":
			gone := value.([]any)[0].(map[string]any)["value"]
			d["members"] = slices.DeleteFunc(list, func(m any) bool { return m.(map[string]any)["value"] == gone })
		case op["op"] == "remove":
			delete(d, path)
		default:
			d[path] = value
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func TestSCIMConformsAgainstServicesWithQuirks(t *testing.T) {
	t.Parallel()
	for name, odd := range map[string]quirks{
		"replaces only, with ETags, and does not filter":        {noPatch: true, noFilter: true},
		"says nothing of itself, and active is odd":             {noConfig: true, oddActive: true},
		"ignores filters, and gives three at a time at most":    {ignoresFilter: true, smallPages: 3},
		"replaces only, odd in everything that can be combined": {noPatch: true, oddActive: true, ignoresFilter: true, smallPages: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &quirky{quirks: odd}
			server := httptest.NewServer(q)
			t.Cleanup(server.Close)
			open := func(t *testing.T, url string, timeout time.Duration) connector.Connector {
				t.Helper()
				c, err := scim.Open(connector.Settings{
					Name: "quirky", Connector: "scim", Timeout: timeout, Entitlements: []string{"group"},
					Connection: map[string]string{"url": url, "username": "joinery", "password": "basic-secret"},
				})
				if err != nil {
					t.Fatalf("open: %v", err)
				}
				return c
			}
			connectortest.Run(t, connectortest.Harness{
				New:        func(t *testing.T) connector.Connector { return open(t, server.URL, 0) },
				Reset:      q.reset,
				Inspect:    q.objects,
				Attributes: [2]string{"title", "displayName"},
				Kind:       "group",
				HTTP:       &connectortest.HTTP{URL: server.URL, Secret: "basic-secret", Open: open},
			})
		})
	}
}

package rest_test

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/rest"
	"joinery.internal/pkg/nodetest"
)

//go:embed server
var server embed.FS

const token = "peer-secret-4712"

// peer is json-server with users and memberships.
type peer struct{ origin string }

// section is what a target file would have for that API.
func section() *connector.REST {
	body := `{"login": account, "externalId": external_id, "active": enabled, "title": attributes.title, "office": attributes.office}`
	membership := `id + "-" + name`
	return &connector.REST{
		Account: connector.RESTAccount{ID: "item.id", Account: "item.login", ExternalID: "item.externalId", Enabled: "item.active",
			Attributes: map[string]string{"title": "item.title", "office": "item.office"}},
		Calls: map[string]connector.RESTCall{
			"get":  {Path: "users/{id}"},
			"find": {Path: "users", Query: map[string]string{"login": "account", "externalId": "external_id"}},
			"list": {Path: "users", Query: map[string]string{"_sort": `"id"`, "id_gte": "cursor", "_limit": "limit"},
				Next: `size(items) == limit ? items[limit - 1].id : null`},
			"create": {Path: "users", Body: body}, "update": {Path: "users/{id}", Body: body},
			"enable": {Path: "users/{id}", Body: `{"active": true}`}, "disable": {Path: "users/{id}", Body: `{"active": false}`},
			"delete": {Path: "users/{id}"},
		},
		Paging: "cursor",
		Entitlements: map[string]connector.RESTEntitlement{"group": {
			List:   connector.RESTCall{Path: "memberships", Query: map[string]string{"userId": "id"}},
			Grant:  connector.RESTCall{Method: "POST", Path: "memberships", Body: `{"id": ` + membership + `, "userId": int(id), "group": name}`},
			Revoke: connector.RESTCall{Path: "memberships/{id}-{name}"},
			Name:   "item.group",
		}},
	}
}

func (p peer) settings(url string) connector.Settings {
	return connector.Settings{Name: "desk", Connector: "rest", REST: section(), Entitlements: []string{"group"}, Attributes: []string{"office", "title"},
		Connection: map[string]string{"url": url, "token": token}}
}

func (p peer) base() string { return p.origin + "/api" }

func open(t *testing.T, s connector.Settings) *rest.Client {
	t.Helper()
	c, err := rest.Open(s)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func (p peer) reset(t *testing.T) {
	t.Helper()
	res, err := http.Post(p.origin+"/reset", "", nil)
	if err != nil {
		t.Fatalf("reset the peer: %v", err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusNoContent {
		t.Fatalf("reset the peer: %s, %v", res.Status, err)
	}
}

func (p peer) objects(t *testing.T) []connector.Object {
	t.Helper()
	res, err := http.Get(p.origin + "/inspect")
	if err != nil {
		t.Fatalf("inspect the peer: %v", err)
	}
	defer res.Body.Close()
	var store struct {
		Users []struct {
			ID                               int
			Login, ExternalID, Title, Office string
			Active                           bool
		}
		Memberships []struct {
			UserID int
			Group  string
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&store); err != nil {
		t.Fatalf("inspect the peer: %v", err)
	}
	var out []connector.Object
	for _, u := range store.Users {
		o := connector.Object{Ref: connector.Ref{Account: u.Login, RemoteID: strconv.Itoa(u.ID), ExternalID: u.ExternalID}, Enabled: u.Active,
			Attributes: map[string]string{"title": u.Title, "office": u.Office}}
		for _, m := range store.Memberships {
			if m.UserID == u.ID {
				o.Entitlements = append(o.Entitlements, "group/"+m.Group)
			}
		}
		slices.Sort(o.Entitlements)
		out = append(out, o)
	}
	return out
}

func TestRESTConformsAgainstJSONServer(t *testing.T) {
	t.Parallel()
	files, err := fs.Sub(server, "server")
	if err != nil {
		t.Fatalf("read the peer: %v", err)
	}
	p := peer{nodetest.Start(t, "json-server", files, token)}
	connectortest.Run(t, connectortest.Harness{
		New:        func(t *testing.T) connector.Connector { return open(t, p.settings(p.base())) },
		Reset:      p.reset,
		Inspect:    p.objects,
		Attributes: [2]string{"title", "office"},
		Kind:       "group",
		RandomFor:  4 * time.Second,
		HTTP: &connectortest.HTTP{URL: p.base(), Secret: token, Open: func(t *testing.T, url string, timeout time.Duration) connector.Connector {
			s := p.settings(url)
			s.Timeout = timeout
			return open(t, s)
		}},
	})
	for _, paging := range []string{"link", "page"} {
		t.Run("a list goes on by "+paging, func(t *testing.T) { p.pages(t, paging) })
	}
}

func (p peer) pages(t *testing.T, paging string) {
	p.reset(t)
	s := p.settings(p.base())
	s.REST.Paging = paging
	s.REST.Calls["list"] = connector.RESTCall{Path: "users", Query: map[string]string{"_page": "page", "_limit": "limit"}}
	c := open(t, s)
	for i := range 7 {
		o := connector.Object{Ref: connector.Ref{Account: "user" + strconv.Itoa(i)}, Enabled: true}
		if _, err := c.Apply(t.Context(), connector.Op{Verb: connector.Create, Ref: o.Ref, Want: o}); err != nil {
			t.Fatal(err)
		}
	}
	seen, pages := map[string]bool{}, 0
	for token := ""; ; pages++ {
		page, err := c.List(t.Context(), connector.ListRequest{Token: token, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			seen[o.Account] = true
		}
		if token = page.Next; token == "" {
			break
		}
	}
	if len(seen) != 7 || pages != 2 {
		t.Errorf("listed %d accounts in %d pages, want 7 in 3", len(seen), pages+1)
	}
}

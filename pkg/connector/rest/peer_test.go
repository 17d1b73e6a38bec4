package rest_test

import (
	"strconv"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/rest"
	"joinery.internal/pkg/connector/rest/resttest"
)

const token = resttest.Token

// peer is json-server with users and memberships.
type peer struct{ resttest.Peer }

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

func TestRESTConformsAgainstJSONServer(t *testing.T) {
	t.Parallel()
	p := peer{resttest.Start(t)}
	connectortest.Run(t, connectortest.Harness{
		New:        func(t *testing.T) connector.Connector { return open(t, p.settings(p.Base())) },
		Reset:      func(t *testing.T) { p.Reset(t) },
		Inspect:    func(t *testing.T) []connector.Object { return p.Objects(t) },
		Attributes: [2]string{"title", "office"},
		Kind:       "group",
		RandomFor:  4 * time.Second,
		HTTP: &connectortest.HTTP{URL: p.Base(), Secret: token, Open: func(t *testing.T, url string, timeout time.Duration) connector.Connector {
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
	p.Reset(t)
	s := p.settings(p.Base())
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
	if len(seen) != 7 || pages > 3 {
		t.Errorf("listed %d accounts in %d pages, want 7 in 3, and perhaps an empty one", len(seen), pages+1)
	}
}

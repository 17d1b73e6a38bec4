package scimserver_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/scim"
)

// all reads every resource of a type beside the connector.
func (w *world) all(t *testing.T, kind string) []object {
	t.Helper()
	var out []object
	for {
		page := w.must(http.StatusOK, "GET", fmt.Sprintf("%s/%s?startIndex=%d&count=100", w.url, kind, len(out)+1), nil)
		items, _ := page.body["Resources"].([]any)
		for _, item := range items {
			out = append(out, item.(object))
		}
		if len(items) == 0 || len(out) >= int(page.body["totalResults"].(float64)) {
			return out
		}
	}
}

func (w *world) objects(t *testing.T) []connector.Object {
	t.Helper()
	groups := w.all(t, "Groups")
	var out []connector.Object
	for _, u := range w.all(t, "Users") {
		text := func(o any, name string) string {
			part, _ := o.(object)
			s, _ := part[name].(string)
			return s
		}
		o := connector.Object{Ref: connector.Ref{Account: text(u, "userName"), RemoteID: text(u, "id"), ExternalID: text(u, "externalId")},
			Enabled: u["active"] != false, Attributes: map[string]string{"title": text(u, "title"), "enterprise.department": text(u[enterpriseURN], "department")}}
		for _, g := range groups {
			members, _ := g["members"].([]any)
			for _, m := range members {
				if text(m, "value") == o.RemoteID {
					o.Entitlements = append(o.Entitlements, "group/"+text(g, "displayName"))
				}
			}
		}
		slices.Sort(o.Entitlements)
		out = append(out, o)
	}
	return out
}

func (w *world) reset(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"Users", "Groups"} {
		for _, o := range w.all(t, kind) {
			w.must(http.StatusNoContent, "DELETE", w.url+"/"+kind+"/"+url.PathEscape(fmt.Sprint(o["id"])), nil)
		}
	}
}

func TestOurOwnConnectorConformsAgainstIt(t *testing.T) {
	t.Parallel()
	w := start(t)
	open := func(t *testing.T, address string, timeout time.Duration) connector.Connector {
		t.Helper()
		c, err := scim.Open(connector.Settings{Name: "self", Connector: "scim", Timeout: timeout, Entitlements: []string{"group"},
			Connection: map[string]string{"url": address, "token": token}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return c
	}
	connectortest.Run(t, connectortest.Harness{
		New:        func(t *testing.T) connector.Connector { return open(t, w.url, 0) },
		Reset:      w.reset,
		Inspect:    w.objects,
		Attributes: [2]string{"title", "enterprise.department"},
		Kind:       "group",
		HTTP:       &connectortest.HTTP{URL: w.url, Secret: token, Open: open},
	})
}

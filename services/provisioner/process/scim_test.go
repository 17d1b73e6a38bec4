package process_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"joinery.internal/pkg/connector"
	"joinery.internal/services/demoapp"
)

// scimSubjects are applications of their own each.
func scimSubjects(testing.TB) func(testing.TB, string) *subject { return newSCIM }

func newSCIM(t testing.TB, dir string) *subject {
	t.Helper()
	apps, err := demoapp.Start(t.Context(), filepath.Join(dir, "app"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := apps.Close(); err != nil {
			t.Error(err)
		}
	})
	address, token, err := apps.Resolve("demo:chat")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{lists: func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/Users") && r.URL.Query().Get("filter") == ""
	}}
	s, secret := f.before(t, dir, address, token)
	s.file = `connection: {url: "http://` + s.gate.listen + `", token: "file:` + secret + `"}`
	s.accounts = func(t testing.TB) []connector.Object { return accountsSCIM(t, apps) }
	s.journal = func(t testing.TB) []entry { return journalSCIM(t, apps) }
	admin := &http.Client{}
	s.alter = func(t testing.TB, account string, v connector.Verb) { alterSCIM(t, admin, address, token, account, v) }
	return s
}

func inspectSCIM(t testing.TB, apps *demoapp.Apps) demoapp.Snapshot {
	t.Helper()
	s, err := apps.Inspect(context.WithoutCancel(t.Context()), "chat")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func accountsSCIM(t testing.TB, apps *demoapp.Apps) (accounts []connector.Object) {
	t.Helper()
	for _, a := range inspectSCIM(t, apps).Accounts {
		accounts = append(accounts, connector.Object{Ref: connector.Ref{Account: a.Account, ExternalID: a.ExternalID, RemoteID: a.ID}, Enabled: a.Enabled,
			Attributes: a.Attributes, Entitlements: a.Entitlements})
	}
	return accounts
}

func journalSCIM(t testing.TB, apps *demoapp.Apps) (journal []entry) {
	t.Helper()
	for _, c := range inspectSCIM(t, apps).Journal {
		if c.Account != "" {
			journal = append(journal, entry{change{c.Account, c.Verb, c.Entitlement}, c.Time})
		}
	}
	return journal
}

// alterSCIM changes an account as an administrator of the application does.
func alterSCIM(t testing.TB, client *http.Client, address, token, account string, v connector.Verb) {
	t.Helper()
	call := func(method, path, body string) (answer struct{ Resources []struct{ ID string } }) {
		req, err := http.NewRequestWithContext(t.Context(), method, address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", method, path, res.Status)
		}
		if method == http.MethodGet {
			if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
				t.Fatal(err)
			}
		}
		return answer
	}
	found := call(http.MethodGet, "/Users?filter="+url.QueryEscape(`userName eq "`+account+`"`), "")
	if len(found.Resources) != 1 {
		t.Fatalf("%d accounts are called %s", len(found.Resources), account)
	}
	path := "/Users/" + found.Resources[0].ID
	if v == connector.Delete {
		call(http.MethodDelete, path, "")
		return
	}
	call(http.MethodPatch, path, fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":%t}]}`, v == connector.Enable))
}

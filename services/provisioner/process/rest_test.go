package process_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/rest/resttest"
)

// restFile is how the API is asked.
const restFile = `rest:
    account: {id: item.id, account: item.login, external_id: item.externalId, enabled: item.active, attributes: {title: item.title}}
    calls:
      get: {path: "users/{id}"}
      find: {path: users, query: {login: account, externalId: external_id}}
      list: {path: users, query: {_sort: '"id"', id_gte: cursor, _limit: limit}, next: 'size(items) == limit ? items[limit - 1].id : null'}
      create: {path: users, body: '{"login": account, "externalId": external_id, "active": enabled, "title": attributes.title}'}
      update: {path: "users/{id}", body: '{"login": account, "externalId": external_id, "active": enabled, "title": attributes.title}'}
      enable: {path: "users/{id}", body: '{"active": true}'}
      disable: {path: "users/{id}", body: '{"active": false}'}
      delete: {path: "users/{id}"}
    paging: cursor
    entitlements:
      group:
        list: {path: memberships, query: {userId: id}}
        grant: {method: POST, path: memberships, body: '{"id": id + "-" + name, "userId": int(id), "group": name}'}
        revoke: {path: "memberships/{id}-{name}"}
        name: item.group`

// restSubjects are stores of one json-server, behind OAuth2. A user that is deleted takes the memberships along.
func restSubjects(t testing.TB) func(testing.TB, string) *subject {
	t.Helper()
	server := resttest.Start(t)
	var number atomic.Int64
	return func(t testing.TB, dir string) *subject {
		t.Helper()
		peer := server.At(fmt.Sprint("app", number.Add(1)))
		f := &front{grants: true, lists: func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "/users") && r.URL.Query().Has("_limit")
		}}
		s, secret := f.before(t, dir, peer.Base(), resttest.Token)
		s.cascades = true
		s.file = fmt.Sprintf(`connection: {url: "http://%s", tokenURL: "http://%s/token", clientId: joinery, clientSecret: "file:%s"}
  %s`, s.gate.listen, s.gate.listen, secret, restFile)
		s.accounts = func(t testing.TB) []connector.Object { return peer.Objects(t) }
		s.journal = func(t testing.TB) (journal []entry) {
			for _, c := range peer.Journal(t) {
				if c.Item != "" {
					c.Item = "group/" + c.Item
				}
				journal = append(journal, entry{change{c.Account, c.Verb, c.Item}, c.At})
			}
			return journal
		}
		s.alter = func(t testing.TB, account string, v connector.Verb) { alterREST(t, peer, account, v) }
		return s
	}
}

// alterREST changes a user as an administrator of the application does.
func alterREST(t testing.TB, peer resttest.Peer, account string, v connector.Verb) {
	t.Helper()
	for _, u := range peer.Users(t) {
		if u.Login != account {
			continue
		}
		path := fmt.Sprint("users/", u.ID)
		if v == connector.Delete {
			peer.Call(t, http.MethodDelete, path, nil)
		} else {
			peer.Call(t, http.MethodPatch, path, map[string]bool{"active": v == connector.Enable})
		}
		return
	}
	t.Fatalf("nobody is called %s", account)
}

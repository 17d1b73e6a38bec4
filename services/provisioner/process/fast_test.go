package process_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
)

// fast is a SCIM service that answers at once: what is measured with it is Joinery. It knows as much of SCIM as the
// connector needs for accounts and groups, keeps a journal, and counts requests.
type fast struct {
	mu       sync.Mutex
	users    []*fastUser
	external map[string]*fastUser
	journal  []entry
	requests []time.Time
	refused  int                      // answered 429
	allow    func(now time.Time) bool // whether one more request is allowed now; nil: always
}

type fastUser struct {
	id, name, external string
	active             bool
	groups             []string
}

// newFast starts a service, reached without a gate.
func newFast(t testing.TB, allow func(time.Time) bool) (*fast, *subject) {
	t.Helper()
	f := &fast{external: map[string]*fastUser{}, allow: allow}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, &subject{kind: "group", file: `connection: {url: "` + server.URL + `"}`, accounts: f.accounts, journal: f.changes}
}

func (f *fast) changes(testing.TB) []entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.journal)
}

func (f *fast) accounts(testing.TB) (accounts []connector.Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.users {
		o := connector.Object{Ref: connector.Ref{Account: u.name, ExternalID: u.external, RemoteID: u.id}, Enabled: u.active}
		for _, g := range u.groups {
			o.Entitlements = append(o.Entitlements, "group/"+g)
		}
		accounts = append(accounts, o)
	}
	return accounts
}

func (f *fast) note(u *fastUser, verb, item string) {
	f.journal = append(f.journal, entry{change{u.name, verb, item}, time.Now()})
}

var (
	fastFilter = regexp.MustCompile(`^(\w+) eq "(.*)"$`)
	fastMember = regexp.MustCompile(`"value":"(\d+)"|members\[value eq \\?"(\d+)\\?"\]`)
)

func (f *fast) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.requests = append(f.requests, now)
	if f.allow != nil && !f.allow(now) {
		f.refused++
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	kind, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case kind == "ServiceProviderConfig":
		fmt.Fprint(w, `{"patch":{"supported":true},"filter":{"supported":true}}`)
	case kind == "Groups" && r.Method == http.MethodGet: // a group is called as its id
		name := fastFilter.FindStringSubmatch(r.URL.Query().Get("filter"))[2]
		fmt.Fprintf(w, `{"totalResults":1,"startIndex":1,"Resources":[{"id":%q,"displayName":%q}]}`, name, name)
	case kind == "Groups":
		f.member(id, string(body))
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost:
		f.create(w, body)
	default:
		f.user(w, r, id, string(body))
	}
}

func (f *fast) user(w http.ResponseWriter, r *http.Request, id, body string) {
	if id == "" {
		filter := fastFilter.FindStringSubmatch(r.URL.Query().Get("filter"))
		u := f.external[filter[2]]
		if u == nil || filter[1] != "externalId" {
			fmt.Fprint(w, `{"totalResults":0,"startIndex":1,"Resources":[]}`)
			return
		}
		fmt.Fprintf(w, `{"totalResults":1,"startIndex":1,"Resources":[%s]}`, u)
		return
	}
	var n int
	if _, err := fmt.Sscan(id, &n); err != nil || n >= len(f.users) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	u := f.users[n]
	if r.Method == http.MethodPatch {
		u.active = strings.Contains(body, `"value":true`)
		f.note(u, map[bool]string{true: "enable", false: "disable"}[u.active], "")
	}
	fmt.Fprint(w, u)
}

func (f *fast) create(w http.ResponseWriter, body []byte) {
	var in struct {
		UserName, ExternalID string
		Active               bool
	}
	if err := json.Unmarshal(body, &in); err != nil || f.external[in.ExternalID] != nil {
		w.WriteHeader(http.StatusConflict)
		return
	}
	u := &fastUser{id: fmt.Sprint(len(f.users)), name: in.UserName, external: in.ExternalID, active: in.Active}
	f.users, f.external[u.external] = append(f.users, u), u
	f.note(u, "create", "")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, u)
}

func (f *fast) member(group, body string) {
	m := fastMember.FindStringSubmatch(body)
	var n int
	if _, err := fmt.Sscan(m[1]+m[2], &n); err != nil {
		panic("fast: " + body)
	}
	u := f.users[n]
	at := slices.Index(u.groups, group)
	switch remove := strings.Contains(body, `"remove"`); {
	case remove && at >= 0:
		u.groups = slices.Delete(u.groups, at, at+1)
		f.note(u, "revoke", "group/"+group)
	case !remove && at < 0:
		u.groups = append(u.groups, group)
		f.note(u, "grant", "group/"+group)
	}
}

// String is the user as JSON.
func (u *fastUser) String() string {
	groups := make([]string, len(u.groups))
	for i, g := range u.groups {
		groups[i] = fmt.Sprintf(`{"value":%q,"display":%q}`, g, g)
	}
	return fmt.Sprintf(`{"id":%q,"userName":%q,"externalId":%q,"active":%t,"groups":[%s]}`, u.id, u.name, u.external, u.active, strings.Join(groups, ","))
}

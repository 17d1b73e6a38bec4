package demoapp

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	listSchema       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	errorSchema      = "urn:ietf:params:scim:api:messages:2.0:Error"
	configSchema     = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"

	scimPath    = "/scim/v2"
	maxRequest  = 1 << 20
	maxPageSize = 500
)

// scimApp is an application that speaks SCIM 2.0.
type scimApp struct {
	name  string
	token string
	store *store
	fault fault
	mux   *http.ServeMux
}

func newSCIM(name string, s *store, token string) *scimApp {
	a := &scimApp{name: name, token: token, store: s, mux: http.NewServeMux()}
	a.fault.set(Up)
	handle := func(pattern string, h func(*http.Request) (answer, error)) {
		a.mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
			got, err := h(r)
			if err != nil {
				got = problem(err)
			}
			got.write(w)
		}))
	}
	handle("GET "+scimPath+"/ServiceProviderConfig", a.config)
	for _, k := range []kind{users, groups} {
		collection, one := scimPath+"/"+k.path, scimPath+"/"+k.path+"/{id}"
		handle("GET "+collection, func(r *http.Request) (answer, error) { return a.list(r, k) })
		handle("POST "+collection, func(r *http.Request) (answer, error) { return a.create(r, k) })
		handle("GET "+one, func(r *http.Request) (answer, error) { return a.get(r, k) })
		handle("PUT "+one, func(r *http.Request) (answer, error) { return a.replace(r, k) })
		handle("PATCH "+one, func(r *http.Request) (answer, error) { return a.patch(r, k) })
		handle("DELETE "+one, func(r *http.Request) (answer, error) { return a.remove(r, k) })
	}
	handle(scimPath+"/", func(*http.Request) (answer, error) {
		return answer{}, refuse(http.StatusNotFound, "", "there is no such endpoint")
	})
	return a
}

// kind is a resource type.
type kind struct {
	path, schema, entry string
}

var (
	users  = kind{"Users", userSchema, "user"}
	groups = kind{"Groups", groupSchema, "group"}
)

func (a *scimApp) table(k kind) *table {
	if k == users {
		return &a.store.users
	}
	return &a.store.groups
}

// api checks the token, lets the fault have its way, and serves.
func (a *scimApp) api() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(a.token)) != 1 {
			problem(refuse(http.StatusUnauthorized, "", "the bearer token is not the one of this application")).write(w)
			return
		}
		a.fault.serve(w, r, a.mux)
	})
}

func (a *scimApp) address(origin string) (url, token string) { return origin + scimPath, a.token }

func (a *scimApp) setMode(_ context.Context, mode Mode) error {
	a.fault.set(mode)
	return nil
}

func (a *scimApp) close() error { return a.store.close() }

func (a *scimApp) inspect(context.Context) (Snapshot, error) {
	s := a.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := Snapshot{Mode: a.fault.mode(), Accounts: []Account{}, Journal: slices.Clone(s.journal)}
	for _, r := range s.users.byID {
		out.Accounts = append(out.Accounts, Account{
			Account: r.body.text("userName"), ID: r.id, ExternalID: r.body.text("externalId"), Enabled: r.body.enabled(),
			Attributes: r.body.flat(), Entitlements: s.groupNames(r.id),
		})
	}
	slices.SortFunc(out.Accounts, func(a, b Account) int { return strings.Compare(a.Account, b.Account) })
	return out, nil
}

// answer is what goes back.
type answer struct {
	status  int
	body    resource
	version string
}

func (a answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/scim+json")
	if a.version != "" {
		w.Header().Set("ETag", a.version)
	}
	w.WriteHeader(a.status)
	if a.body == nil {
		return
	}
	// The client may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(a.body)
}

// refusal is an error the client is told.
type refusal struct {
	status   int
	scimType string
	detail   string
}

func (r *refusal) Error() string { return r.detail }

func refuse(status int, scimType, format string, args ...any) error {
	return &refusal{status, scimType, fmt.Sprintf(format, args...)}
}

func problem(err error) answer {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		r = &refusal{status: http.StatusInternalServerError, detail: err.Error()}
	}
	body := resource{"schemas": []string{errorSchema}, "status": strconv.Itoa(r.status), "detail": r.detail}
	if r.scimType != "" {
		body["scimType"] = r.scimType
	}
	return answer{status: r.status, body: body}
}

func (a *scimApp) config(*http.Request) (answer, error) {
	supported := func(yes bool) resource { return resource{"supported": yes} }
	return answer{status: http.StatusOK, body: resource{
		"schemas": []string{configSchema}, "patch": supported(true), "etag": supported(true), "bulk": supported(false),
		"filter": resource{"supported": true, "maxResults": maxPageSize}, "sort": supported(false), "changePassword": supported(false),
		"authenticationSchemes": []resource{{"type": "oauthbearertoken", "name": "Bearer token", "description": "A fixed token"}},
	}}, nil
}

// show returns the resource as clients see it. The store must be locked.
func (a *scimApp) show(k kind, r *record, r2 *http.Request) resource {
	out := resource{}
	for key, value := range r.body {
		out[key] = value
	}
	out["id"] = r.id
	out["meta"] = resource{
		"resourceType": strings.TrimSuffix(k.path, "s"), "version": etag(r), "location": scimPath + "/" + k.path + "/" + r.id,
		"created": r.created.Format(time.RFC3339Nano), "lastModified": r.modified.Format(time.RFC3339Nano),
	}
	excluded := strings.Split(r2.URL.Query().Get("excludedAttributes"), ",")
	if k == users && !slices.Contains(excluded, "groups") {
		out["groups"] = a.groupsOf(r.id)
	}
	if k == groups && !slices.Contains(excluded, "members") {
		out["members"] = a.membersOf(r.id)
	}
	return out
}

func (a *scimApp) groupsOf(userID string) []resource {
	list := []resource{}
	for id := range a.store.memberOf[userID] {
		list = append(list, resource{"value": id, "display": a.store.groups.byID[id].body.text("displayName"), "type": "direct"})
	}
	return byValue(list)
}

func (a *scimApp) membersOf(groupID string) []resource {
	list := []resource{}
	for id := range a.store.members[groupID] {
		list = append(list, resource{"value": id, "display": a.store.users.byID[id].body.text("userName"), "type": "User"})
	}
	return byValue(list)
}

func byValue(list []resource) []resource {
	slices.SortFunc(list, func(a, b resource) int { return strings.Compare(a.text("value"), b.text("value")) })
	return list
}

func etag(r *record) string { return fmt.Sprintf(`W/"%d"`, r.version) }

func (a *scimApp) get(r *http.Request, k kind) (answer, error) {
	a.store.mu.RLock()
	defer a.store.mu.RUnlock()
	found, err := a.find(r, k)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, a.show(k, found, r), etag(found)}, nil
}

// find returns the record the URL names, if If-Match lets it. The store must be locked.
func (a *scimApp) find(r *http.Request, k kind) (*record, error) {
	found, ok := a.table(k).byID[r.PathValue("id")]
	if !ok {
		return nil, refuse(http.StatusNotFound, "", "there is no %s with that id", strings.TrimSuffix(k.path, "s"))
	}
	if match := r.Header.Get("If-Match"); match != "" && match != "*" && match != etag(found) {
		return nil, refuse(http.StatusPreconditionFailed, "", "the version is %s now", etag(found))
	}
	return found, nil
}

func (a *scimApp) list(r *http.Request, k kind) (answer, error) {
	query := r.URL.Query()
	f, err := parseFilter(query.Get("filter"))
	if err != nil {
		return answer{}, err
	}
	start, count := 1, maxPageSize
	for name, into := range map[string]*int{"startIndex": &start, "count": &count} {
		if given := query.Get(name); given != "" {
			if *into, err = strconv.Atoi(given); err != nil {
				return answer{}, refuse(http.StatusBadRequest, "invalidValue", "%s is not a number", name)
			}
		}
	}
	start, count = max(1, start), min(max(0, count), maxPageSize)
	a.store.mu.RLock()
	defer a.store.mu.RUnlock()
	found := a.matching(k, f)
	from := min(start-1, len(found))
	page := found[from:min(from+count, len(found))]
	shown := make([]resource, len(page))
	for i, one := range page {
		shown[i] = a.show(k, one, r)
	}
	return answer{status: http.StatusOK, body: resource{
		"schemas": []string{listSchema}, "totalResults": len(found), "startIndex": start, "itemsPerPage": len(shown), "Resources": shown,
	}}, nil
}

package demoapp

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

func readBody(r *http.Request) (resource, error) {
	var body resource
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body == nil {
		return nil, refuse(http.StatusBadRequest, "invalidSyntax", "the body is no JSON object")
	}
	return body, nil
}

// draft is a resource about to be stored: without what the store keeps elsewhere, and its members beside it.
type draft struct {
	body    resource
	members []string // of a group
	listed  bool     // members were given
}

// settle checks what a client sent and parts it.
func settle(k kind, body resource) (draft, error) {
	d := draft{body: body}
	if list, ok := body["members"].([]any); ok && k == groups {
		d.listed = true
		for _, m := range list {
			member, ok := m.(map[string]any)
			if !ok || resource(member).text("value") == "" {
				return d, refuse(http.StatusBadRequest, "invalidValue", "a member has no value")
			}
			d.members = append(d.members, resource(member).text("value"))
		}
	}
	for _, key := range []string{"id", "meta", "groups", "members", "password"} {
		delete(body, key)
	}
	for key, value := range body {
		if value == nil || reflect.DeepEqual(value, []any{}) {
			delete(body, key) // unassigned, says RFC 7643 (2.5)
		}
	}
	name := map[kind]string{users: "userName", groups: "displayName"}[k]
	if strings.TrimSpace(body.text(name)) == "" {
		return d, refuse(http.StatusBadRequest, "invalidValue", "%s is required", name)
	}
	if k != users {
		return d, nil
	}
	switch active := body["active"].(type) {
	case nil:
		body["active"] = true
	case bool:
	case string:
		if !strings.EqualFold(active, "true") && !strings.EqualFold(active, "false") {
			return d, refuse(http.StatusBadRequest, "invalidValue", "active is neither true nor false")
		}
		body["active"] = strings.EqualFold(active, "true")
	default:
		return d, refuse(http.StatusBadRequest, "invalidValue", "active is neither true nor false")
	}
	return d, nil
}

func (a *scimApp) create(r *http.Request, k kind) (answer, error) {
	body, err := readBody(r)
	if err != nil {
		return answer{}, err
	}
	d, err := settle(k, body)
	if err != nil {
		return answer{}, err
	}
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	id := a.store.newID(k.entry[:1])
	if err := a.save(k, id, d); err != nil {
		return answer{}, err
	}
	made := a.table(k).byID[id]
	return answer{http.StatusCreated, a.show(k, made, r), etag(made)}, nil
}

func (a *scimApp) replace(r *http.Request, k kind) (answer, error) {
	body, err := readBody(r)
	if err != nil {
		return answer{}, err
	}
	return a.modify(r, k, func(resource) (resource, error) {
		if _, ok := body["members"]; k == groups && !ok {
			body["members"] = []any{}
		}
		return body, nil
	})
}

func (a *scimApp) patch(r *http.Request, k kind) (answer, error) {
	body, err := readBody(r)
	if err != nil {
		return answer{}, err
	}
	ops, err := parsePatch(body)
	if err != nil {
		return answer{}, err
	}
	return a.modify(r, k, func(now resource) (resource, error) {
		for _, op := range ops {
			if err := op.apply(now); err != nil {
				return nil, err
			}
		}
		return now, nil
	})
}

// modify stores what change makes of a copy of the resource.
func (a *scimApp) modify(r *http.Request, k kind, change func(resource) (resource, error)) (answer, error) {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	found, err := a.find(r, k)
	if err != nil {
		return answer{}, err
	}
	whole, err := clone(found.body)
	if err != nil {
		return answer{}, err
	}
	if k == groups {
		list := []any{}
		for _, m := range a.membersOf(found.id) {
			list = append(list, map[string]any{"value": m.text("value")})
		}
		whole["members"] = list
	}
	whole, err = change(whole)
	if err != nil {
		return answer{}, err
	}
	d, err := settle(k, whole)
	if err != nil {
		return answer{}, err
	}
	d.listed = d.listed || k == groups // a patch may have removed them all
	if err := a.save(k, found.id, d); err != nil {
		return answer{}, err
	}
	now := a.table(k).byID[found.id]
	return answer{http.StatusOK, a.show(k, now, r), etag(now)}, nil
}

func clone(r resource) (resource, error) {
	encoded, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var out resource
	return out, json.Unmarshal(encoded, &out)
}

// save stores a draft if it differs from what is there. The store must be locked for writing.
func (a *scimApp) save(k kind, id string, d draft) error {
	t := a.table(k)
	if holder, taken := t.byName[strings.ToLower(d.body.text(t.name))]; taken && holder != id {
		return refuse(http.StatusConflict, "uniqueness", "%s is taken", t.name)
	}
	for _, m := range d.members {
		if _, ok := a.store.users.byID[m]; !ok {
			return refuse(http.StatusBadRequest, "invalidValue", "there is no user with the id %s", m)
		}
	}
	before := t.byID[id]
	if before == nil || !reflect.DeepEqual(before.body, d.body) {
		if err := a.store.commit(entry{Change: told(k, before, d.body), Kind: k.entry, ID: id, Body: d.body}); err != nil {
			return err
		}
	}
	if !d.listed {
		return nil
	}
	return a.setMembers(id, d)
}

// setMembers makes the difference between the members there are and those there should be.
func (a *scimApp) setMembers(groupID string, d draft) error {
	for _, m := range a.membersOf(groupID) {
		if !slices.Contains(d.members, m.text("value")) {
			if err := a.member("revoke", groupID, m.text("value")); err != nil {
				return err
			}
		}
	}
	for _, m := range d.members {
		if !a.store.members[groupID][m] {
			if err := a.member("grant", groupID, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *scimApp) member(verb, groupID, userID string) error {
	user, group := a.store.users.byID[userID].body, a.store.groups.byID[groupID].body
	return a.store.commit(entry{Kind: "member", ID: groupID, Member: userID, Change: Change{
		Verb: verb, Account: user.text("userName"), ExternalID: user.text("externalId"), Entitlement: "group/" + group.text("displayName"),
	}})
}

// told names the change for the journal; after is nil for a deletion.
func told(k kind, before *record, after resource) Change {
	shown := after
	if after == nil {
		shown = before.body
	}
	c := Change{Verb: "update", Account: shown.text("userName"), ExternalID: shown.text("externalId")}
	if k == groups {
		c = Change{Verb: "update", Entitlement: "group/" + shown.text("displayName")}
	}
	switch {
	case before == nil:
		c.Verb = "create"
	case after == nil:
		c.Verb = "delete"
	case k == users && before.body.enabled() && !after.enabled():
		c.Verb = "disable"
	case k == users && !before.body.enabled() && after.enabled():
		c.Verb = "enable"
	}
	return c
}

func (a *scimApp) remove(r *http.Request, k kind) (answer, error) {
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	found, err := a.find(r, k)
	if err != nil {
		return answer{}, err
	}
	if err := a.store.commit(entry{Change: told(k, found, nil), Kind: k.entry, ID: found.id}); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

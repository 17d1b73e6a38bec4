package scim

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"joinery.internal/pkg/connector"
)

// groupIndex remembers the ids of groups. It is a cache: an id that turns out to be gone is forgotten.
type groupIndex struct {
	mu       sync.Mutex
	ids      map[string]string // by displayName
	creating chan struct{}     // held while a group is created, so that two grants do not create it twice
	// replacing is held while a group is read and put back, so that no change is undone by another of ours.
	replacing chan struct{}
}

func (g *groupIndex) id(name string) (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, ok := g.ids[name]
	return id, ok
}

func (g *groupIndex) remember(name, id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ids[name] = id
}

func (g *groupIndex) forget(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.ids, name)
}

// withoutMembers keeps the answer small: a group may have a hundred thousand.
func withoutMembers() url.Values { return url.Values{"excludedAttributes": {"members"}} }

// membership returns the user's groups as entitlements, sorted.
func (c *Client) membership(ctx context.Context, user resource) ([]string, error) {
	groups, err := c.groupsOf(ctx, user)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = connector.Entitlement(groupKind, g.name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// group is one that a user is in; several may have one name.
type group struct{ id, name string }

// groupsOf gives the user's groups: from the user where the service lists them there, else by asking the groups.
func (c *Client) groupsOf(ctx context.Context, user resource) ([]group, error) {
	listed, ok := user["groups"].([]any)
	if !ok {
		return c.searchMembership(ctx, user.text("id"))
	}
	var out []group
	for _, e := range listed {
		element, ok := e.(map[string]any)
		if !ok || resource(element).text("type") == "indirect" { // through a nested group: not ours to grant or revoke
			continue
		}
		g := group{resource(element).text("value"), resource(element).text("display")}
		if g.name == "" {
			full, err := c.readGroup(ctx, g.id)
			if isNotFound(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			g.name = full.text("displayName")
		}
		out = append(out, g)
	}
	return out, nil
}

func (c *Client) readGroup(ctx context.Context, id string) (resource, error) {
	op := "get group"
	res, err := c.do(ctx, request{op: op, method: http.MethodGet, path: "Groups/" + url.PathEscape(id), query: withoutMembers()})
	if err != nil {
		return nil, err
	}
	return parse(http.MethodGet, op, res)
}

func (c *Client) searchMembership(ctx context.Context, userID string) ([]group, error) {
	found, err := c.search(ctx, "list groups of an account", "Groups", "members.value", userID, nil,
		func(g resource) bool { return hasMember(g, userID) })
	if err != nil {
		return nil, err
	}
	out := make([]group, len(found))
	for i, g := range found {
		out[i] = group{g.text("id"), g.text("displayName")}
	}
	return out, nil
}

func hasMember(group resource, userID string) bool {
	members, _ := group["members"].([]any)
	return memberAt(members, userID) >= 0
}

func memberAt(members []any, userID string) int {
	return slices.IndexFunc(members, func(m any) bool {
		member, ok := m.(map[string]any)
		return ok && resource(member).text("value") == userID
	})
}

// entitle grants or revokes groups.
func (c *Client) entitle(ctx context.Context, op connector.Op, what string, user resource) (connector.Result, error) {
	done := connector.Result{RemoteID: user.text("id")}
	have, err := c.groupsOf(ctx, user)
	if err != nil {
		return done, err
	}
	for _, e := range op.Want.Entitlements {
		kind, name, ok := connector.SplitEntitlement(e)
		if !ok || kind != groupKind {
			return done, connector.Errorf(connector.Unsupported, what, "SCIM has no entitlement %q; it has group/<name>", e)
		}
		called := func(g group) bool { return g.name == name }
		if slices.ContainsFunc(have, called) == (op.Verb == connector.Grant) {
			continue
		}
		if op.Verb == connector.Grant {
			err = c.join(ctx, what+" "+e, name, done.RemoteID)
		} else {
			err = c.leave(ctx, what+" "+e, slices.DeleteFunc(slices.Clone(have), func(g group) bool { return !called(g) }), done.RemoteID)
		}
		if err != nil {
			return done, err
		}
		done.Changed = true
	}
	return done, nil
}

// join makes the user a member of the group of that name.
func (c *Client) join(ctx context.Context, what, name, userID string) error {
	id, cached := c.groups.id(name)
	err := connector.ErrNotFound
	if cached {
		err = c.patchMember(ctx, connector.Grant, what, id, userID)
	}
	if !isNotFound(err) {
		return err
	}
	// Not known, or deleted and made anew since: look it up.
	c.groups.forget(name)
	if id, err = c.resolveGroup(ctx, what, name); err != nil {
		return err
	}
	return c.patchMember(ctx, connector.Grant, what, id, userID)
}

// leave takes the user out of all these groups: of two that have one name, either gives what the name stands for.
func (c *Client) leave(ctx context.Context, what string, groups []group, userID string) error {
	for _, g := range groups {
		if g.id == "" { // some services give the name alone
			id, err := c.lookUpGroup(ctx, what, g.name)
			if err != nil {
				return err
			}
			g.id = id
		}
		if err := c.patchMember(ctx, connector.Revoke, what, g.id, userID); err != nil && !isNotFound(err) {
			return err
		}
	}
	return nil
}

// resolveGroup finds the group's id, creating it if it may.
func (c *Client) resolveGroup(ctx context.Context, what, name string) (string, error) {
	id, err := c.lookUpGroup(ctx, what, name)
	if err != nil || id != "" {
		return id, err
	}
	if !c.createsGroups {
		return "", connector.Errorf(connector.Invalid, what, "the target has no such group; create it there, or set connection.createGroups to true")
	}
	select {
	case c.groups.creating <- struct{}{}:
		defer func() { <-c.groups.creating }()
	case <-ctx.Done():
		return "", connector.ContextError(ctx, what, false)
	}
	if id, err := c.lookUpGroup(ctx, what, name); err != nil || id != "" { // another grant has created it meanwhile
		return id, err
	}
	body := resource{"schemas": []string{groupSchema}, "displayName": name}
	res, err := c.do(ctx, request{op: "create group/" + name, method: http.MethodPost, path: "Groups", body: body})
	if err != nil {
		return "", err
	}
	group, err := parse(http.MethodPost, "create group/"+name, res)
	if err != nil {
		return "", err
	}
	c.groups.remember(name, group.text("id"))
	return group.text("id"), nil
}

// lookUpGroup returns the id of the group of exactly that name. Of several, the smallest id, so that everybody who
// looks takes the same.
func (c *Client) lookUpGroup(ctx context.Context, what, name string) (string, error) {
	groups, err := c.search(ctx, what, "Groups", "displayName", name, withoutMembers(),
		func(g resource) bool { return same(g.text("displayName"), name) })
	if err != nil {
		return "", err
	}
	id, other := "", ""
	for _, g := range groups {
		switch {
		case g.text("displayName") != name:
			other = g.text("displayName")
		case id == "" || g.text("id") < id:
			id = g.text("id")
		}
	}
	if id == "" && other != "" {
		return "", connector.Errorf(connector.Invalid, what, "the group is called %q in the target; name it so in policy", other)
	}
	if id != "" {
		c.groups.remember(name, id)
	}
	return id, nil
}

// patchMember adds or removes one member.
func (c *Client) patchMember(ctx context.Context, verb connector.Verb, what, groupID, userID string) error {
	p, err := c.features(ctx)
	if err != nil {
		return err
	}
	if !p.Patch.Supported {
		return c.putMember(ctx, verb, what, groupID, userID, p.ETag.Supported)
	}
	member := []any{resource{"value": userID}}
	change := operation{"add", "members", member}
	if verb == connector.Revoke {
		change = operation{Op: "remove", Path: "members[value eq " + quote(userID) + "]"}
	}
	r := request{op: what, method: http.MethodPatch, path: "Groups/" + url.PathEscape(groupID)}
	r.body = patchBody([]operation{change})
	_, err = c.do(ctx, r)
	if verb == connector.Revoke && connector.ClassOf(err) == connector.Invalid {
		// Services that know no filter in a path take the member as a value.
		r.body = patchBody([]operation{{"remove", "members", member}})
		_, err = c.do(ctx, r)
	}
	return err
}

// putMember replaces the group, changed by one member.
func (c *Client) putMember(ctx context.Context, verb connector.Verb, what, groupID, userID string, etag bool) error {
	select {
	case c.groups.replacing <- struct{}{}:
		defer func() { <-c.groups.replacing }()
	case <-ctx.Done():
		return connector.ContextError(ctx, what, false)
	}
	group, err := c.read(ctx, what, "Groups", groupID)
	if err != nil {
		return err
	}
	members, _ := group["members"].([]any)
	at := memberAt(members, userID)
	if (at >= 0) == (verb == connector.Grant) {
		return nil
	}
	if verb == connector.Grant {
		group["members"] = append(members, resource{"value": userID})
	} else {
		group["members"] = slices.Delete(members, at, at+1)
	}
	r := request{op: what, method: http.MethodPut, path: "Groups/" + url.PathEscape(groupID), body: group}
	if etag {
		r.ifMatch = group.version()
	}
	delete(group, "meta")
	_, err = c.do(ctx, r)
	return err
}

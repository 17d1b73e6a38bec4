package scim

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/httpcall"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Get finds a user by id, else by externalId, else by userName, and its groups.
func (c *Client) Get(ctx context.Context, ref connector.Ref) (connector.Object, error) {
	user, err := c.find(ctx, ref)
	if err != nil {
		return connector.Object{}, err
	}
	o := c.object(user)
	if c.managesGroups {
		if o.Entitlements, err = c.membership(ctx, user); err != nil {
			return connector.Object{}, err
		}
	}
	return o, nil
}

func (c *Client) object(user resource) connector.Object {
	o := connector.Object{
		Ref:        connector.Ref{Account: user.text("userName"), RemoteID: user.text("id")},
		Version:    user.version(),
		Enabled:    user.enabled(),
		Attributes: user.attributes(),
	}
	if c.keepsExternalID {
		o.ExternalID = user.text("externalId")
	}
	return o
}

// find returns the user as JSON.
func (c *Client) find(ctx context.Context, ref connector.Ref) (resource, error) {
	op := "get account " + ref.Account
	if ref.RemoteID != "" {
		user, err := c.read(ctx, op, "Users", ref.RemoteID)
		if err == nil || !isNotFound(err) {
			return user, err
		}
	}
	if ref.ExternalID != "" && c.keepsExternalID {
		users, err := c.search(ctx, op, "Users", "externalId", ref.ExternalID, nil,
			func(u resource) bool { return u.text("externalId") == ref.ExternalID })
		if err != nil {
			return nil, err
		}
		if len(users) > 1 {
			return nil, connector.Errorf(connector.Conflict, op, "%d accounts carry the external id %s; delete all but one", len(users), ref.ExternalID)
		}
		if len(users) == 1 {
			return users[0], nil
		}
	}
	if ref.Account != "" {
		users, err := c.search(ctx, op, "Users", "userName", ref.Account, nil,
			func(u resource) bool { return same(u.text("userName"), ref.Account) })
		if err != nil {
			return nil, err
		}
		exact := slices.IndexFunc(users, func(u resource) bool { return u.text("userName") == ref.Account })
		switch {
		case exact >= 0:
			return users[exact], nil
		case len(users) > 1:
			return nil, connector.Errorf(connector.Conflict, op, "%d accounts are called so, but for capitals; delete all but one", len(users))
		case len(users) == 1:
			return users[0], nil
		}
	}
	return nil, &connector.Error{Class: connector.NotFound, Op: op, Err: connector.ErrNotFound}
}

// read gets one resource by id. Where versions travel only in the header, they are put into meta.
func (c *Client) read(ctx context.Context, op, kind, id string) (resource, error) {
	res, err := c.do(ctx, request{op: op, method: http.MethodGet, path: kind + "/" + url.PathEscape(id)})
	if err != nil {
		return nil, err
	}
	return parse(http.MethodGet, op, res)
}

func parse(method, op string, res response) (resource, error) {
	var r resource
	if err := decode(res.body, &r); err != nil {
		return nil, httpcall.Garbled(method, op, "%w", err)
	}
	if r == nil || r.text("id") == "" {
		return nil, httpcall.Garbled(method, op, "the answer is no SCIM resource: it has no id")
	}
	if res.version != "" && r.version() == "" {
		meta, ok := r["meta"].(map[string]any)
		if !ok {
			meta = map[string]any{}
			r["meta"] = meta
		}
		meta["version"] = res.version
	}
	return r, nil
}

// List returns users page by page, in the service's order.
//
// Token is the index to go on from. Users deleted meanwhile move those behind them forward, so each page overlaps the
// one before; the caller sees some users twice, and misses none unless more than the overlap were deleted at once.
func (c *Client) List(ctx context.Context, req connector.ListRequest) (connector.Page, error) {
	op := "list accounts"
	start, err := strconv.Atoi(req.Token)
	if req.Token != "" && (err != nil || start < 1) {
		return connector.Page{}, connector.Errorf(connector.Invalid, op, "page token %q is not one of ours", req.Token)
	}
	count := req.Limit
	if count <= 0 {
		count = pageSize
	}
	start = max(1, start)
	query := url.Values{"startIndex": {itoa(start)}, "count": {itoa(count)}}
	answer, err := c.list(ctx, request{op: op, path: "Users", query: query})
	if err != nil {
		return connector.Page{}, err
	}
	var page connector.Page
	for _, user := range answer.Resources {
		o := c.object(user)
		if c.managesGroups {
			if o.Entitlements, err = c.membership(ctx, user); err != nil {
				return connector.Page{}, err
			}
		}
		page.Objects = append(page.Objects, o)
	}
	got := len(answer.Resources)
	switch end := start + got; {
	case end > *answer.Total:
	case got == 0:
		return connector.Page{}, connector.Errorf(connector.Transient, op, "the service has %d users and gives none from %d on: the list is cut short", *answer.Total, start)
	default:
		page.Next = itoa(max(start+1, end-overlap(got)))
	}
	return page, nil
}

// overlap is how many users of a page the next one repeats.
func overlap(page int) int { return max(1, min(10, page/4)) }

// Apply makes one change.
func (c *Client) Apply(ctx context.Context, op connector.Op) (connector.Result, error) {
	what := string(op.Verb) + " account " + op.Ref.Account
	if op.Verb == connector.Create {
		return c.create(ctx, op, what)
	}
	user, err := c.find(ctx, op.Ref)
	if isNotFound(err) && op.Verb == connector.Delete {
		return connector.Result{}, nil
	}
	if err != nil {
		return connector.Result{}, err
	}
	switch op.Verb {
	case connector.Update:
		ops, err := user.update(op.Want)
		if err != nil {
			return connector.Result{}, &connector.Error{Class: connector.Invalid, Op: what, Err: err}
		}
		return c.write(ctx, op, what, user, ops)
	case connector.Enable, connector.Disable:
		on := op.Verb == connector.Enable
		if user.enabled() == on {
			return unchanged(user), nil
		}
		user["active"] = on
		return c.write(ctx, op, what, user, []operation{{"replace", "active", on}})
	case connector.Delete:
		return c.remove(ctx, op, what, user)
	case connector.Grant, connector.Revoke:
		return c.entitle(ctx, op, what, user)
	default:
		return connector.Result{}, connector.Errorf(connector.Unsupported, what, "verb %q is not known", op.Verb)
	}
}

func unchanged(user resource) connector.Result {
	return connector.Result{RemoteID: user.text("id"), Version: user.version()}
}

// create leaves it to the service to refuse a name that is taken, as RFC 7644 (3.3) demands.
func (c *Client) create(ctx context.Context, op connector.Op, what string) (connector.Result, error) {
	body, err := newUser(op.Want, c.keepsExternalID)
	if err != nil {
		return connector.Result{}, &connector.Error{Class: connector.Invalid, Op: what, Err: err}
	}
	res, err := c.do(ctx, request{op: what, method: http.MethodPost, path: "Users", body: body, want: op.Want})
	if err != nil {
		return connector.Result{}, err
	}
	user, err := parse(http.MethodPost, what, res)
	if err != nil {
		return connector.Result{}, err
	}
	return connector.Result{RemoteID: user.text("id"), Version: user.version(), Changed: true}, nil
}

// write sends the change: as PATCH, or the whole changed user as PUT.
func (c *Client) write(ctx context.Context, op connector.Op, what string, user resource, ops []operation) (connector.Result, error) {
	if len(ops) == 0 {
		return unchanged(user), nil
	}
	p, err := c.features(ctx)
	if err != nil {
		return connector.Result{}, err
	}
	r := request{op: what, path: "Users/" + url.PathEscape(user.text("id")), want: op.Want}
	if r.ifMatch, err = precondition(p, op, what, user); err != nil {
		return connector.Result{}, err
	}
	if p.Patch.Supported {
		r.method, r.body = http.MethodPatch, patchBody(ops)
	} else {
		delete(user, "groups") // read only: membership is changed at the group
		delete(user, "meta")
		user["active"] = user.enabled() // not as the service may have spelt it
		r.method, r.body = http.MethodPut, user
	}
	res, err := c.do(ctx, r)
	if err != nil {
		return connector.Result{}, err
	}
	done := connector.Result{RemoteID: user.text("id"), Version: res.version, Changed: true}
	if len(res.body) > 0 {
		after, err := parse(r.method, what, res)
		if err != nil {
			return connector.Result{}, err
		}
		done.Version = after.version()
	}
	return done, nil
}

func patchBody(ops []operation) resource {
	return resource{"schemas": []string{patchSchema}, "Operations": ops}
}

// precondition returns the If-Match of a change. What the user was read as just now decides at once; the header closes
// the gap between that read and the write. Taking access away waits for no version.
func precondition(p provider, op connector.Op, what string, user resource) (string, error) {
	if !p.ETag.Supported || op.IfVersion == "" || op.Verb == connector.Disable {
		return "", nil
	}
	if now := user.version(); now != op.IfVersion {
		return "", connector.Errorf(connector.Conflict, what, "changed underneath: version %s, expected %s", now, op.IfVersion)
	}
	return op.IfVersion, nil
}

func (c *Client) remove(ctx context.Context, op connector.Op, what string, user resource) (connector.Result, error) {
	p, err := c.features(ctx)
	if err != nil {
		return connector.Result{}, err
	}
	id := user.text("id")
	r := request{op: what, method: http.MethodDelete, path: "Users/" + url.PathEscape(id)}
	if r.ifMatch, err = precondition(p, op, what, user); err != nil {
		return connector.Result{}, err
	}
	_, err = c.do(ctx, r)
	if err != nil && !isNotFound(err) {
		return connector.Result{}, err
	}
	return connector.Result{RemoteID: id, Changed: err == nil}, nil
}

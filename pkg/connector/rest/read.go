package rest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"joinery.internal/pkg/connector"
)

// object makes an account of an item.
func (c *Client) object(item any) (o connector.Object, err error) {
	v := blank().with(values{"item": item})
	o.Attributes = map[string]string{}
	var enabled string
	for _, part := range []struct {
		p    *program
		into *string
	}{{c.id, &o.RemoteID}, {c.account, &o.Account}, {c.externalID, &o.ExternalID}, {c.enabled, &enabled}} {
		if *part.into, err = part.p.text(v); err != nil {
			return o, err
		}
	}
	if o.RemoteID == "" || o.Account == "" {
		return o, fmt.Errorf("an account without id or name; correct rest.account")
	}
	if o.Enabled, err = strconv.ParseBool(strings.ToLower(enabled)); err != nil {
		return o, fmt.Errorf("rest.account.enabled gives %q, neither true nor false", enabled)
	}
	for name, p := range c.attributes {
		text, err := p.text(v)
		if err != nil {
			return o, err
		}
		if text != "" {
			o.Attributes[name] = text
		}
	}
	return o, nil
}

// find reads an account without its entitlements: by id, else by external id, else by name. It looks at what it gets
// itself, since an API may ignore a filter.
func (c *Client) find(ctx context.Context, op string, ref connector.Ref) (connector.Object, error) {
	if ref.RemoteID != "" {
		o, err := c.read(ctx, op, ref.RemoteID)
		if err == nil || connector.ClassOf(err) != connector.NotFound {
			return o, err
		}
	}
	for _, by := range []struct {
		key, value string
		match      func(connector.Object) bool
	}{
		{"external_id", ref.ExternalID, func(o connector.Object) bool { return o.ExternalID == ref.ExternalID }},
		{"account", ref.Account, func(o connector.Object) bool { return strings.EqualFold(o.Account, ref.Account) }},
	} {
		if by.value == "" || by.key == "external_id" && c.externalID == nil {
			continue
		}
		k, v := c.calls["find"], blank().with(values{by.key: by.value})
		got, err := c.do(ctx, op, k, v, connector.Object{}, "", nil)
		if connector.ClassOf(err) == connector.NotFound {
			if !k.isOfOne() && c.statuses[http.StatusNotFound] != connector.NotFound { // taken for "there is none", every account would be gone
				return connector.Object{}, connector.Errorf(connector.Transient, op, "404: the API does not know %s; "+
					"if it says so of an account that is not there, have rest.statuses say 404: {is: not_found}", k.path)
			}
			continue
		}
		if err != nil {
			return connector.Object{}, err
		}
		found, err := c.objects(k, got.set(v))
		if err != nil {
			return connector.Object{}, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
		}
		found = slices.DeleteFunc(found, func(o connector.Object) bool { return !by.match(o) })
		if len(found) > 1 {
			return connector.Object{}, connector.Errorf(connector.Conflict, op, "%d accounts are found by one %s; delete all but one", len(found), by.key)
		}
		if len(found) == 1 && !c.conditional {
			return found[0], nil
		}
		if len(found) == 1 { // the version comes with the account alone
			return c.read(ctx, op, found[0].RemoteID)
		}
	}
	return connector.Object{}, &connector.Error{Class: connector.NotFound, Op: op, Err: connector.ErrNotFound}
}

// isOfOne says that the call's path names one resource: 404 then means that there is none.
func (k call) isOfOne() bool { return placeholders.MatchString(k.path) }

// read gets one account by id.
func (c *Client) read(ctx context.Context, op, id string) (connector.Object, error) {
	k, v := c.calls["get"], blank().with(values{"id": id})
	got, err := c.do(ctx, op, k, v, connector.Object{}, "", nil)
	if err != nil {
		return connector.Object{}, err
	}
	item := got.body
	if k.item != nil {
		if item, err = k.item.plain(got.set(v)); err != nil {
			return connector.Object{}, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
		}
	}
	o, err := c.object(item)
	if err != nil {
		return connector.Object{}, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	if c.conditional {
		o.Version = got.header.Get("ETag")
	}
	return o, nil
}

func (c *Client) objects(k call, v values) ([]connector.Object, error) {
	items, err := k.items.list(v)
	if err != nil {
		return nil, err
	}
	out := make([]connector.Object, len(items))
	for i, item := range items {
		if out[i], err = c.object(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// complete adds the entitlements of every kind.
func (c *Client) complete(ctx context.Context, op string, o *connector.Object) error {
	o.Entitlements = nil
	for _, name := range slices.Sorted(maps.Keys(c.kinds)) {
		k, v := c.kinds[name], keys(o.Ref)
		got, err := c.do(ctx, op, k.list, v, connector.Object{}, "", nil)
		if err != nil {
			return err
		}
		items, err := k.list.items.list(got.set(v))
		if err != nil {
			return &connector.Error{Class: connector.Invalid, Op: op, Err: err}
		}
		for _, item := range items {
			text, isText := item.(string)
			if k.name != nil {
				if text, err = k.name.text(v.with(values{"item": item})); err != nil {
					return &connector.Error{Class: connector.Invalid, Op: op, Err: err}
				}
			} else if !isText {
				return connector.Errorf(connector.Invalid, op, "rest.entitlements.%s.list gives items that are no names; add name", name)
			}
			o.Entitlements = append(o.Entitlements, connector.Entitlement(name, text))
		}
	}
	slices.Sort(o.Entitlements)
	o.Entitlements = slices.Compact(o.Entitlements)
	return nil
}

func keys(ref connector.Ref) values {
	return blank().with(values{"id": ref.RemoteID, "account": ref.Account, "external_id": ref.ExternalID})
}

// Get reads one account and its entitlements.
func (c *Client) Get(ctx context.Context, ref connector.Ref) (connector.Object, error) {
	op := "get account " + ref.Account
	o, err := c.find(ctx, op, ref)
	if err != nil {
		return connector.Object{}, err
	}
	if err := c.complete(ctx, op, &o); err != nil {
		return connector.Object{}, err
	}
	return o, nil
}

const defaultPage = 100

// List returns one page. The token is the page's number, the cursor, or the address that a Link header gave.
func (c *Client) List(ctx context.Context, req connector.ListRequest) (page connector.Page, err error) {
	const op = "list accounts"
	k, ok := c.calls["list"]
	if !ok {
		return page, connector.Errorf(connector.Unsupported, op, "the target file has no rest.calls.list")
	}
	limit, number := req.Limit, 1
	if limit <= 0 {
		limit = defaultPage
	}
	v := blank().with(values{"limit": limit})
	var at *url.URL
	switch {
	case c.paging == "link" && req.Token != "":
		if at, err = c.same(req.Token); err != nil {
			return page, connector.Errorf(connector.Unsupported, op, "%w", err)
		}
	case c.paging == "page" && req.Token != "":
		if number, err = strconv.Atoi(req.Token); err != nil {
			return page, connector.Errorf(connector.Invalid, op, "the token %q is no page", req.Token)
		}
	}
	v["page"], v["cursor"] = number, req.Token
	got, err := c.do(ctx, op, k, v, connector.Object{}, "", at)
	if err != nil {
		return page, err
	}
	v = got.set(v)
	items, err := k.items.list(v)
	if err == nil {
		page.Objects, err = c.objects(k, v)
	}
	if err == nil {
		page.Next, err = c.next(k, v.with(values{"items": items}), len(items) > 0, number, got.header.Get("Link"))
	}
	if err == nil && page.Next != "" && page.Next == req.Token {
		err = fmt.Errorf("the list goes on where it was; correct rest.calls.list.next")
	}
	if err != nil {
		return connector.Page{}, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	for i := range page.Objects {
		if err := c.complete(ctx, op, &page.Objects[i]); err != nil {
			return connector.Page{}, err
		}
	}
	return page, nil
}

// next is the token of the next page. A page that is not full is no end: an API may give less at a time than it is asked for.
func (c *Client) next(k call, v values, some bool, number int, link string) (string, error) {
	switch {
	case c.paging == "link":
		return nextLink(link), nil
	case c.paging == "cursor":
		return k.next.text(v)
	case c.paging == "page" && some:
		return strconv.Itoa(number + 1), nil
	default:
		return "", nil
	}
}

// nextLink finds rel="next" in a Link header (RFC 8288).
func nextLink(header string) string {
	for part := range strings.SplitSeq(header, ",") {
		address, parameters, ok := strings.Cut(part, ">")
		if ok && (strings.Contains(parameters, `rel="next"`) || strings.Contains(parameters, "rel=next")) {
			return strings.TrimPrefix(strings.TrimSpace(address), "<")
		}
	}
	return ""
}

// same resolves a link, and refuses one that would carry our credentials to another server.
func (c *Client) same(link string) (*url.URL, error) {
	u, err := c.http.Base.Parse(link)
	if err != nil || u.Host != c.http.Base.Host || u.Scheme != c.http.Base.Scheme {
		return nil, fmt.Errorf("the list goes on at another server, which is not followed")
	}
	return u, nil
}

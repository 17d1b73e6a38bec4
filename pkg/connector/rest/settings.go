package rest

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/httpcall"
)

// Keys are the connection keys.
func Keys() []string {
	return []string{"url", "token", "header", "username", "password", "tokenURL", "clientId", "clientSecret", "scope"}
}

// call is one compiled call.
type call struct {
	method, path      string
	query, headers    map[string]*program
	body              *program
	item, items, next *program
}

// kind is how one kind of entitlement is asked and changed.
type kind struct {
	list, grant, revoke call
	name                *program
}

// methods are the usual ones.
var methods = map[string]string{"get": "GET", "find": "GET", "list": "GET", "create": "POST", "update": "PATCH", "enable": "PATCH",
	"disable": "PATCH", "delete": "DELETE", "grant": "PUT", "revoke": "DELETE",
	"open": "POST", "cancel": "PATCH"}

// Open checks the settings and compiles the expressions; it makes no call, so that a target that is down can be opened.
func Open(s connector.Settings) (*Client, error) {
	op := "open target " + s.Name
	if err := s.CheckKeys(Keys()...); err != nil {
		return nil, err
	}
	base, err := baseURL(s)
	if err != nil {
		return nil, err
	}
	if s.REST == nil {
		return nil, connector.Errorf(connector.Invalid, op, "the target file has no rest section; connector rest needs its calls")
	}
	c := &Client{
		paging: s.REST.Paging, conditional: s.REST.Conditional, statuses: s.REST.Statuses,
		http: httpcall.Caller{Base: base, HTTP: httpcall.NewClient(), Timeout: s.CallTimeout()},
	}
	c.http.Explain = c.explain
	if err := errors.Join(c.compile(s), c.authenticate(s.Connection)); err != nil {
		return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	return c, nil
}

func baseURL(s connector.Settings) (*url.URL, error) {
	base, err := url.Parse(s.Connection["url"])
	if err != nil || base.Host == "" || base.User != nil || base.Scheme != "http" && base.Scheme != "https" {
		return nil, connector.Errorf(connector.Invalid, "open target "+s.Name, "connection.url must be the http or https address of the API, without a password")
	}
	secret := s.Connection["token"] + s.Connection["password"] + s.Connection["clientSecret"]
	if httpcall.InClear(base) && secret != "" {
		return nil, connector.Errorf(connector.Invalid, "open target "+s.Name, "connection.url would send the credentials in the clear; use https")
	}
	return base, nil
}

// compile compiles every expression, or names every fault.
func (c *Client) compile(s connector.Settings) error {
	k, err := newCompiler()
	if err != nil {
		return err
	}
	a := s.REST.Account
	c.id, c.account = k.compile("rest.account.id", a.ID), k.compile("rest.account.account", a.Account)
	c.externalID, c.enabled = k.compile("rest.account.external_id", a.ExternalID), k.compile("rest.account.enabled", a.Enabled)
	c.attributes = map[string]*program{}
	for name, text := range a.Attributes {
		c.attributes[name] = k.compile("rest.account.attributes."+name, text)
	}
	for _, name := range s.Attributes {
		if _, ok := a.Attributes[name]; !ok {
			k.faults = append(k.faults, errors.New("rest.account.attributes lacks "+name+", which account.attributes writes: it could not be compared"))
		}
	}
	c.calls = map[string]call{}
	for _, name := range slices.Sorted(maps.Keys(s.REST.Calls)) {
		c.calls[name] = k.call("rest.calls."+name, name, s.REST.Calls[name])
	}
	for _, must := range []string{"get", "find", "create", "update", "enable", "disable"} {
		if _, ok := c.calls[must]; !ok {
			k.faults = append(k.faults, errors.New("rest.calls."+must+" is missing"))
		}
	}
	c.kinds = map[string]kind{}
	for _, name := range slices.Sorted(maps.Keys(s.REST.Entitlements)) {
		e, where := s.REST.Entitlements[name], "rest.entitlements."+name
		c.kinds[name] = kind{k.call(where+".list", "list", e.List), k.call(where+".grant", "grant", e.Grant),
			k.call(where+".revoke", "revoke", e.Revoke), k.compile(where+".name", e.Name)}
	}
	for _, name := range s.Entitlements {
		if _, ok := c.kinds[name]; !ok {
			k.faults = append(k.faults, errors.New("rest.entitlements lacks the calls of "+name))
		}
	}
	if c.paging == "cursor" && c.calls["list"].next == nil {
		k.faults = append(k.faults, errors.New("rest.calls.list.next is missing; paging by cursor needs it"))
	}
	return k.err()
}

func (c *compiler) call(where, name string, r connector.RESTCall) call {
	out := call{method: r.Method, path: r.Path, query: map[string]*program{}, headers: map[string]*program{}}
	if out.method == "" {
		out.method = methods[name]
	}
	c.checkPath(where+".path", r.Path)
	for _, key := range slices.Sorted(maps.Keys(r.Query)) {
		out.query[key] = c.compile(where+".query."+key, r.Query[key])
	}
	for _, key := range slices.Sorted(maps.Keys(r.Headers)) {
		out.headers[http.CanonicalHeaderKey(key)] = c.compile(where+".headers."+key, r.Headers[key])
	}
	out.body = c.compile(where+".body", r.Body)
	out.item, out.items, out.next = c.compile(where+".item", r.Item), c.compile(where+".items", r.Items), c.compile(where+".next", r.Next)
	return out
}

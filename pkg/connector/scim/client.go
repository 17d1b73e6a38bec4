package scim

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/httpcall"
)

const mediaType = "application/scim+json"

// groupKind is the one entitlement kind that SCIM has: `group/<displayName>`.
const groupKind = "group"

// Client is one SCIM service.
type Client struct {
	name                      string
	token, username, password string
	caller                    httpcall.Caller
	attributes                []string // that the target file maps; nil: not known, any
	managesGroups             bool
	createsGroups             bool
	keepsExternalID           bool

	mu       sync.Mutex
	provider *provider // nil until it has been asked for
	groups   groupIndex
}

// Keys are the connection keys.
func Keys() []string {
	return []string{"url", "token", "username", "password", "createGroups", "externalId"}
}

// Open checks the settings; it makes no call, so that a target that is down can be opened.
func Open(s connector.Settings) (*Client, error) {
	op := "open target " + s.Name
	if err := s.CheckKeys(Keys()...); err != nil {
		return nil, err
	}
	base, err := url.Parse(s.Connection["url"])
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, connector.Errorf(connector.Invalid, op, "connection.url must be the http or https address of the SCIM service, such as https://chat.example/scim/v2")
	}
	if base.User != nil {
		return nil, connector.Errorf(connector.Invalid, op, "connection.url carries a password; use connection.username and connection.password")
	}
	if httpcall.InClear(base) && (s.Connection["token"] != "" || s.Connection["password"] != "") {
		return nil, connector.Errorf(connector.Invalid, op, "connection.url would send the credentials in the clear; use https")
	}
	for _, kind := range s.Entitlements {
		if kind != groupKind {
			return nil, connector.Errorf(connector.Unsupported, op, "entitlements: SCIM has the kind %q only, not %q", groupKind, kind)
		}
	}
	for _, name := range s.Attributes {
		if _, err := parsePath(name); err != nil {
			return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
		}
	}
	c := &Client{
		name: s.Name, attributes: s.Attributes,
		token: s.Connection["token"], username: s.Connection["username"], password: s.Connection["password"],
		managesGroups:   slices.Contains(s.Entitlements, groupKind),
		createsGroups:   s.Connection["createGroups"] != "false",
		keepsExternalID: s.Connection["externalId"] != "false",
		groups:          groupIndex{ids: map[string]string{}, creating: make(chan struct{}, 1), replacing: make(chan struct{}, 1)},
	}
	c.caller = httpcall.Caller{Base: base, HTTP: httpcall.NewClient(), Timeout: s.CallTimeout(), MediaType: mediaType, Authorize: c.authorize, Explain: explain}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() error {
	c.caller.HTTP.CloseIdleConnections()
	return nil
}

// provider is what ServiceProviderConfig says.
type provider struct {
	Patch  supported `json:"patch"`
	Filter supported `json:"filter"`
	ETag   supported `json:"etag"`
}

type supported struct {
	Supported bool `json:"supported"`
}

// features asks the service once what it can do. One that has no ServiceProviderConfig is taken to patch and filter.
func (c *Client) features(ctx context.Context) (provider, error) {
	c.mu.Lock()
	known := c.provider
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	p := provider{Patch: supported{true}, Filter: supported{true}}
	op := "read ServiceProviderConfig"
	res, err := c.do(ctx, request{op: op, method: http.MethodGet, path: "ServiceProviderConfig"})
	switch class := connector.ClassOf(err); {
	case err == nil:
		p = provider{}
		if err := decode(res.body, &p); err != nil {
			return p, httpcall.Garbled(http.MethodGet, op, "%w", err)
		}
	case class != connector.NotFound && class != connector.Unsupported:
		return p, err
	default: // it has none, if it is there at all
		if _, err := c.list(ctx, request{op: op, path: "Users", query: url.Values{"count": {"1"}}}); err != nil {
			return p, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.provider = &p
	return p, nil
}

// Describe reads what the service can do.
func (c *Client) Describe(ctx context.Context) (connector.Descriptor, error) {
	p, err := c.features(ctx)
	if err != nil {
		return connector.Descriptor{}, err
	}
	return connector.Descriptor{
		Connector: "scim", Kinds: []string{groupKind}, Attributes: c.attributes,
		ExternalID: c.keepsExternalID, Rename: true, Conditional: p.ETag.Supported, List: true,
	}, nil
}

// Check tries discovery and a read of users and of groups. Rights to write show only in writing.
func (c *Client) Check(ctx context.Context) ([]connector.Finding, error) {
	p, err := c.features(ctx)
	if ctx.Err() != nil {
		return nil, connector.ContextError(ctx, "check target", false)
	}
	if err != nil {
		return []connector.Finding{{Level: connector.Fault, Subject: "reachable", Message: err.Error() + "; see connection.url and connection.token"}}, nil
	}
	findings := []connector.Finding{{Level: connector.OK, Subject: "reachable", Message: "it answers as a SCIM 2.0 service"}}
	if !p.Filter.Supported {
		findings = append(findings, connector.Finding{Level: connector.Warning, Subject: "filter",
			Message: "not supported: every look-up reads all users"})
	}
	if !p.Patch.Supported {
		findings = append(findings, connector.Finding{Level: connector.Warning, Subject: "patch",
			Message: "not supported: changes replace the whole resource, and may undo one made at the same time"})
	}
	types := []string{"Users"}
	if c.managesGroups {
		types = append(types, "Groups")
	}
	for _, path := range types {
		f := connector.Finding{Level: connector.OK, Subject: "read " + path, Message: "allowed"}
		_, err := c.do(ctx, request{op: "list " + path, method: http.MethodGet, path: path, query: url.Values{"count": {"1"}}})
		if ctx.Err() != nil {
			return nil, connector.ContextError(ctx, "check target", false)
		}
		if err != nil {
			f.Level, f.Message = connector.Fault, err.Error()
		}
		findings = append(findings, f)
	}
	return findings, nil
}

// Normalize puts the attributes into the form in which Get answers.
func (c *Client) Normalize(want connector.Desired) connector.Desired {
	if want.Attributes == nil {
		return want
	}
	attributes := make(map[string]string, len(want.Attributes))
	for name, value := range maps.All(want.Attributes) {
		p, err := parsePath(name)
		if err != nil { // Apply will say so
			attributes[name] = value
			continue
		}
		attributes[p.name()] = canonical(p, value)
	}
	want.Attributes = attributes
	return want
}

// listAnswer is a ListResponse.
type listAnswer struct {
	Total      *int       `json:"totalResults"`
	StartIndex int        `json:"startIndex"`
	Resources  []resource `json:"Resources"`
}

func (c *Client) list(ctx context.Context, r request) (listAnswer, error) {
	var answer listAnswer
	r.method = http.MethodGet
	res, err := c.do(ctx, r)
	if isNotFound(err) { // of one who takes it for "there are none", every account would be gone
		return answer, connector.Errorf(connector.Transient, r.op, "404: the service does not know its %s; see connection.url", r.path)
	}
	if err != nil {
		return answer, err
	}
	if err := decode(res.body, &answer); err != nil {
		return answer, httpcall.Garbled(r.method, r.op, "%w", err)
	}
	if answer.Total == nil {
		return answer, httpcall.Garbled(r.method, r.op, "the answer is no SCIM list: it has no totalResults")
	}
	// One that always gives the first page would make the accounts behind it look deleted.
	if asked := r.query.Get("startIndex"); asked != "" && len(answer.Resources) > 0 && answer.StartIndex != 0 && itoa(answer.StartIndex) != asked {
		return answer, connector.Errorf(connector.Unsupported, r.op, "asked to go on from %s, the service gave a page from %d: it cannot page", asked, answer.StartIndex)
	}
	return answer, nil
}

// pageSize is what we ask for; a service may give less.
const pageSize = 100

// search returns the resources for which attribute equals value and match is true. It looks at each answer itself,
// since some services ignore filters; where there are none, it reads everything.
func (c *Client) search(ctx context.Context, op, path, attribute, value string, extra url.Values, match func(resource) bool) ([]resource, error) {
	p, err := c.features(ctx)
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	maps.Copy(query, extra)
	if p.Filter.Supported {
		query.Set("filter", attribute+" eq "+quote(value))
	}
	return c.scan(ctx, request{op: op, path: path, query: query}, match)
}

// scan reads page after page until the end and keeps what matches, each id once.
func (c *Client) scan(ctx context.Context, r request, match func(resource) bool) ([]resource, error) {
	var found []resource
	seen := map[string]bool{}
	r.query.Set("count", itoa(pageSize))
	for start := 1; ; {
		if start > 1 {
			r.query.Set("startIndex", itoa(start))
		}
		answer, err := c.list(ctx, r)
		if err != nil {
			return nil, err
		}
		fresh := 0
		for _, res := range answer.Resources {
			if id := res.text("id"); !seen[id] {
				seen[id] = true
				fresh++
				if match(res) {
					found = append(found, res)
				}
			}
		}
		start += len(answer.Resources)
		repeats := len(answer.Resources) > 0 && fresh == 0
		switch {
		case repeats && len(found) == 0 && len(seen) < *answer.Total: // what is behind would seem not to be there
			return nil, connector.Errorf(connector.Unsupported, r.op, "the service has %d %s and gives the same %d again and again: it cannot page", *answer.Total, r.path, len(seen))
		case repeats, start > *answer.Total:
			return found, nil
		case len(answer.Resources) == 0:
			return nil, connector.Errorf(connector.Transient, r.op, "the service has %d %s and gives %d: the list is cut short", *answer.Total, r.path, len(seen))
		}
	}
}

// same compares names as SCIM does for userName.
func same(a, b string) bool { return strings.EqualFold(a, b) }

func isNotFound(err error) bool { return errors.Is(err, connector.ErrNotFound) }

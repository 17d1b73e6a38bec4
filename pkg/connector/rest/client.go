package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/httpcall"
)

// Client is one API.
type Client struct {
	http                             httpcall.Caller
	id, account, externalID, enabled *program
	attributes                       map[string]*program
	calls                            map[string]call
	kinds                            map[string]kind
	paging                           string
	conditional                      bool
	statuses                         map[int]connector.Class
}

// Close drops idle connections.
func (c *Client) Close() error {
	c.http.HTTP.CloseIdleConnections()
	return nil
}

// Describe says what the target file allows; it makes no call.
func (c *Client) Describe(context.Context) (connector.Descriptor, error) {
	_, lists := c.calls["list"]
	return connector.Descriptor{
		Connector: "rest", Kinds: slices.AppendSeq([]string{}, sortedKeys(c.kinds)), Attributes: slices.AppendSeq([]string{}, sortedKeys(c.attributes)),
		ExternalID: c.externalID != nil, Rename: true, Conditional: c.conditional, List: lists,
	}, nil
}

func sortedKeys[V any](m map[string]V) func(func(string) bool) {
	return slices.Values(slices.Sorted(maps.Keys(m)))
}

// Check makes the calls that read: for an account that does not exist, and the first page of the list.
func (c *Client) Check(ctx context.Context) ([]connector.Finding, error) {
	var findings []connector.Finding
	found := func(subject string, err error) bool {
		f := connector.Finding{Level: connector.OK, Subject: subject, Message: "allowed"}
		if err != nil {
			f.Level, f.Message = connector.Fault, err.Error()
		}
		findings = append(findings, f)
		return err == nil
	}
	_, err := c.Get(ctx, connector.Ref{Account: "joinery-check-nobody"})
	if errors.Is(err, connector.ErrNotFound) {
		err = nil
	}
	if ctx.Err() != nil {
		return nil, connector.ContextError(ctx, "check target", false)
	}
	if err != nil && connector.ClassOf(err).Retryable() {
		err = connector.Errorf(connector.ClassOf(err), "find an account", "%w; see connection.url", err)
	}
	if !found("right to find accounts", err) {
		return findings, nil
	}
	if _, lists := c.calls["list"]; lists {
		_, err := c.List(ctx, connector.ListRequest{Limit: 1})
		if ctx.Err() != nil {
			return nil, connector.ContextError(ctx, "check target", false)
		}
		found("right to list accounts", err)
	} else {
		findings = append(findings, connector.Finding{Level: connector.Warning, Subject: "list accounts",
			Message: "rest.calls.list is missing: the target cannot be reconciled"})
	}
	for _, name := range slices.Sorted(maps.Keys(c.calls)) {
		if call := c.calls[name]; call.method != http.MethodGet {
			findings = append(findings, connector.Finding{Level: connector.Warning, Subject: "right to " + call.method + " " + call.path,
				Message: "needed to " + name + "; not tried, since it shows only in doing so"})
		}
	}
	return findings, nil
}

// explain gives a status the class that the target file says it has.
func (c *Client) explain(status int, body []byte) (string, connector.Class) {
	var problem struct{ Detail, Message, Error string }
	if json.Unmarshal(body, &problem) != nil {
		return "", c.statuses[status]
	}
	for _, said := range []string{problem.Detail, problem.Message, problem.Error} {
		if said != "" {
			return said, c.statuses[status]
		}
	}
	return "", c.statuses[status]
}

// answer is what an API said.
type answer struct {
	body   any
	header http.Header
}

// set returns the variables with the answer in them.
func (a answer) set(v values) values {
	headers := make(map[string]string, len(a.header))
	for name := range a.header {
		headers[strings.ToLower(name)] = a.header.Get(name)
	}
	return v.with(values{"response": a.body, "headers": headers})
}

// do makes a call. at: another address than the call's own.
func (c *Client) do(ctx context.Context, op string, k call, v values, want connector.Object, version string, at *url.URL) (answer, error) {
	r := httpcall.Request{Op: op, Method: k.method, URL: at, Query: url.Values{}, Header: http.Header{}, Want: want}
	path, err := expand(k.path, v)
	if err != nil {
		return answer{}, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	r.Path = path
	for name, p := range k.query {
		text, err := p.text(v)
		if err != nil {
			return answer{}, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
		}
		if text != "" {
			r.Query.Set(name, text)
		}
	}
	for name, p := range k.headers {
		text, err := p.text(v)
		if err != nil {
			return answer{}, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
		}
		r.Header.Set(name, text)
	}
	if r.Body, err = k.body.plain(v); err != nil {
		return answer{}, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	if key, _ := v["key"].(string); k.method != http.MethodGet && key != "" {
		sum := sha256.Sum256([]byte(key)) // a header takes ASCII; a key may hold names
		// Not by Set: net/http sends a request with an Idempotency-Key a second time by itself when the connection breaks,
		// and not every API honours the key. It looks for the header in its canonical form only; servers do not.
		r.Header["idempotency-key"] = []string{hex.EncodeToString(sum[:16])}
	}
	if c.conditional && version != "" && k.method != http.MethodGet {
		r.Header.Set("If-Match", version)
	}
	res, err := c.http.Do(ctx, r)
	if err != nil {
		return answer{}, err
	}
	out := answer{header: res.Header}
	if len(res.Body) > 0 && json.Unmarshal(res.Body, &out.body) != nil && k.method == http.MethodGet {
		return out, httpcall.Garbled(k.method, op, "the answer is no JSON")
	}
	return out, nil
}

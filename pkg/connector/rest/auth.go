package rest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/httpcall"
)

// authenticate chooses how calls prove who makes them.
func (c *Client) authenticate(connection map[string]string) error {
	token, header := connection["token"], connection["header"]
	user, tokenURL := connection["username"], connection["tokenURL"]
	ways := 0
	for _, way := range []string{token, user, tokenURL} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("connection has more than one of token, username and tokenURL; keep one")
	case header != "" && token == "":
		return errors.New("connection.header names the header of connection.token, which is missing")
	case token != "":
		name, value := "Authorization", "Bearer "+token
		if header != "" {
			name, value = header, token
		}
		c.http.Authorize = func(_ context.Context, r *http.Request) error { r.Header.Set(name, value); return nil }
	case user != "":
		c.http.Authorize = func(_ context.Context, r *http.Request) error {
			r.SetBasicAuth(user, connection["password"])
			return nil
		}
	case tokenURL != "":
		u, err := url.Parse(tokenURL)
		if err != nil || u.Host == "" || u.User != nil || connection["clientId"] == "" || connection["clientSecret"] == "" {
			return errors.New("connection.tokenURL must be an address, with clientId and clientSecret beside it")
		}
		if httpcall.InClear(u) {
			return errors.New("connection.tokenURL would send the credentials in the clear; use https")
		}
		g := &granter{http: c.http.HTTP, config: clientcredentials.Config{ClientID: connection["clientId"], ClientSecret: connection["clientSecret"], TokenURL: tokenURL}}
		if scope := connection["scope"]; scope != "" {
			g.config.Scopes = []string{scope}
		}
		c.http.Authorize, c.http.Refresh = g.authorize, g.drop
	}
	return nil
}

// granter gets tokens by client credentials and keeps the last.
type granter struct {
	http   *http.Client
	config clientcredentials.Config

	mu    sync.Mutex
	token *oauth2.Token
	got   time.Time
}

func (g *granter) authorize(ctx context.Context, r *http.Request) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.token.Valid() { // nil, or about to end
		token, err := g.config.Token(context.WithValue(ctx, oauth2.HTTPClient, g.http))
		if err != nil {
			return g.failed(ctx, err)
		}
		g.token, g.got = token, time.Now()
	}
	g.token.SetAuthHeader(r)
	return nil
}

// failed classes a token that was not given. Nothing has been sent to the target yet.
func (g *granter) failed(ctx context.Context, err error) error {
	const op = "get an OAuth2 token"
	if ctx.Err() != nil {
		return connector.ContextError(ctx, op, false)
	}
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		class := connector.Transient
		if refused.Response.StatusCode < 500 && refused.Response.StatusCode != http.StatusTooManyRequests {
			class = connector.Denied
		}
		return connector.Errorf(class, op, "%d %s; see connection.tokenURL, clientId and clientSecret", refused.Response.StatusCode, refused.ErrorCode)
	}
	return connector.Errorf(connector.Transient, op, "the token service gives no answer")
}

// reuse is how old a refused token must be for another to be worth a try.
const reuse = time.Second

// drop forgets a token that the target no longer takes, and reports whether another is worth a try.
func (g *granter) drop() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token == nil || time.Since(g.got) < reuse {
		return false
	}
	g.token = nil
	return true
}

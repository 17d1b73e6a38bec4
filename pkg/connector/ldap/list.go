package ldap

import (
	"context"
	"crypto/rand"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/connector"
)

const (
	defaultPage  = 500
	maxListings  = 4 // under way at once; one more ends the oldest
	groupReaders = 8 // searches for groups at once, in a listing
)

// listing is one under way. The server remembers where it is by connection, so that connection is the listing's own.
type listing struct {
	conn   *conn
	cookie []byte
	turn   int64 // of its last page; the lowest is the oldest
}

// List returns accounts page by page (RFC 2696). A listing that is cut short begins again from the start: a token is good
// once, on this Client.
func (c *Client) List(ctx context.Context, req connector.ListRequest) (page connector.Page, err error) {
	const op = "list accounts"
	limit := req.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	l, err := c.resume(ctx, op, req.Token)
	if err != nil {
		return page, err
	}
	more := false
	err = c.with(ctx, op, connector.Object{}, func(k *call) error {
		stop := context.AfterFunc(k.ctx, func() { _ = l.conn.raw.Close() })
		defer stop()
		control := ldap.NewControlPaging(uint32(limit))
		control.SetCookie(l.cookie)
		if err := connector.Pace(k.ctx); err != nil {
			return err
		}
		res, err := l.conn.Search(c.query(c.profile.people, control))
		if err != nil {
			return c.noBase(err)
		}
		l.cookie = nil
		if answer, ok := ldap.FindControl(res.Controls, pagingOID).(*ldap.ControlPaging); ok {
			l.cookie = answer.Cookie
		}
		more = len(l.cookie) > 0
		page.Objects, err = c.objects(k.ctx, res.Entries)
		return err
	})
	switch {
	case err != nil:
		l.conn.end()
		return connector.Page{}, err
	case !more:
		c.pool.give(l.conn)
		return page, nil
	}
	page.Next = c.keep(l)
	return page, nil
}

// resume takes the listing of a token, or begins one.
func (c *Client) resume(ctx context.Context, op, token string) (*listing, error) {
	if token == "" {
		limited, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		taken, err := c.pool.take(limited)
		if err != nil {
			return nil, (&call{ctx: limited, op: op}).fail(err)
		}
		return &listing{conn: taken}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.listings[token]
	if !ok {
		return nil, connector.Errorf(connector.Transient, op, "the listing has ended; begin again from the start")
	}
	delete(c.listings, token)
	return l, nil
}

// keep puts a listing away until its next page is asked for, and returns its token.
func (c *Client) keep(l *listing) string {
	token := rand.Text()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.listings) >= maxListings {
		oldest := ""
		for t, other := range c.listings {
			if oldest == "" || other.turn < c.listings[oldest].turn {
				oldest = t
			}
		}
		c.listings[oldest].conn.end()
		delete(c.listings, oldest)
	}
	c.turn++
	l.turn = c.turn
	c.listings[token] = l
	return token
}

// objects makes accounts of entries, with their groups.
func (c *Client) objects(ctx context.Context, entries []*ldap.Entry) ([]connector.Object, error) {
	out := make([]connector.Object, len(entries))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(groupReaders)
	for i, e := range entries {
		out[i] = c.object(e)
		if c.profile.memberOf || !c.managesGroups {
			continue
		}
		g.Go(func() error {
			return c.with(ctx, "read groups", connector.Object{}, func(k *call) error { return c.complete(k, e, &out[i]) })
		})
	}
	return out, g.Wait()
}

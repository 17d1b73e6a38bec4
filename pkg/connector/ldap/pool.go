package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"github.com/go-ldap/ldap/v3"
)

// maxIdle is how many connections are kept: more than a target's concurrency, so that each finds one.
const maxIdle = 16

// conn is a connection that has bound. raw is what it runs over: closing that ends every call at once.
type conn struct {
	*ldap.Conn
	raw net.Conn
}

// end closes the connection. A server that is gone cannot be told goodbye.
func (c *conn) end() {
	_ = c.raw.Close()
	_ = c.Conn.Close()
}

// pool keeps idle connections. One that is in use belongs to one call alone.
type pool struct {
	endpoint endpoint
	dialer   net.Dialer

	mu     sync.Mutex
	idle   []*conn
	closed bool
}

func newPool(e endpoint) *pool { return &pool{endpoint: e} }

// take returns an idle connection that the server has not ended, or a new one.
func (p *pool) take(ctx context.Context) (*conn, error) {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return p.dial(ctx)
		}
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if !c.IsClosing() {
			return c, nil
		}
		c.end()
	}
}

func (p *pool) give(c *conn) {
	p.mu.Lock()
	keep := !p.closed && !c.IsClosing() && len(p.idle) < maxIdle
	if keep {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		c.end()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, c := range idle {
		c.end()
	}
}

// dial connects, encrypts and binds.
func (p *pool) dial(ctx context.Context) (*conn, error) {
	raw, err := p.dialer.DialContext(ctx, "tcp", p.endpoint.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() }) // it ends the handshake and the bind
	defer stop()
	c := &conn{raw: raw}
	if p.endpoint.secure {
		secured := tls.Client(raw, p.endpoint.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		c.Conn = ldap.NewConn(secured, true)
	} else {
		c.Conn = ldap.NewConn(raw, false)
	}
	c.Start()
	if p.endpoint.startTLS {
		if err := c.StartTLS(p.endpoint.tls); err != nil {
			c.end()
			return nil, err
		}
	}
	if p.endpoint.user != "" {
		if err := c.Bind(p.endpoint.user, p.endpoint.password); err != nil {
			c.end()
			return nil, err
		}
	}
	return c, nil
}

// Package failpoint ends a process at a named place, as `kill -9` does, so that tests can say where it dies.
//
// It owns the place and the count of visits. Only programs that tests build use it. Places are names that the program
// gives to Reach, and "before", "sent" or "answered" with the name of a request to Kafka: before it is written, when it has
// been, when its answer has arrived. A Point is safe for concurrent use; a nil one is nowhere.
//
//	p := failpoint.New("sent EndTxn", 3, unix.SIGKILL)
//	client, err := kgo.NewClient(p.Options(nil)...)
package failpoint

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

// Point is the place where the process ends, or stops.
type Point struct {
	name   string
	signal unix.Signal
	left   atomic.Int64 // visits until then
}

// New makes the point of the nth visit to a place; the process then sends itself the signal.
func New(name string, nth int64, signal unix.Signal) *Point {
	p := &Point{name: name, signal: signal}
	p.left.Store(nth)
	return p
}

// Reach is a visit. It returns if this is not the place and time.
func (p *Point) Reach(name string) {
	if p == nil || name != p.name || p.left.Add(-1) != 0 {
		return
	}
	if err := unix.Kill(os.Getpid(), p.signal); err != nil {
		panic("failpoint: signal itself: " + err.Error())
	}
	if p.signal == unix.SIGKILL {
		select {} // whoever is here goes no further
	}
}

// Dialer opens a connection to a broker.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Options make a client of Kafka visit the places of its requests. A nil dialer is the usual one.
func (p *Point) Options(dial Dialer) []kgo.Opt {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	return []kgo.Opt{kgo.Dialer(p.watched(dial)), kgo.WithHooks(p)}
}

// watched makes connections that visit "before" and "sent".
func (p *Point) watched(dial Dialer) Dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c, point: p}, nil
	}
}

type conn struct {
	net.Conn
	point *Point
}

// Write carries whole requests: 4 bytes of length, 2 of key.
func (c *conn) Write(b []byte) (int, error) {
	if len(b) < 6 {
		return c.Conn.Write(b)
	}
	name := kmsg.NameForKey(int16(b[4])<<8 | int16(b[5]))
	c.point.Reach("before " + name)
	n, err := c.Conn.Write(b)
	c.point.Reach("sent " + name)
	return n, err
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (p *Point) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err == nil {
		p.Reach("answered " + kmsg.NameForKey(key))
	}
}

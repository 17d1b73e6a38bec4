package process_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// mode is what a gate does to what passes.
type mode int

const (
	open  mode = iota
	down       // refuses connections, and cuts those there are
	hang       // takes requests and passes nothing on
	drip       // passes answers on a byte now and then
	loses      // passes writes on, and cuts the connection instead of answering
)

// moment is when something passes the gate.
type moment string

const (
	asked moment = "asked" // a request came and has not been passed on
	wrote moment = "write" // so did a write
	acted moment = "acted" // the target has answered a write, and the answer has not been passed on
)

// gate stands between a connector and its target, on the level of bytes.
type gate struct {
	t         testing.TB
	network   string // of the target
	address   string
	newWrites func() func(chunk []byte) bool // of a connection: says whether what it sends changes something
	listen    string                         // the address that stays
	tls       *tls.Config                    // what clients speak; nil: plain

	mu       sync.Mutex
	mode     mode
	changed  chan struct{} // closed when mode changes
	listener net.Listener
	conns    map[net.Conn]bool
	strike   *strike
	group    sync.WaitGroup
}

// strike is what happens at the nth of a moment.
type strike struct {
	at   moment
	left int
	do   func()
}

// newGate makes a gate at an address where nobody else is: while it is down, its port must stay free.
func newGate(t testing.TB, network, address string, newWrites func() func([]byte) bool) *gate {
	t.Helper()
	return newTLSGate(t, network, address, newWrites, fmt.Sprintf("127.%d.%d.%d", 64+rand.IntN(128), rand.IntN(256), 1+rand.IntN(254)), nil)
}

// newTLSGate makes one that takes TLS off what passes, at the host whose certificate it has.
func newTLSGate(t testing.TB, network, address string, newWrites func() func([]byte) bool, host string, c *tls.Config) *gate {
	t.Helper()
	g := &gate{t: t, network: network, address: address, newWrites: newWrites, changed: make(chan struct{}), conns: map[net.Conn]bool{}, listen: host + ":0", tls: c}
	g.set(open)
	t.Cleanup(func() { g.set(down); g.group.Wait() })
	return g
}

// set changes the mode for all that passes from now on.
func (g *gate) set(m mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mode = m
	close(g.changed)
	g.changed = make(chan struct{})
	if m == down {
		if g.listener != nil {
			g.listener.Close()
			g.listener = nil
		}
		for c := range g.conns {
			c.Close()
		}
		return
	}
	if g.listener == nil {
		l, err := net.Listen("tcp", g.listen)
		if err != nil {
			g.t.Errorf("open the gate again: %v", err)
			return
		}
		g.listener, g.listen = l, l.Addr().String()
		if g.tls != nil {
			l = tls.NewListener(l, g.tls)
		}
		g.group.Go(func() { g.accept(l) })
	}
}

func (g *gate) now() (mode, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mode, g.changed
}

// strikeAt has do done at the nth moment from now on. Whatever passes waits for it.
func (g *gate) strikeAt(at moment, nth int, do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strike = &strike{at, nth, do}
}

func (g *gate) reach(at moment) {
	g.mu.Lock()
	s := g.strike
	struck := false
	if s != nil && s.at == at {
		s.left--
		if struck = s.left == 0; struck {
			g.strike = nil
		}
	}
	g.mu.Unlock()
	if struck {
		s.do()
	}
}

func (g *gate) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if !g.keep(c) {
			continue
		}
		g.group.Go(func() { g.serve(c) })
	}
}

// keep notes a connection, or closes it if the gate is closed by now.
func (g *gate) keep(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mode == down {
		c.Close()
		return false
	}
	g.conns[c] = true
	return true
}

func (g *gate) forget(c net.Conn) {
	c.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

// link is one connection through the gate.
type link struct {
	g              *gate
	client, target net.Conn

	mu    sync.Mutex
	write bool // the last request was one
	lost  bool // and its answer is not to arrive
}

func (g *gate) serve(client net.Conn) {
	defer g.forget(client)
	target, err := net.Dial(g.network, g.address)
	if err != nil || !g.keep(target) {
		return
	}
	defer g.forget(target)
	l := &link{g: g, client: client, target: target}
	var back sync.WaitGroup
	back.Go(func() { l.answers(); client.Close(); target.Close() })
	l.requests()
	client.Close()
	target.Close()
	back.Wait()
}

func (l *link) requests() {
	writes := l.g.newWrites()
	buf := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buf)
		if err != nil {
			return
		}
		write := writes(buf[:n])
		l.g.reach(asked)
		if write {
			l.g.reach(wrote)
		}
		for m, changed := l.g.now(); m == hang; m, changed = l.g.now() {
			if !l.wait(changed) {
				return
			}
		}
		m, _ := l.g.now()
		l.mu.Lock()
		l.write, l.lost = write, write && m == loses
		l.mu.Unlock()
		if _, err := l.target.Write(buf[:n]); err != nil {
			return
		}
	}
}

// wait waits until the mode changes; false: the client has gone meanwhile, and its request is dropped.
func (l *link) wait(changed <-chan struct{}) bool {
	still := make(chan bool, 1)
	go func() {
		_, err := l.client.Read(make([]byte, 1))
		var timeout net.Error
		still <- errors.As(err, &timeout) && timeout.Timeout()
	}()
	select {
	case <-changed:
		if err := l.client.SetReadDeadline(time.Now()); err != nil {
			return false
		}
		return <-still && l.client.SetReadDeadline(time.Time{}) == nil
	case here := <-still:
		return here
	}
}

func (l *link) answers() {
	buf := make([]byte, 64<<10)
	for {
		n, err := l.target.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		write, lost := l.write, l.lost
		l.mu.Unlock()
		if write {
			l.g.reach(acted)
		}
		if lost {
			return
		}
		if l.pass(buf[:n]) != nil {
			return
		}
	}
}

// pass gives an answer on, a byte now and then while the gate drips.
func (l *link) pass(b []byte) error {
	for len(b) > 0 {
		m, changed := l.g.now()
		if m != drip {
			_, err := l.client.Write(b)
			return err
		}
		if _, err := l.client.Write(b[:1]); err != nil {
			return err
		}
		b = b[1:]
		pace := time.NewTimer(50 * time.Millisecond)
		select {
		case <-changed:
		case <-pace.C:
		}
		pace.Stop()
	}
	return nil
}

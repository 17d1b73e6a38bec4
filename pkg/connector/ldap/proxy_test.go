package ldap_test

import (
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector/connectortest"
)

// proxy stands between the connector and a directory. It reads each request, and spoils the one it is told to.
type proxy struct {
	listener net.Listener
	target   string
	writes   atomic.Int64

	mu    sync.Mutex
	fault *connectortest.HTTPFault
	conns []net.Conn
}

func newProxy(t *testing.T, target string) connectortest.Faulty {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatalf("parse the target's URL: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p := &proxy{listener: l, target: u.Host}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { p.Close(); running.Wait() })
	return p
}

func (p *proxy) URL() string { return "ldap://" + p.listener.Addr().String() }
func (p *proxy) Writes() int { return int(p.writes.Load()) }
func (p *proxy) Clear()      { p.Next(connectortest.HTTPFault{}) }

func (p *proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) Next(f connectortest.HTTPFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = &f
	if f == (connectortest.HTTPFault{}) {
		p.fault = nil
	}
}

const bindRequest, searchRequest, unbindRequest = 0, 3, 2

func (p *proxy) take(op ber.Tag) *connectortest.HTTPFault {
	read := op == searchRequest
	if op == bindRequest || op == unbindRequest {
		return nil
	}
	if !read {
		p.writes.Add(1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fault
	if f == nil || f.OnlyWrites && read {
		return nil
	}
	p.fault = nil
	return f
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	var swallow atomic.Bool
	answered := make(chan struct{}, 1)
	var answers sync.WaitGroup
	answers.Go(func() {
		for {
			packet, err := ber.ReadPacket(server)
			if err != nil {
				_ = client.Close()
				return
			}
			if swallow.Load() {
				answered <- struct{}{}
				continue
			}
			if _, err := client.Write(packet.Bytes()); err != nil {
				_ = client.Close()
				return
			}
		}
	})
	defer answers.Wait()
	defer server.Close()
	defer client.Close()
	for {
		packet, err := ber.ReadPacket(client)
		if err != nil {
			return
		}
		f := p.take(packet.Children[1].Tag)
		if f != nil {
			swallow.Store(true)
		}
		if f == nil || f.AfterCommit {
			if _, err := server.Write(packet.Bytes()); err != nil {
				return
			}
		}
		if f == nil {
			continue
		}
		if f.AfterCommit {
			<-answered
		}
		if f.Status != 0 {
			if _, err := client.Write(other(packet)); err != nil {
				return
			}
			swallow.Store(false)
			continue
		}
		spoil(client, f)
		return
	}
}

// other is the answer "80 other" to a request.
func other(request *ber.Packet) []byte {
	result := ber.Encode(ber.ClassApplication, ber.TypeConstructed, request.Children[1].Tag+1, nil, "")
	result.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, goldap.LDAPResultOther, ""))
	result.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	result.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "the disk is full", ""))
	message := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	message.AppendChild(request.Children[0])
	message.AppendChild(result)
	return message.Bytes()
}

// spoil does what the fault says, until the client has gone.
func spoil(client net.Conn, f *connectortest.HTTPFault) {
	if f.Cut {
		_ = client.Close()
		return
	}
	gone := make(chan struct{})
	go func() { _, _ = client.Read(make([]byte, 1)); close(gone) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	next := []byte{0x30, 0x84, 0, 1, 0, 0, 0x04, 0x84, 0, 0, 0xff, 0} // the head of a message that takes for ever
	for {
		select {
		case <-gone:
			return
		case <-tick.C:
			if f.Drip {
				if _, err := client.Write(next[:1]); err != nil {
					return
				}
				if next = next[1:]; len(next) == 0 {
					next = []byte{0}
				}
			}
		}
	}
}

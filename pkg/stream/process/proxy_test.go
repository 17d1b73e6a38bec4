//go:build process

package process_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// proxy is the workers' way to the brokers, where connections are cut, answers are lost and everything stands still.
// The first line of a connection says where to.
type proxy struct {
	listener net.Listener
	group    sync.WaitGroup

	mu     sync.Mutex
	pairs  map[net.Conn]net.Conn // to the worker: to the broker
	lose   map[int16]bool        // requests whose next answer is lost, with its connection
	frozen chan struct{}         // closed when things may move
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, pairs: map[net.Conn]net.Conn{}, lose: map[int16]bool{}, frozen: make(chan struct{})}
	close(p.frozen)
	p.group.Go(p.accept)
	t.Cleanup(func() {
		p.listener.Close()
		p.thaw()
		p.cut()
		p.group.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil { // closed
			return
		}
		p.group.Go(func() { p.serve(c) })
	}
}

func (p *proxy) serve(worker net.Conn) {
	defer worker.Close()
	requests := bufio.NewReader(worker)
	address, err := requests.ReadString('\n')
	if err != nil {
		return
	}
	broker, err := net.Dial("tcp", strings.TrimSpace(address))
	if err != nil {
		return
	}
	defer broker.Close()
	p.mu.Lock()
	p.pairs[worker] = broker
	p.mu.Unlock()
	answered := make(chan struct{})
	p.group.Go(func() {
		defer close(answered)
		defer worker.Close() // and with it the other way
		b := make([]byte, 64<<10)
		for {
			n, err := broker.Read(b)
			p.wait()
			if _, werr := worker.Write(b[:n]); err != nil || werr != nil {
				return
			}
		}
	})
	if p.forward(requests, worker, broker) {
		<-answered // or the broker would not get to see the request
	}
	p.mu.Lock()
	delete(p.pairs, worker)
	p.mu.Unlock()
}

// forward passes requests on: 4 bytes of length, the first 2 of the rest are the key. lost says that the answer to the
// last must not get through.
func (p *proxy) forward(requests io.Reader, worker, broker net.Conn) (lost bool) {
	for !lost {
		head := make([]byte, 4)
		if _, err := io.ReadFull(requests, head); err != nil {
			return false
		}
		request := append(head, make([]byte, binary.BigEndian.Uint32(head))...)
		if _, err := io.ReadFull(requests, request[4:]); err != nil {
			return false
		}
		p.wait()
		if lost = p.loses(int16(binary.BigEndian.Uint16(request[4:]))); lost {
			worker.Close()
		}
		if _, err := broker.Write(request); err != nil {
			return false
		}
	}
	return true
}

func (p *proxy) loses(key int16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.lose[key]
	delete(p.lose, key)
	return was
}

// loseAnswer has the broker carry out the next request of that kind, and the worker not learn of it.
func (p *proxy) loseAnswer(key kmsg.Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose[key.Int16()] = true
}

// lost says whether it came to that; from now on it will not.
func (p *proxy) lost(key kmsg.Key) func() bool {
	return func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return !p.lose[key.Int16()]
	}
}

// cut ends every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for worker, broker := range p.pairs {
		worker.Close()
		broker.Close()
	}
}

// freeze lets nothing through until thaw; connections stay.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.frozen:
	default:
		close(p.frozen)
	}
}

func (p *proxy) wait() {
	p.mu.Lock()
	frozen := p.frozen
	p.mu.Unlock()
	<-frozen
}

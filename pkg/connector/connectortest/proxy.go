package connectortest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// HTTPFault is what the proxy does to one request.
type HTTPFault struct {
	Status      int    // answer this
	RetryAfter  string // with this header
	Cut         bool   // close the connection instead of answering
	Hang        bool   // answer nothing until the client goes
	Drip        bool   // answer a byte now and then, without end
	AfterCommit bool   // let the target act first
	OnlyWrites  bool   // let reads pass
}

// Proxy stands between a connector and its target over HTTP.
type Proxy struct {
	server *httptest.Server
	target *httputil.ReverseProxy
	writes atomic.Int64
	done   chan struct{}

	mu    sync.Mutex
	fault *HTTPFault
}

// NewProxy starts a proxy for the target; it ends with the test.
func NewProxy(t *testing.T, target string) *Proxy {
	u, err := url.Parse(target)
	if err != nil {
		t.Fatalf("parse the target's URL: %v", err)
	}
	p := &Proxy{done: make(chan struct{})}
	p.target = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	p.server = httptest.NewServer(p)
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { close(p.done) }); p.server.Close() })
	return p
}

// URL is where the connector is to go.
func (p *Proxy) URL() string { return p.server.URL }

// Close makes the target unreachable.
func (p *Proxy) Close() { p.server.Close() }

// Writes is how many requests were no reads.
func (p *Proxy) Writes() int { return int(p.writes.Load()) }

// Next makes the next request it applies to meet the fault; the zero fault is none.
func (p *Proxy) Next(f HTTPFault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = &f
	if f == (HTTPFault{}) {
		p.fault = nil
	}
}

// Clear takes back a fault that no request has met.
func (p *Proxy) Clear() { p.Next(HTTPFault{}) }

func (p *Proxy) take(read bool) *HTTPFault {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.fault
	if f == nil || f.OnlyWrites && read {
		return nil
	}
	p.fault = nil
	return f
}

// ServeHTTP passes the request on, or does what the fault says.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	read := r.Method == http.MethodGet
	if !read {
		p.writes.Add(1)
	}
	f := p.take(read)
	if f == nil {
		p.target.ServeHTTP(w, r)
		return
	}
	if f.AfterCommit {
		p.target.ServeHTTP(httptest.NewRecorder(), r)
	}
	switch {
	case f.Cut:
		panic(http.ErrAbortHandler)
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-p.done:
		}
	case f.Drip:
		p.drip(w, r)
	default:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		if f.Status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(f.Status)
	}
}

func (p *Proxy) drip(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-p.done:
			return
		case <-tick.C:
			if _, err := w.Write([]byte(" ")); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
		}
	}
}

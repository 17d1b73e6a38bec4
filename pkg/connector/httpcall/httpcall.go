// Package httpcall makes one call to a target over HTTP and gives every way in which it can end its class.
//
// It owns time-outs, sizes, the classing of statuses and of broken calls, and Retry-After; it knows no protocol above
// HTTP. It never retries but once after a token that has ended (Refresh), and never follows a redirect. Caller is safe
// for concurrent use.
//
//	res, err := httpcall.Caller{Base: base, HTTP: httpcall.NewClient(), Timeout: time.Second}.Do(ctx,
//		httpcall.Request{Op: "create account ana", Method: http.MethodPost, Path: "users", Body: user})
package httpcall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"joinery.internal/pkg/address"
	"joinery.internal/pkg/connector"
)

// MaxBody bounds one answer, in bytes.
const MaxBody = 8 << 20

// maxDetail bounds what a target says about an error.
const maxDetail = 200

// maxRetryAfter is the longest that a target is left alone for its asking: then it is asked whether it still means it. One
// that says a year by mistake would keep leavers' access for a year.
const maxRetryAfter = time.Hour

// Caller is one HTTP service.
type Caller struct {
	Base      *url.URL
	HTTP      *http.Client // see NewClient
	Timeout   time.Duration
	MediaType string // of what is sent; it and JSON are accepted; empty: JSON
	// Authorize adds credentials; nil: none are needed.
	Authorize func(context.Context, *http.Request) error
	// Refresh gets other credentials after a 401, if it can: the call is then made once more.
	Refresh func() bool
	// Explain reads an answer that is no success: what it says in words, and its class where that beats the status's;
	// nil or empty: the status has to do.
	Explain func(status int, body []byte) (said string, class connector.Class)
}

// Request is one call.
type Request struct {
	Op     string // for errors
	Method string
	Path   string   // below Base, escaped
	URL    *url.URL // in the place of Base and Path
	Query  url.Values
	Body   any // nil: none
	Header http.Header
	Want   connector.Object // whose values are hidden in errors
}

// Response is an answer of class 2xx.
type Response struct {
	Status int
	Body   []byte
	Header http.Header
}

// NewClient keeps more connections than a target's concurrency, follows no redirect, and reaches no cloud's metadata,
// whatever a name resolves to.
func NewClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Control: address.Control(routable)}).DialContext
	transport.MaxIdleConnsPerHost = 64
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// routable refuses addresses that no target has: metadata services give credentials to whoever asks there.
func routable(ip netip.Addr) error {
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return fmt.Errorf("%s is an address of this machine's link, where no target is", ip)
	}
	return nil
}

func (r Request) isRead() bool { return r.Method == http.MethodGet }

// Do makes one call. The error is a *connector.Error.
func (c Caller) Do(ctx context.Context, r Request) (Response, error) {
	res, err := c.once(ctx, r)
	if res.Status == http.StatusUnauthorized && c.Refresh != nil && c.Refresh() {
		return c.once(ctx, r)
	}
	return res, err
}

func (c Caller) once(ctx context.Context, r Request) (Response, error) {
	if err := connector.Pace(ctx); err != nil {
		return Response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var sent atomic.Bool // once the request line is out, the target may act
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, secrets, err := c.newRequest(traced, r)
	if err != nil {
		return Response{}, err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return Response{}, broken(r, sent.Load(), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxBody+1))
	if err != nil && res.StatusCode < 300 {
		return Response{}, broken(r, true, err)
	}
	if len(body) > MaxBody {
		return Response{}, connector.Errorf(connector.Invalid, r.Op, "the answer is larger than %d bytes", MaxBody)
	}
	answer := Response{Status: res.StatusCode, Body: body, Header: res.Header}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return answer, c.refused(r, answer, secrets)
	}
	return answer, nil
}

// newRequest also returns what proves who we are, which nobody is to read in an error.
func (c Caller) newRequest(ctx context.Context, r Request) (req *http.Request, secrets []string, err error) {
	u := r.URL
	if u == nil {
		u = c.Base.JoinPath(r.Path)
		u.RawQuery = r.Query.Encode()
	}
	var body io.Reader
	if r.Body != nil {
		encoded, err := json.Marshal(r.Body)
		if err != nil {
			return nil, nil, connector.Errorf(connector.Invalid, r.Op, "encode the request: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	req, err = http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, nil, connector.Errorf(connector.Invalid, r.Op, "make the request: %w", err)
	}
	accept, sends := "application/json", "application/json"
	if c.MediaType != "" {
		accept, sends = c.MediaType+", application/json", c.MediaType
	}
	req.Header.Set("Accept", accept)
	if body != nil {
		req.Header.Set("Content-Type", sends)
	}
	maps.Copy(req.Header, r.Header)
	if c.Authorize == nil {
		return req, nil, nil
	}
	before := req.Header.Clone()
	if err := c.Authorize(ctx, req); err != nil {
		return nil, nil, err
	}
	return req, added(before, req.Header), nil
}

// added are the values of headers that are not there before, without their scheme.
func added(before, after http.Header) (values []string) {
	for name := range after {
		if _, there := before[name]; !there {
			_, value, ok := strings.Cut(after.Get(name), " ")
			if !ok {
				value = after.Get(name)
			}
			values = append(values, value)
		}
	}
	return values
}

// Garbled is the error of an answer of class 2xx that is none: of a proxy that shows a page of its own, say. It speaks of
// the service and not of what was asked for; a change may have been made.
func Garbled(method, op, format string, args ...any) error {
	class := connector.Ambiguous
	if method == http.MethodGet {
		class = connector.Transient
	}
	return connector.Errorf(class, op, format, args...)
}

// InClear says that what is sent to an address can be read on the way.
func InClear(u *url.URL) bool { return u.Scheme == "http" && !address.Loopback(u.Hostname()) }

// broken classes a call without a whole answer.
func broken(r Request, sent bool, err error) error {
	// The URL that net/http puts into its errors holds the filter, and so names of people.
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err
	}
	if sent && !r.isRead() {
		return &connector.Error{Class: connector.Ambiguous, Op: r.Op, Err: fmt.Errorf("sent, and no answer: %w", err)}
	}
	return &connector.Error{Class: connector.Transient, Op: r.Op, Err: err}
}

// refused classes an answer that is not a success.
func (c Caller) refused(r Request, res Response, secrets []string) error {
	e := &connector.Error{Class: classOf(r, res.Status), Op: r.Op, RetryAfter: retryAfter(res.Header)}
	said := []string{strconv.Itoa(res.Status), http.StatusText(res.Status)}
	if c.Explain != nil {
		text, class := c.Explain(res.Status, res.Body)
		if class != "" {
			e.Class = class
		}
		for _, secret := range secrets { // some like to say which token has ended
			text = strings.ReplaceAll(text, secret, "[credentials]")
		}
		if text != "" {
			said = append(said, strconv.Quote(cut(connector.Redact(text, r.Want))))
		}
	}
	if e.Class == connector.Transient && e.RetryAfter > 0 {
		e.Class = connector.Throttled
	}
	if res.Status/100 == 3 {
		said = append(said, "redirects are not followed; put the service's final address into connection.url")
	}
	e.Err = errors.New(strings.Join(said, " "))
	return e
}

func cut(s string) string {
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}

// classOf maps a status to its class. On a write, 500, 502 and 504 do not say whether the target acted.
func classOf(r Request, status int) connector.Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return connector.Denied
	case http.StatusNotFound, http.StatusGone:
		return connector.NotFound
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusLocked:
		return connector.Conflict
	case http.StatusTooManyRequests:
		return connector.Throttled
	case http.StatusServiceUnavailable, http.StatusTooEarly:
		return connector.Transient
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return connector.Unsupported
	}
	switch {
	case status >= 500 || status == http.StatusRequestTimeout:
		if r.isRead() {
			return connector.Transient
		}
		return connector.Ambiguous
	case status >= 400:
		return connector.Invalid
	default: // a redirect
		return connector.Unsupported
	}
}

// retryAfter reads the header, which holds seconds or a date; the date is taken relative to the answer's own. It is
// maxRetryAfter at most.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, int(maxRetryAfter.Seconds()))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}

package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"joinery.internal/pkg/connector"
)

const (
	maxBody   = 8 << 20 // of one answer
	maxDetail = 200     // of what a target says about an error
	mediaType = "application/scim+json"
)

// request is one call to the service.
type request struct {
	op      string // for errors
	method  string
	path    string // below the service's URL
	query   url.Values
	body    any
	ifMatch string
	want    connector.Object // whose values are hidden in errors
}

// response is an answer of class 2xx.
type response struct {
	status  int
	body    []byte
	version string // the ETag
}

func (r request) isRead() bool { return r.method == http.MethodGet }

// do makes one call. The error is a *connector.Error.
func (c *Client) do(ctx context.Context, r request) (response, error) {
	if err := connector.Pace(ctx); err != nil {
		return response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var sent atomic.Bool // once the request line is out, the target may act
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := c.newRequest(traced, r)
	if err != nil {
		return response{}, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return response{}, broken(r, sent.Load(), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil && res.StatusCode < 300 {
		return response{}, broken(r, true, err)
	}
	if len(body) > maxBody {
		return response{}, connector.Errorf(connector.Invalid, r.op, "the answer is larger than %d bytes", maxBody)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return response{}, refused(r, res, body)
	}
	return response{status: res.StatusCode, body: body, version: res.Header.Get("ETag")}, nil
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	u := c.base.JoinPath(r.path)
	u.RawQuery = r.query.Encode()
	var body io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, connector.Errorf(connector.Invalid, r.op, "encode the request: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, r.op, "make the request: %w", err)
	}
	req.Header.Set("Accept", mediaType+", application/json")
	if body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", r.ifMatch)
	}
	switch {
	case c.token != "":
		req.Header.Set("Authorization", "Bearer "+c.token)
	case c.username != "":
		req.SetBasicAuth(c.username, c.password)
	}
	return req, nil
}

// broken classes a call without a whole answer.
func broken(r request, sent bool, err error) error {
	// The URL that net/http puts into its errors holds the filter, and so names of people.
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		err = urlErr.Err
	}
	if sent && !r.isRead() {
		return &connector.Error{Class: connector.Ambiguous, Op: r.op, Err: fmt.Errorf("sent, and no answer: %w", err)}
	}
	return &connector.Error{Class: connector.Transient, Op: r.op, Err: err}
}

// refused classes an answer that is not a success.
func refused(r request, res *http.Response, body []byte) error {
	e := &connector.Error{Class: classOf(r, res.StatusCode), Op: r.op, RetryAfter: retryAfter(res.Header)}
	var problem struct {
		ScimType string `json:"scimType"`
		Detail   string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) != nil { // not a SCIM error: the status has to do
		problem.Detail = ""
	}
	if problem.ScimType == "uniqueness" {
		e.Class = connector.Conflict
	}
	if e.Class == connector.Transient && e.RetryAfter > 0 {
		e.Class = connector.Throttled
	}
	said := []string{strconv.Itoa(res.StatusCode), http.StatusText(res.StatusCode)}
	if problem.ScimType != "" {
		said = append(said, problem.ScimType)
	}
	if problem.Detail != "" {
		said = append(said, strconv.Quote(cut(connector.Redact(problem.Detail, r.want))))
	}
	if res.StatusCode/100 == 3 {
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
func classOf(r request, status int) connector.Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return connector.Denied
	case http.StatusNotFound:
		return connector.NotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return connector.Conflict
	case http.StatusTooManyRequests:
		return connector.Throttled
	case http.StatusServiceUnavailable:
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

// retryAfter reads the header, which holds seconds or a date; the date is taken relative to the answer's own.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, at.Sub(now))
}

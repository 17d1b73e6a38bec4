package scim

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/httpcall"
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

// do makes one call. The error is a *connector.Error.
func (c *Client) do(ctx context.Context, r request) (response, error) {
	header := http.Header{}
	if r.ifMatch != "" {
		header.Set("If-Match", r.ifMatch)
	}
	res, err := c.caller.Do(ctx, httpcall.Request{Op: r.op, Method: r.method, Path: r.path, Query: r.query, Body: r.body, Header: header, Want: r.want})
	if err != nil {
		return response{}, err
	}
	return response{status: res.Status, body: res.Body, version: res.Header.Get("ETag")}, nil
}

// authorize adds the token, or name and password.
func (c *Client) authorize(_ context.Context, r *http.Request) error {
	switch {
	case c.token != "":
		r.Header.Set("Authorization", "Bearer "+c.token)
	case c.username != "":
		r.SetBasicAuth(c.username, c.password)
	}
	return nil
}

// explain reads a SCIM error; what is none is left to the status.
func explain(_ int, body []byte) (said string, class connector.Class) {
	var problem struct {
		ScimType string `json:"scimType"`
		Detail   string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) != nil {
		return "", ""
	}
	if problem.ScimType == "uniqueness" {
		class = connector.Conflict
	}
	if problem.ScimType != "" && problem.Detail != "" {
		problem.ScimType += ": "
	}
	return problem.ScimType + problem.Detail, class
}

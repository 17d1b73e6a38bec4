package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"joinery.internal/services/console/internal/desk"
)

// request is what an operation is called with. Its parameters have been checked against those the operation names.
type request struct {
	*http.Request
	actor desk.Actor
	limit int  // parameter limit; 0: absent
	dry   bool // parameter dry_run
}

// read takes the parameters every list and every change has, and refuses those the operation does not know: a
// misspelt filter must not answer with everything.
func (op operation) read(r *http.Request, actor desk.Actor) (request, error) {
	out := request{Request: r, actor: actor}
	for name := range r.URL.Query() {
		if !slices.ContainsFunc(op.Query, func(p parameter) bool { return p.Name == name }) {
			return out, invalid("%s %s knows no parameter %q", op.Method, op.Path, name)
		}
	}
	var err error
	if v := out.query("limit"); v != "" {
		if out.limit, err = strconv.Atoi(v); err != nil || out.limit < 1 {
			return out, invalid("limit is %q: give a whole number from 1", v)
		}
	}
	out.dry, err = out.flag("dry_run")
	return out, err
}

// with decodes the body before the call.
func with[T any](call func(context.Context, request, T) (any, error)) func(context.Context, request) (any, error) {
	return func(ctx context.Context, r request) (any, error) {
		body, err := decode[T](r)
		if err != nil {
			return nil, err
		}
		return call(ctx, r, body)
	}
}

func (r request) query(name string) string { return r.URL.Query().Get(name) }

func invalid(format string, args ...any) error {
	return &desk.Fault{Kind: desk.Invalid, Detail: fmt.Sprintf(format, args...)}
}

func (r request) flag(name string) (bool, error) {
	v := r.query(name)
	if v == "" {
		return r.URL.Query().Has(name), nil
	}
	on, err := strconv.ParseBool(v)
	if err != nil {
		return false, invalid("%s is %q: give true or false", name, v)
	}
	return on, nil
}

// instant reads a time: RFC 3339, or a date, which means its first moment in UTC.
func (r request) instant(name string) (time.Time, error) {
	v := r.query(name)
	if v == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, invalid("%s is %q: give a time such as 2026-03-02T08:00:00Z or a date such as 2026-03-02", name, v)
}

// since reads a time, or a duration back from now; absent means 30 days.
func (r request) since(now time.Time) (time.Time, error) {
	if d, err := duration("since", cmp.Or(r.query("since"), "30d")); err == nil {
		return now.Add(-d), nil
	}
	return r.instant("since")
}

// asOf reads a bitemporal question.
func (r request) asOf() (desk.AsOf, error) {
	at, err := r.instant("as_of")
	if err != nil {
		return desk.AsOf{}, err
	}
	known, err := r.instant("known_at")
	return desk.AsOf{At: at, Known: known}, err
}

// duration reads a duration as Prometheus writes it; empty is zero.
func duration(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, invalid("%s is %q: give a duration such as 14d, 36h or 90m", name, text)
	}
	return time.Duration(d), nil
}

// decode reads the request's body as one JSON object of known fields.
func decode[T any](r request) (T, error) {
	var v T
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(&v)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil && errors.Is(end(dec), io.EOF):
		return v, nil
	case errors.As(err, &tooLarge):
		return v, err
	case errors.Is(err, io.EOF):
		return v, invalid("the request has no body: send one JSON object")
	case err == nil:
		return v, invalid("the body goes on after its JSON object: send one")
	}
	return v, invalid("the body is not the JSON object it should be: %v", err)
}

func end(dec *json.Decoder) error {
	_, err := dec.Token()
	return err
}

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"joinery.internal/services/console/internal/desk"
)

// Problem is a fault on the wire (RFC 9457).
type Problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail"`
	Instance string   `json:"instance"`
	Errors   []string `json:"errors,omitempty" doc:"each of several things that are wrong"`
}

var faults = map[desk.FaultKind]struct {
	status int
	title  string
}{
	desk.NotFound:    {http.StatusNotFound, "Not there"},
	desk.Invalid:     {http.StatusUnprocessableEntity, "Not understood"},
	desk.Forbidden:   {http.StatusForbidden, "Not allowed"},
	desk.Anonymous:   {http.StatusUnauthorized, "Not signed in"},
	desk.Conflict:    {http.StatusConflict, "Not possible now"},
	desk.Unavailable: {http.StatusServiceUnavailable, "Something the console needs does not answer"},
	desk.Timeout:     {http.StatusGatewayTimeout, "Not finished in time"},
}

// StatusOf is the HTTP status and title of an error, and what may be said of it. What is not a fault is a failure of
// ours, and its text is for the log.
func StatusOf(err error) (status int, title, detail string, items []string) {
	var f *desk.Fault
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		known := faults[f.Kind]
		return known.status, known.title, f.Error(), f.Items
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, "Too large", "the request is larger than the console takes; send it in parts", nil
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "Not finished in time", "the answer took too long; ask for less, or look at the status", nil
	}
	return http.StatusInternalServerError, "A fault of the console", "this should not happen; the console's log says more", nil
}

// WriteProblem answers with a fault.
func WriteProblem(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	status, title, detail, items := StatusOf(err)
	if status == http.StatusInternalServerError {
		log.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	writeProblem(w, r, log, Problem{Title: title, Status: status, Detail: detail, Errors: items})
}

func writeProblem(w http.ResponseWriter, r *http.Request, log *slog.Logger, p Problem) {
	p.Type, p.Instance = "urn:joinery:problem:"+strings.ReplaceAll(strings.ToLower(http.StatusText(p.Status)), " ", "-"), r.URL.Path
	w.Header().Set("Content-Type", "application/problem+json")
	write(w, log, p.Status, p)
}

// write answers in JSON. The type of the content is set by the caller.
func write(w http.ResponseWriter, log *slog.Logger, status int, body any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		log.Error("encode answer", "err", err)
		http.Error(w, "the answer could not be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		log.Debug("write answer", "err", err) // the asker has gone
	}
}

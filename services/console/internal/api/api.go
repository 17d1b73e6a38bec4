// Package api is the JSON API at /api/v1/: what the command-line tool and other programs use.
//
// It owns the paths, their parameters, the form of faults (RFC 9457) and the description of all that (OpenAPI), which is
// generated from the one table of operations. It owns no rules: each operation is a call of package desk. GET changes
// nothing. A Handler is safe for concurrent use.
//
//	mux.Handle("/api/v1/", api.New(desk, sessions, log))
package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"joinery.internal/services/console/internal/desk"
)

// Prefix is where the API is.
const Prefix = "/api/v1"

const (
	maxBody     = 16 << 20 // of a body, in bytes, unless the operation says otherwise
	maxProduce  = 256 << 20
	patience    = 30 * time.Second
	longWait    = 10 * time.Minute // of a sweep: a large target takes its time
	jsonContent = "application/json"

	linesContent = "application/x-ndjson"
)

// Authenticator says who asks.
type Authenticator interface {
	Actor(*http.Request) (desk.Actor, error)
}

// operation is one thing the API does. Path parameters are in the path, as {name}.
type operation struct {
	Method  string
	Path    string // below Prefix
	Summary string
	Query   []parameter
	Body    any           // a value of the type the body decodes to; nil: none
	Lines   bool          // the body is JSON lines
	Reply   any           // a value of the type of the answer; nil: it is a stream
	MaxBody int64         // in bytes; 0: maxBody
	Wait    time.Duration // until the answer is given up; 0: patience
	call    func(context.Context, request) (any, error)
}

type parameter struct{ Name, Doc string }

// list wraps the items of a list that has no further pages.
type list[T any] struct {
	Items []T `json:"items"`
}

func listed[T any](items []T, err error) (any, error) {
	if items == nil {
		items = []T{}
	}
	return list[T]{items}, err
}

// Handler serves the API.
type Handler struct {
	mux *http.ServeMux
	log *slog.Logger
	who Authenticator
}

// New returns the API of a desk.
func New(d *desk.Desk, who Authenticator, log *slog.Logger) *Handler {
	h := &Handler{mux: http.NewServeMux(), log: log, who: who}
	operations := operations(d)
	for _, op := range operations {
		h.mux.HandleFunc(op.Method+" "+Prefix+op.Path, h.serve(op))
	}
	document := describe(operations)
	h.mux.HandleFunc("GET "+Prefix+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonContent)
		write(w, log, http.StatusOK, document)
	})
	h.mux.HandleFunc("/", h.unknown)
	return h
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) serve(op operation) http.HandlerFunc {
	wait, limit := op.Wait, op.MaxBody
	if wait == 0 {
		wait = patience
	}
	if limit == 0 {
		limit = maxBody
	}
	return func(w http.ResponseWriter, r *http.Request) {
		actor, err := h.who.Actor(r)
		if err != nil {
			WriteProblem(w, r, h.log, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		asked, err := op.read(r, actor)
		if err != nil {
			WriteProblem(w, r, h.log, err)
			return
		}
		body, err := op.call(ctx, asked)
		if err != nil {
			WriteProblem(w, r, h.log, err)
			return
		}
		if s, ok := body.(stream); ok {
			h.pour(ctx, w, r, s)
			return
		}
		w.Header().Set("Content-Type", jsonContent)
		write(w, h.log, http.StatusOK, body)
	}
}

// stream is an answer of JSON lines that may be larger than memory.
type stream func(context.Context, io.Writer) error

// pour writes a stream. A fault after the first line cuts the connection, so that nobody takes a part for the whole.
func (h *Handler) pour(ctx context.Context, w http.ResponseWriter, r *http.Request, s stream) {
	w.Header().Set("Content-Type", linesContent)
	w.Header().Set("Cache-Control", "no-store")
	out := bufio.NewWriterSize(w, 1<<16)
	err := s(ctx, out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		h.log.Error("answer cut off", "path", r.URL.Path, "err", err)
		panic(http.ErrAbortHandler) // what the server takes as: end this connection, and say nothing
	}
}

// unknown answers for a path that is not there, or not with that method.
func (h *Handler) unknown(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := h.mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		writeProblem(w, r, h.log, Problem{Title: "Not there", Status: http.StatusNotFound,
			Detail: fmt.Sprintf("there is nothing at %s: %s/openapi.json lists what there is", r.URL.Path, Prefix)})
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	writeProblem(w, r, h.log, Problem{Title: "Wrong method", Status: http.StatusMethodNotAllowed,
		Detail: fmt.Sprintf("%s takes %s, not %s", r.URL.Path, strings.Join(allowed, " or "), r.Method)})
}

package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

const (
	contentType = "application/vnd.schemaregistry.v1+json"
	maxBody     = 4 << 20
)

// The API's error codes.
const (
	codeSubject           = 40401
	codeVersion           = 40402
	codeSchema            = 40403
	codeSubjectDeleted    = 40404
	codeSubjectNotDeleted = 40405
	codeVersionDeleted    = 40406
	codeVersionNotDeleted = 40407
	codeNoLevel           = 40408
	codeInvalidSchema     = 42201
	codeInvalidVersion    = 42202
	codeInvalidLevel      = 42203
	codeNotPermitted      = 42205
	codeStore             = 50001
)

// fault is an answer that is an error.
type fault struct {
	status  int
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (f *fault) Error() string { return f.Message }

func apiError(status, code int, format string, args ...any) error {
	return &fault{status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// text is an answer that is sent as it is.
type text string

// handler computes an answer from the state; what it returns shares nothing with the state.
type handler func(*http.Request) (any, error)

// routes is the API in one place.
func (r *Registry) routes() *http.ServeMux {
	mux := http.NewServeMux()
	read := func(pattern string, h handler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) { answer(w, req, r.mu.RLocker(), h) })
	}
	write := func(pattern string, h handler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) { answer(w, req, &r.mu, h) })
	}
	read("GET /{$}", func(*http.Request) (any, error) { return struct{}{}, nil })
	read("GET /schemas/types", func(*http.Request) (any, error) { return []string{"AVRO"}, nil })
	read("GET /schemas", r.getSchemas)
	read("GET /schemas/ids/{id}", r.getID)
	read("GET /schemas/ids/{id}/schema", r.getIDText)
	read("GET /schemas/ids/{id}/subjects", r.getIDSubjects)
	read("GET /schemas/ids/{id}/versions", r.getIDVersions)
	read("GET /subjects", r.getSubjects)
	read("POST /subjects/{subject}", r.lookUp)
	write("DELETE /subjects/{subject}", r.deleteSubject)
	read("GET /subjects/{subject}/versions", r.getVersions)
	write("POST /subjects/{subject}/versions", r.register)
	read("GET /subjects/{subject}/versions/{version}", r.getVersion)
	read("GET /subjects/{subject}/versions/{version}/schema", r.getVersionText)
	read("GET /subjects/{subject}/versions/{version}/referencedby", func(*http.Request) (any, error) { return []int{}, nil })
	write("DELETE /subjects/{subject}/versions/{version}", r.deleteVersion)
	read("POST /compatibility/subjects/{subject}/versions", r.checkAgainstAll)
	read("POST /compatibility/subjects/{subject}/versions/{version}", r.checkAgainstOne)
	for _, path := range []string{"/config", "/config/{subject}"} {
		read("GET "+path, r.getLevel)
		write("PUT "+path, r.putLevel)
		write("DELETE "+path, r.deleteLevel)
	}
	for _, path := range []string{"/mode", "/mode/{subject}"} {
		read("GET "+path, func(*http.Request) (any, error) { return map[string]string{"mode": "READWRITE"}, nil })
		read("PUT "+path, func(*http.Request) (any, error) {
			return nil, apiError(http.StatusUnprocessableEntity, codeNotPermitted, "the mode of this registry is READWRITE and cannot be changed")
		})
	}
	read("/", func(req *http.Request) (any, error) {
		return nil, apiError(http.StatusNotFound, http.StatusNotFound, "HTTP 404 Not Found: no %s %s here", req.Method, req.URL.Path)
	})
	return mux
}

// answer runs a handler under the lock, which no slow client can hold up: the body is read before and the answer sent after.
func answer(w http.ResponseWriter, req *http.Request, lock sync.Locker, h handler) {
	out, err := func() (any, error) {
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
		if err != nil {
			return nil, apiError(http.StatusRequestEntityTooLarge, http.StatusRequestEntityTooLarge, "read the request: %v", err)
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		lock.Lock()
		defer lock.Unlock()
		return h(req)
	}()
	w.Header().Set("Content-Type", contentType)
	if err != nil {
		f := &fault{status: http.StatusInternalServerError, Code: http.StatusInternalServerError, Message: err.Error()}
		errors.As(err, &f)
		w.WriteHeader(f.status)
		out = f
	}
	if t, ok := out.(text); ok {
		_, _ = w.Write([]byte(t)) // a client that has gone gets nothing
		return
	}
	_ = json.NewEncoder(w).Encode(out) // likewise
}

// posted is the body of a request that carries a schema.
type posted struct {
	Schema     string            `json:"schema"`
	Type       string            `json:"schemaType"`
	References []json.RawMessage `json:"references"`

	key string
}

func schemaIn(req *http.Request) (p posted, err error) {
	if err := bodyIn(req, &p); err != nil {
		return p, err
	}
	invalid := func(format string, args ...any) error {
		return apiError(http.StatusUnprocessableEntity, codeInvalidSchema, format, args...)
	}
	switch {
	case p.Type != "" && p.Type != "AVRO":
		return p, invalid("schema type %s is not served: only AVRO is", p.Type)
	case len(p.References) > 0:
		return p, invalid("references to other schemas are not served: write the types into the schema")
	}
	if _, err := None.Check(p.Schema, nil); err != nil {
		return p, invalid("invalid schema: %v", err)
	}
	if p.key, err = schemaKey(p.Schema); err != nil {
		return p, invalid("invalid schema: %v", err)
	}
	return p, nil
}

func bodyIn(req *http.Request, into any) error {
	if err := json.NewDecoder(req.Body).Decode(into); err != nil {
		return apiError(http.StatusBadRequest, http.StatusBadRequest, "the body is not the JSON object it should be: %v", err)
	}
	return nil
}

// versionIn picks the version the path names from a list: a number, "latest" or -1.
func versionIn(req *http.Request, subject string, list []version) (version, error) {
	name := req.PathValue("version")
	number, err := strconv.Atoi(name)
	if name == "latest" {
		number, err = -1, nil
	}
	if err != nil || number < -1 || number == 0 {
		return version{}, apiError(http.StatusUnprocessableEntity, codeInvalidVersion, "%q is not a version: it is a number from 1 or \"latest\"", name)
	}
	for i := len(list) - 1; i >= 0; i-- {
		if number == -1 || list[i].number == number {
			return list[i], nil
		}
	}
	return version{}, apiError(http.StatusNotFound, codeVersion, "Version %s of subject %q not found", name, subject)
}

func flag(req *http.Request, name string) bool { return req.URL.Query().Get(name) == "true" }

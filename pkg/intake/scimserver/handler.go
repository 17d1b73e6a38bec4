package scimserver

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/gate"
	"joinery.internal/pkg/intake/scimserver/filter"
	"joinery.internal/pkg/intake/scimserver/resource"
)

const (
	mediaType = "application/scim+json"
	errorURN  = "urn:ietf:params:scim:api:messages:2.0:Error"
	patchURN  = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	listURN   = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
)

// Options is what a Handler stands on.
type Options struct {
	Source  *config.Source
	Path    string // where it is mounted: /in/scim/NAME/v2
	Mapper  *intake.Mapper
	Ledger  *Ledger
	Clock   gate.Clock // the pipeline's
	NewID   func() string
	Counter *gate.Counter
	Wait    time.Duration // for Kafka, of one request; zero: gate.PutTimeout
}

// Handler answers for one source.
type Handler struct {
	o   Options
	mux *http.ServeMux
}

// answer is what a request comes to.
type answer struct {
	status   int
	body     any // nil: none
	etag     string
	location string
}

// New returns the handler of a source with intake.scim.
func New(o Options) *Handler {
	o.Wait = cmp.Or(o.Wait, gate.PutTimeout)
	h := &Handler{o, http.NewServeMux()}
	h.handle("GET /ServiceProviderConfig", h.serviceProviderConfig)
	h.handle("GET /ResourceTypes", h.resourceTypes)
	h.handle("GET /ResourceTypes/{id}", h.resourceType)
	h.handle("GET /Schemas", h.schemas)
	h.handle("GET /Schemas/{id}", h.schema)
	for _, t := range []*resource.Type{resource.User, resource.Group} {
		on := func(do func(http.ResponseWriter, *http.Request, *resource.Type) (answer, error)) func(http.ResponseWriter, *http.Request) (answer, error) {
			return func(w http.ResponseWriter, r *http.Request) (answer, error) { return do(w, r, t) }
		}
		h.handle("GET "+t.Endpoint, on(h.list))
		h.handle("POST "+t.Endpoint, on(h.create))
		h.handle("POST "+t.Endpoint+"/.search", on(func(w http.ResponseWriter, r *http.Request, t *resource.Type) (answer, error) {
			return h.search(w, r, t)
		}))
		h.handle("GET "+t.Endpoint+"/{id}", on(h.read))
		h.handle("PUT "+t.Endpoint+"/{id}", on(h.replace))
		h.handle("PATCH "+t.Endpoint+"/{id}", on(h.patch))
		h.handle("DELETE "+t.Endpoint+"/{id}", on(h.remove))
	}
	h.handle("POST /.search", func(w http.ResponseWriter, r *http.Request) (answer, error) {
		return h.search(w, r, resource.User, resource.Group)
	})
	h.handle("/", func(_ http.ResponseWriter, r *http.Request) (answer, error) { return answer{}, h.nowhere(r) })
	return h
}

// nowhere says what is wrong with a request that no pattern fits.
func (h *Handler) nowhere(r *http.Request) error {
	if slices.Contains([]string{"/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Users", "/Groups"}, "/"+strings.SplitN(r.URL.Path, "/", 3)[1]) {
		return gate.Refuse(http.StatusMethodNotAllowed, "method", "this address does not take %s", printable(r.Method))
	}
	return gate.Refuse(http.StatusNotFound, "path", "there is nothing at this address; resources are at /Users and /Groups")
}

func printable(method string) string {
	if slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions}, method) {
		return method
	}
	return "this method"
}

// handle answers in SCIM, also what goes wrong.
func (h *Handler) handle(pattern string, do func(http.ResponseWriter, *http.Request) (answer, error)) {
	h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), h.o.Wait)
		defer cancel()
		a, err := do(w, r.WithContext(ctx))
		if err != nil {
			h.refuse(w, err)
			return
		}
		if a.etag != "" {
			w.Header().Set("ETag", a.etag)
		}
		if a.location != "" {
			w.Header().Set("Location", a.location)
		}
		if r.Method != http.MethodGet {
			h.o.Counter.Taken(h.o.Source.Name.Value)
		}
		if a.body == nil {
			w.WriteHeader(a.status)
			return
		}
		gate.Write(w, a.status, mediaType, nil, a.body)
	})
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := gate.Bearer(r, h.o.Source.Intake.SCIM.Token); err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		h.refuse(w, err)
		return
	}
	h.o.Counter.Heard(h.o.Source.Name.Value)
	http.StripPrefix(h.o.Path, h.mux).ServeHTTP(w, r)
}

// fault is an error of RFC 7644, 3.12.
type fault struct {
	Schemas []string `json:"schemas"`
	Status  string   `json:"status"`
	Type    string   `json:"scimType,omitempty"`
	Detail  string   `json:"detail"`
}

var scimTypes = []string{"invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget", "invalidValue", "invalidVers", "sensitive"}

func (h *Handler) refuse(w http.ResponseWriter, err error) {
	refused := h.o.Counter.Refused(h.o.Source.Name.Value, refusalOf(err))
	f := fault{Schemas: []string{errorURN}, Status: strconv.Itoa(refused.Status), Detail: refused.Detail}
	if slices.Contains(scimTypes, refused.Reason) {
		f.Type = refused.Reason
	}
	if refused.Reason == "json" {
		f.Type = "invalidSyntax"
	}
	gate.Write(w, refused.Status, mediaType, refused, f)
}

// refusalOf gives the errors of the packages below a status.
func refusalOf(err error) error {
	var bad *resource.Error
	switch {
	case errors.As(err, &bad):
		return gate.Refuse(http.StatusBadRequest, bad.Type, "%s", bad.Detail)
	case errors.Is(err, filter.ErrSyntax):
		return gate.Refuse(http.StatusBadRequest, "invalidFilter", "%s", err)
	}
	return err
}

// base is the address of this source as the client knows it.
func (h *Handler) base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host + h.o.Path
}

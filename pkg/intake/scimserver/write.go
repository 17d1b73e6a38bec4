package scimserver

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake/gate"
	"joinery.internal/pkg/intake/scimserver/filter"
	"joinery.internal/pkg/intake/scimserver/resource"
)

const (
	maxResource   = 512 << 10 // bytes that are kept of one: Kafka takes a record of 1 MiB
	maxOperations = 1000      // of one PATCH
)

// body reads a JSON object.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) (resource.Object, error) {
	b, err := gate.Read(w, r, gate.Default, mediaType, "application/json")
	if err != nil {
		return nil, err
	}
	v, err := gate.Decode(b)
	if err != nil {
		return nil, err
	}
	o, ok := v.(resource.Object)
	if !ok {
		return nil, gate.Refuse(http.StatusBadRequest, "invalidSyntax", "the body is no JSON object")
	}
	return o, nil
}

func (h *Handler) create(w http.ResponseWriter, r *http.Request, t *resource.Type) (answer, error) {
	in, err := h.body(w, r)
	if err != nil {
		return answer{}, err
	}
	object, err := t.Normalise(in)
	if err != nil {
		return answer{}, err
	}
	out, err := h.write(r, t, "", func(event.ScimResource, resource.Object) (resource.Object, error) { return object, nil })
	out.status = http.StatusCreated
	return out, err
}

func (h *Handler) replace(w http.ResponseWriter, r *http.Request, t *resource.Type) (answer, error) {
	in, err := h.body(w, r)
	if err != nil {
		return answer{}, err
	}
	object, err := t.Normalise(in)
	if err != nil {
		return answer{}, err
	}
	return h.write(r, t, r.PathValue("id"), func(event.ScimResource, resource.Object) (resource.Object, error) { return object, nil })
}

func (h *Handler) patch(w http.ResponseWriter, r *http.Request, t *resource.Type) (answer, error) {
	in, err := h.body(w, r)
	if err != nil {
		return answer{}, err
	}
	operations, err := readOperations(in)
	if err != nil {
		return answer{}, err
	}
	return h.write(r, t, r.PathValue("id"), func(_ event.ScimResource, old resource.Object) (resource.Object, error) {
		return t.Patch(old, operations)
	})
}

// readOperations reads the body of a PATCH.
func readOperations(in resource.Object) ([]resource.Operation, error) {
	urns, _ := filter.Get(in, "schemas").([]any)
	if !slices.ContainsFunc(urns, func(v any) bool { s, ok := v.(string); return ok && strings.EqualFold(s, patchURN) }) {
		return nil, gate.Refuse(http.StatusBadRequest, "invalidSyntax", "schemas does not name %s", patchURN)
	}
	list, ok := filter.Get(in, "Operations").([]any)
	if !ok || len(list) == 0 || len(list) > maxOperations {
		return nil, gate.Refuse(http.StatusBadRequest, "invalidSyntax", "Operations must be a list of one to %d", maxOperations)
	}
	out := make([]resource.Operation, len(list))
	for i, item := range list {
		o, _ := item.(resource.Object)
		path := filter.Get(o, "path")
		out[i].Op, ok = filter.Get(o, "op").(string)
		out[i].Path, _ = path.(string)
		out[i].Value = filter.Get(o, "value")
		if _, isText := path.(string); !ok || path != nil && !isText {
			return nil, gate.Refuse(http.StatusBadRequest, "invalidSyntax", "operation %d: op and path must be texts", i+1)
		}
	}
	return out, nil
}

func (h *Handler) remove(_ http.ResponseWriter, r *http.Request, t *resource.Type) (answer, error) {
	err := h.o.Ledger.change(r.Context(), func(v *view) (*change, error) {
		before, err := h.find(v, t, r)
		if err != nil {
			return nil, err
		}
		old, err := objectOf(before)
		if err != nil {
			return nil, err
		}
		w := &writing{before: before, old: old, row: before, object: old, deleted: true}
		c := &change{key: keyOf(before.Source, before.Type, before.ID)}
		if t == resource.User {
			now := h.o.Clock.Now()
			w.row.Version = v.next(now.UnixMicro())
			c.records, err = w.says(h.o.Mapper, v, now)
		}
		c.version = w.row.Version
		return c, err
	})
	return answer{status: http.StatusNoContent}, err
}

// find returns the resource a request names, if the request means that version of it.
func (h *Handler) find(v *view, t *resource.Type, r *http.Request) (event.ScimResource, error) {
	row, ok := v.get(keyOf(h.o.Source.Name.Value, t.Name, r.PathValue("id")))
	if !ok {
		return row, gate.Refuse(http.StatusNotFound, "not_found", "there is no such resource")
	}
	if match := r.Header.Get("If-Match"); match != "" && !matches(match, row.Version) {
		return row, gate.Refuse(http.StatusPreconditionFailed, "version", "the resource is of another version than If-Match names; read it again")
	}
	return row, nil
}

// matches says whether a list of entity tags holds a version.
func matches(list string, version int64) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag(version), "W/") {
			return true
		}
	}
	return false
}

// write makes a resource, or changes the one of that id, into what become returns.
func (h *Handler) write(r *http.Request, t *resource.Type, id string, become func(event.ScimResource, resource.Object) (resource.Object, error)) (answer, error) {
	p, err := newProjection(r.URL.Query().Get("attributes"), r.URL.Query().Get("excludedAttributes"))
	if err != nil {
		return answer{}, err
	}
	var row event.ScimResource
	err = h.o.Ledger.change(r.Context(), func(v *view) (*change, error) {
		w := &writing{}
		var err error
		if id != "" {
			if w.before, err = h.find(v, t, r); err != nil {
				return nil, err
			}
			if w.old, err = objectOf(w.before); err != nil {
				return nil, err
			}
		}
		if w.object, err = become(w.before, w.old); err != nil {
			return nil, err
		}
		c, err := h.decide(v, t, w)
		row = w.row
		return c, err
	})
	if err != nil {
		return answer{}, err
	}
	o, err := shown(row, t, h.base(r))
	if err != nil {
		return answer{}, err
	}
	location, _ := o["meta"].(resource.Object)["location"].(string)
	return answer{status: http.StatusOK, body: p.of(o), etag: etag(row.Version), location: location}, nil
}

// decide checks that the names are free and says what is to be written; nil if nothing changes.
func (h *Handler) decide(v *view, t *resource.Type, w *writing) (*change, error) {
	now := h.o.Clock.Now().UTC()
	w.row = w.before
	if w.old != nil && reflect.DeepEqual(w.old, w.object) {
		return nil, nil
	}
	if w.old == nil {
		w.row = event.ScimResource{Source: h.o.Source.Name.Value, Type: t.Name, ID: h.o.NewID(), Created: now}
	}
	var err error
	if w.row.Body, err = bodyOf(w.object); err != nil {
		return nil, err
	}
	if len(w.row.Body) > maxResource {
		return nil, gate.Refuse(http.StatusRequestEntityTooLarge, "too_large", "the resource would have more than %d bytes", maxResource)
	}
	w.row.Modified, w.row.Version = now, v.next(now.UnixMicro())
	c := &change{key: keyOf(w.row.Source, w.row.Type, w.row.ID), row: &w.row}
	if t == resource.User {
		if c.records, err = w.says(h.o.Mapper, v, now); err != nil {
			return nil, err
		}
	}
	c.version = w.row.Version
	for _, index := range indexesOf(w.row, namesIn(w.row.Body, w.row.Type)) {
		if other, taken := v.by(index); taken && other.ID != w.row.ID && !strings.HasPrefix(index, "external/") {
			return nil, gate.Refuse(http.StatusConflict, "uniqueness", "another resource has the same %s, or is the same worker by the source's map", t.Unique)
		}
	}
	return c, nil
}

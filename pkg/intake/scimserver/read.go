package scimserver

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake/gate"
	"joinery.internal/pkg/intake/scimserver/filter"
	"joinery.internal/pkg/intake/scimserver/resource"
)

// Sizes of a page.
const (
	defaultCount = 100
	maxCount     = 1000
)

func (h *Handler) read(_ http.ResponseWriter, r *http.Request, t *resource.Type) (answer, error) {
	q := r.URL.Query()
	p, err := newProjection(q.Get("attributes"), q.Get("excludedAttributes"))
	if err != nil {
		return answer{}, err
	}
	v, err := h.o.Ledger.known(r.Context())
	if err != nil {
		return answer{}, err
	}
	row, ok := v.get(keyOf(h.o.Source.Name.Value, t.Name, r.PathValue("id")))
	if !ok {
		return answer{}, gate.Refuse(http.StatusNotFound, "not_found", "there is no such resource")
	}
	if none := r.Header.Get("If-None-Match"); none != "" && matches(none, row.Version) {
		return answer{status: http.StatusNotModified, etag: etag(row.Version)}, nil
	}
	o, err := shown(row, t, h.base(r))
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: p.of(o), etag: etag(row.Version)}, nil
}

// query is what a list is asked for.
type query struct {
	filter     filter.Filter // nil: all
	sortBy     filter.Attribute
	descending bool
	start      int // from 1
	count      int
	projection projection
}

func (h *Handler) list(_ http.ResponseWriter, r *http.Request, t *resource.Type) (answer, error) {
	values := r.URL.Query()
	return h.answerQuery(r, values.Get, t)
}

// search is a list whose query is the body of a POST, so that no name of a person stands in an address.
func (h *Handler) search(w http.ResponseWriter, r *http.Request, types ...*resource.Type) (answer, error) {
	in, err := h.body(w, r)
	if err != nil {
		return answer{}, err
	}
	return h.answerQuery(r, func(name string) string {
		switch v := filter.Get(in, name).(type) {
		case string:
			return v
		case json.Number:
			return v.String()
		case []any:
			var names []string
			for _, item := range v {
				if s, ok := item.(string); ok {
					names = append(names, s)
				}
			}
			return strings.Join(names, ",")
		}
		return ""
	}, types...)
}

func readQuery(get func(string) string) (query, error) {
	q := query{start: 1, count: defaultCount, descending: strings.EqualFold(get("sortOrder"), "descending")}
	var err error
	if s := get("filter"); s != "" {
		if q.filter, err = filter.Parse(s); err != nil {
			return q, err
		}
	}
	if s := get("sortBy"); s != "" {
		if q.sortBy, err = filter.ParseAttribute(s); err != nil {
			return q, err
		}
	}
	for name, into := range map[string]*int{"startIndex": &q.start, "count": &q.count} {
		if s := get(name); s != "" {
			if *into, err = strconv.Atoi(s); err != nil {
				return q, gate.Refuse(http.StatusBadRequest, "invalidValue", "%s is no whole number", name)
			}
		}
	}
	q.start, q.count = max(1, q.start), min(max(0, q.count), maxCount)
	q.projection, err = newProjection(get("attributes"), get("excludedAttributes"))
	return q, err
}

// page is a list response of RFC 7644, 3.4.2.
type page struct {
	Schemas []string          `json:"schemas"`
	Total   int               `json:"totalResults"`
	Start   int               `json:"startIndex"`
	Count   int               `json:"itemsPerPage"`
	Items   []resource.Object `json:"Resources"`
}

// found is a resource with its type.
type found struct {
	row event.ScimResource
	*resource.Type
}

func (h *Handler) answerQuery(r *http.Request, get func(string) string, types ...*resource.Type) (answer, error) {
	q, err := readQuery(get)
	if err != nil {
		return answer{}, err
	}
	v, err := h.o.Ledger.known(r.Context())
	if err != nil {
		return answer{}, err
	}
	var rows []found
	for _, t := range types {
		for _, row := range h.candidates(v, t, q.filter) {
			rows = append(rows, found{row, t})
		}
	}
	out := page{Schemas: []string{listURN}, Start: q.start, Items: []resource.Object{}}
	inMemory := q.filter != nil || q.sortBy.Name != ""
	if !inMemory { // only what is on the page has to be read
		out.Total = len(rows)
		rows = cut(rows, q)
	}
	objects, err := h.matching(r, rows, q.filter)
	if err != nil {
		return answer{}, err
	}
	if inMemory {
		out.Total = len(objects)
		order(objects, q, types[0])
		objects = cut(objects, q)
	}
	for _, o := range objects {
		out.Items = append(out.Items, q.projection.of(o))
	}
	out.Count = len(out.Items)
	return answer{status: http.StatusOK, body: out}, nil
}

// cut is the page of a list.
func cut[T any](list []T, q query) []T {
	list = list[min(q.start-1, len(list)):]
	return list[:min(q.count, len(list))]
}

// matching reads the resources that fit a filter, as long as the request has time.
func (h *Handler) matching(r *http.Request, rows []found, f filter.Filter) ([]resource.Object, error) {
	var out []resource.Object
	for _, one := range rows {
		if r.Context().Err() != nil {
			return nil, gate.Refuse(http.StatusBadRequest, "tooMany", "the filter takes too long over so many resources; ask for userName, externalId or id")
		}
		o, err := shown(one.row, one.Type, h.base(r))
		if err != nil {
			return nil, err
		}
		if f == nil || f.Matches(o, one.Exact) {
			out = append(out, o)
		}
	}
	return out, nil
}

// candidates are the resources that a filter can fit: one, if it asks for a name that there is an index of.
func (h *Handler) candidates(v *view, t *resource.Type, f filter.Filter) []event.ScimResource {
	source := h.o.Source.Name.Value
	equal, _ := filter.Equalities(f)
	for _, c := range equal {
		value, ok := c.Value.(string)
		if !ok {
			continue
		}
		var row event.ScimResource
		var found bool
		switch strings.ToLower(c.Name) {
		case "id":
			row, found = v.get(keyOf(source, t.Name, value))
		case strings.ToLower(t.Unique):
			row, found = v.by(uniqueIndex(source, t.Name, value))
		case "externalid":
			row, found = v.by(externalIndex(source, t.Name, value))
		default:
			continue
		}
		if !found {
			return nil
		}
		return []event.ScimResource{row}
	}
	return v.list(source, t.Name)
}

// order sorts by one attribute; what has none comes last.
func order(objects []resource.Object, q query, t *resource.Type) {
	if q.sortBy.Name == "" {
		return
	}
	exact := t.Exact(q.sortBy)
	slices.SortStableFunc(objects, func(a, b resource.Object) int {
		x, y := filter.Text(a, q.sortBy, exact), filter.Text(b, q.sortBy, exact)
		switch {
		case x == y:
			return 0
		case x == "":
			return 1
		case y == "":
			return -1
		case q.descending:
			x, y = y, x
		}
		return cmp.Compare(x, y)
	})
}

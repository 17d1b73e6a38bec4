package demoapp

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// patchOp is one operation of a PATCH (RFC 7644, 3.5.2).
type patchOp struct {
	verb   string // add, replace, remove
	target pathRef
	value  any
}

// pathRef is where an operation acts: `title`, `name.givenName`, `emails[type eq "work"].value`, `urn:…:User:department`.
type pathRef struct {
	schema, attr, sub string
	filter            *clause // chooses elements of a multi-valued attribute
}

var pathPattern = regexp.MustCompile(`^(?:(urn:[^\[\]]+):)?([A-Za-z$][\w$-]*)(?:\[(.*)\])?(?:\.([A-Za-z$][\w$-]*))?$`)

func parsePath(text string) (pathRef, error) {
	m := pathPattern.FindStringSubmatch(text)
	if m == nil {
		return pathRef{}, refuse(http.StatusBadRequest, "invalidPath", "path %q is not understood", text)
	}
	p := pathRef{schema: m[1], attr: m[2], sub: m[4]}
	if m[3] == "" {
		return p, nil
	}
	f, err := parseFilter(m[3])
	if err != nil || len(f) != 1 {
		return p, refuse(http.StatusBadRequest, "invalidPath", "the filter of path %q is not understood", text)
	}
	p.filter = &f[0]
	return p, nil
}

func parsePatch(body resource) ([]patchOp, error) {
	list, ok := body["Operations"].([]any)
	if !ok || len(list) == 0 {
		return nil, refuse(http.StatusBadRequest, "invalidSyntax", "a patch has Operations")
	}
	var out []patchOp
	for _, o := range list {
		fields, ok := o.(map[string]any)
		if !ok {
			return nil, refuse(http.StatusBadRequest, "invalidSyntax", "an operation is an object")
		}
		op := patchOp{verb: strings.ToLower(resource(fields).text("op")), value: fields["value"]}
		if !slices.Contains([]string{"add", "replace", "remove"}, op.verb) {
			return nil, refuse(http.StatusBadRequest, "invalidSyntax", "op is add, replace or remove")
		}
		path := resource(fields).text("path")
		if path == "" {
			whole, err := withoutPath(op)
			if err != nil {
				return nil, err
			}
			out = append(out, whole...)
			continue
		}
		var err error
		if op.target, err = parsePath(path); err != nil {
			return nil, err
		}
		out = append(out, op)
	}
	return out, nil
}

// withoutPath makes one operation of each attribute in the value.
func withoutPath(op patchOp) ([]patchOp, error) {
	values, ok := op.value.(map[string]any)
	if !ok || op.verb == "remove" {
		return nil, refuse(http.StatusBadRequest, "noTarget", "an operation without path needs an object as its value")
	}
	var out []patchOp
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if extension, ok := values[key].(map[string]any); ok && strings.HasPrefix(key, "urn:") {
			for _, attr := range slices.Sorted(maps.Keys(extension)) {
				out = append(out, patchOp{op.verb, pathRef{schema: key, attr: attr}, extension[attr]})
			}
			continue
		}
		target, err := parsePath(key)
		if err != nil {
			return nil, err
		}
		out = append(out, patchOp{op.verb, target, values[key]})
	}
	return out, nil
}

// apply makes the operation in r.
func (op patchOp) apply(r resource) error {
	p := op.target
	if slices.Contains([]string{"id", "meta", "groups", "schemas"}, p.attr) && p.schema == "" {
		return refuse(http.StatusBadRequest, "mutability", "%s is read only", p.attr)
	}
	holder := r
	if p.schema != "" && p.schema != userSchema && p.schema != groupSchema {
		extension, ok := r[p.schema].(map[string]any)
		if !ok {
			extension = map[string]any{}
			r[p.schema] = extension
		}
		defer func() {
			if len(extension) == 0 {
				delete(r, p.schema)
			}
		}()
		holder = extension
	}
	if p.filter != nil {
		return op.applyFiltered(holder)
	}
	if p.sub != "" {
		inner, ok := holder[p.attr].(map[string]any)
		if !ok {
			inner = map[string]any{}
		}
		op.assign(inner, p.sub)
		holder[p.attr] = inner
		if len(inner) == 0 {
			delete(holder, p.attr)
		}
		return nil
	}
	op.assign(holder, p.attr)
	return nil
}

// assign sets, extends or removes one key.
func (op patchOp) assign(in resource, key string) {
	list, isList := in[key].([]any)
	given, manyGiven := op.value.([]any)
	switch {
	case op.verb == "remove" && isList && manyGiven: // removal by value, as some clients do
		in[key] = slices.DeleteFunc(list, func(e any) bool { return slices.ContainsFunc(given, func(g any) bool { return sameValue(e, g) }) })
	case op.verb == "remove":
		delete(in, key)
	case op.verb == "add" && manyGiven:
		for _, g := range given {
			if !slices.ContainsFunc(list, func(e any) bool { return sameValue(e, g) }) {
				list = append(list, g)
			}
		}
		in[key] = list
	case !isList && isObject(in[key]) && isObject(op.value):
		maps.Copy(in[key].(map[string]any), op.value.(map[string]any))
	default:
		in[key] = op.value
	}
}

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// sameValue compares elements by value and type, or whole.
func sameValue(a, b any) bool {
	x, ok := a.(map[string]any)
	y, ok2 := b.(map[string]any)
	if !ok || !ok2 {
		return a == b
	}
	return x["value"] != nil && x["value"] == y["value"] && (x["type"] == y["type"] || y["type"] == nil)
}

func (op patchOp) applyFiltered(holder resource) error {
	p := op.target
	list, _ := holder[p.attr].([]any)
	met := false
	var kept []any
	for _, e := range list {
		element, ok := e.(map[string]any)
		if !ok || !p.filter.matches(element) {
			kept = append(kept, e)
			continue
		}
		met = true
		switch {
		case op.verb == "remove" && p.sub == "":
			continue
		case p.sub != "":
			op.assign(element, p.sub)
		case isObject(op.value):
			maps.Copy(element, op.value.(map[string]any))
		}
		kept = append(kept, element)
	}
	if !met && op.verb != "remove" {
		return refuse(http.StatusBadRequest, "noTarget", "the filter of %s meets nothing", p.attr)
	}
	holder[p.attr] = kept
	if len(kept) == 0 {
		delete(holder, p.attr)
	}
	return nil
}

// flat returns the text values for /inspect: "name.givenName", "emails.work", "enterprise.department".
func (r resource) flat() map[string]string {
	out := map[string]string{}
	for key, value := range r {
		switch v := value.(type) {
		case string:
			if key != "userName" && key != "externalId" {
				out[key] = v
			}
		case map[string]any:
			for sub, inner := range resource(v).flat() {
				out[strings.TrimPrefix(strings.Replace(key, enterpriseSchema, "enterprise", 1)+"."+sub, ".")] = inner
			}
		case []any:
			for _, e := range v {
				if element, ok := e.(map[string]any); ok && resource(element).text("value") != "" {
					out[key+"."+resource(element).text("type")] = resource(element).text("value")
				}
			}
		}
	}
	return out
}

package resource

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"joinery.internal/pkg/intake/scimserver/filter"
)

// Error is why a resource or a change cannot be taken. It names places and never repeats what stands there.
type Error struct {
	Type   string // scimType of RFC 7644, 3.12
	Detail string
}

func (e *Error) Error() string { return e.Detail }

func faultf(scimType, format string, args ...any) error {
	return &Error{scimType, fmt.Sprintf(format, args...)}
}

// Normalise makes a resource of what a client sent: names as the schemas have them, values of their types, nothing that
// is read only, unknown, empty or a password.
func (t *Type) Normalise(in Object) (Object, error) {
	out := Object{}
	given, ok := filter.Get(in, "schemas").([]any)
	if !ok || !slices.ContainsFunc(given, func(v any) bool { s, ok := v.(string); return ok && strings.EqualFold(s, t.Core.ID) }) {
		return nil, faultf("invalidValue", "schemas does not name %s", t.Core.ID)
	}
	urns := []any{t.Core.ID}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if len(name) >= 4 && strings.EqualFold(name[:4], "urn:") {
			urn, part, err := t.extension(name, in[name])
			if err != nil {
				return nil, err
			}
			if len(part) > 0 {
				out[urn] = part
				urns = append(urns, urn)
			}
			continue
		}
		attr := t.Core.attribute(name)
		if attr == nil {
			attr = common.attribute(name)
		}
		if err := put(out, attr, in[name]); err != nil {
			return nil, err
		}
	}
	for _, attr := range t.Core.Attributes {
		if s, ok := out[attr.Name].(string); attr.Required && (!ok || strings.TrimSpace(s) == "") {
			return nil, faultf("invalidValue", "%s is required", attr.Name)
		}
	}
	out["schemas"] = urns
	return out, nil
}

// extension reads an extension; one that is not ours is kept as it is.
func (t *Type) extension(urn string, v any) (string, Object, error) {
	in, ok := v.(Object)
	if v != nil && !ok {
		return "", nil, faultf("invalidValue", "an extension is no object")
	}
	for _, e := range t.Extensions {
		if !strings.EqualFold(e.ID, urn) {
			continue
		}
		out := Object{}
		for _, name := range slices.Sorted(maps.Keys(in)) {
			if err := put(out, e.attribute(name), in[name]); err != nil {
				return "", nil, err
			}
		}
		return e.ID, out, nil
	}
	return urn, in, nil
}

// put sets an attribute of out, unless it is unknown, not to be written, or empty.
func put(out Object, attr *Attribute, v any) error {
	if attr == nil || attr.Mutability != "readWrite" {
		return nil
	}
	value, err := attr.coerce(v)
	if err != nil || value == nil {
		return err
	}
	out[attr.Name] = value
	return nil
}

// coerce makes a value of the attribute's type; nil if it is empty.
func (a *Attribute) coerce(v any) (any, error) {
	if !a.Multi {
		if list, ok := v.([]any); ok && len(list) == 1 { // one value in a list
			v = list[0]
		}
		return a.single(v)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []any
	primaries := 0
	for _, item := range list {
		value, err := a.single(item)
		if err != nil {
			return nil, err
		}
		if value == nil || slices.ContainsFunc(out, func(o any) bool { return reflect.DeepEqual(o, value) }) {
			continue
		}
		if part, ok := value.(Object); ok && part["primary"] == true {
			primaries++
		}
		out = append(out, value)
	}
	if primaries > 1 {
		return nil, faultf("invalidValue", "%s has more than one primary value", a.Name)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func (a *Attribute) single(v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch a.Type {
	case typeComplex:
		return a.complex(v)
	case typeBoolean:
		if s, ok := v.(string); ok && (strings.EqualFold(s, "true") || strings.EqualFold(s, "false")) {
			return strings.EqualFold(s, "true"), nil
		}
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, faultf("invalidValue", "%s is neither true nor false", a.Name)
	}
	s, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber { // an employee number, say
		s, ok = n.String(), true
	}
	if !ok {
		return nil, faultf("invalidValue", "%s is no text", a.Name)
	}
	if a.Type == typeBinary {
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			return nil, faultf("invalidValue", "%s is not base64", a.Name)
		}
	}
	return s, nil
}

// complex reads the parts of a value; a bare value is its value.
func (a *Attribute) complex(v any) (any, error) {
	in, ok := v.(Object)
	if !ok {
		if a.sub("value") == nil {
			return nil, faultf("invalidValue", "%s is no object", a.Name)
		}
		in = Object{"value": v}
	}
	out := Object{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if err := put(out, a.sub(name), in[name]); err != nil {
			return nil, faultf("invalidValue", "%s: %s", a.Name, err)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

package resource

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"joinery.internal/pkg/intake/scimserver/filter"
)

// Operation is one change of a PATCH.
type Operation struct {
	Op    string // add, replace or remove, in any case
	Path  string // empty: the value's keys say where
	Value any
}

// Patch applies the operations one after the other, all or none, and returns the resource they make. The one given is not
// changed.
func (t *Type) Patch(current Object, operations []Operation) (Object, error) {
	p := patch{t, clone(current).(Object)}
	for i, op := range operations {
		if err := p.apply(op); err != nil {
			e, ok := err.(*Error) //nolint:errorlint // those of this package are not wrapped
			if !ok {
				e = &Error{"invalidPath", err.Error()}
			}
			return nil, faultf(e.Type, "operation %d: %s", i+1, e.Detail)
		}
	}
	return t.Normalise(p.object)
}

func clone(v any) any {
	switch v := v.(type) {
	case Object:
		out := make(Object, len(v))
		for k, item := range v {
			out[k] = clone(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = clone(item)
		}
		return out
	}
	return v
}

// patch is a resource being changed.
type patch struct {
	t      *Type
	object Object
}

func (p *patch) apply(op Operation) error {
	verb := strings.ToLower(op.Op)
	switch {
	case verb != "add" && verb != "replace" && verb != "remove":
		return faultf("invalidSyntax", "op is none of add, replace, remove")
	case op.Path == "" && verb == "remove":
		return faultf("noTarget", "a remove needs a path")
	case op.Path == "":
		return p.merge(verb, op.Value)
	}
	path, err := filter.ParsePath(op.Path)
	if err != nil {
		return err
	}
	return p.at(verb, path, op.Value)
}

// merge applies a value without a path: each of its keys is one.
func (p *patch) merge(verb string, v any) error {
	in, ok := v.(Object)
	if !ok {
		return faultf("invalidValue", "without a path the value must be an object")
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if strings.EqualFold(name, "schemas") {
			continue
		}
		attr, err := filter.ParseAttribute(name)
		if err != nil {
			return err
		}
		if err := p.at(verb, filter.Path{Attribute: attr}, in[name]); err != nil {
			if e, ok := err.(*Error); ok && (e.Type == "mutability" || e.Type == "invalidPath") { //nolint:errorlint // as above
				continue // what is read only or unknown in a resource is ignored, as in a PUT
			}
			return err
		}
	}
	return nil
}

// at applies one operation where a path says.
func (p *patch) at(verb string, path filter.Path, v any) error {
	found := p.t.find(path.Attribute)
	if found == nil {
		return p.foreign(verb, path, v)
	}
	if found.attr == nil {
		return p.whole(verb, found.urn, v)
	}
	if found.attr.Mutability == readOnly || found.sub != nil && found.sub.Mutability == readOnly {
		return faultf("mutability", "%s is read only", path.Attribute)
	}
	in := p.object
	if found.urn != "" {
		in, _ = p.object[found.urn].(Object)
		if in == nil {
			in = Object{}
			p.object[found.urn] = in
		}
	}
	if verb == "remove" {
		return remove(in, found, path, v)
	}
	if v == nil && path.Where == nil { // to set nothing is to remove
		return remove(in, found, path, nil)
	}
	return set(in, verb, found, path, v)
}

// foreign changes an extension that is not ours: set or removed as a whole, or by its first names.
func (p *patch) foreign(verb string, path filter.Path, v any) error {
	if len(path.URN) < 4 || !strings.EqualFold(path.URN[:4], "urn:") || path.Where != nil {
		return faultf("invalidPath", "there is no such attribute")
	}
	if whole, ok := v.(Object); ok && path.Sub == "" {
		return p.whole(verb, path.URN+":"+path.Name, whole)
	}
	if _, ok := p.object[path.URN+":"+path.Name]; ok && verb == "remove" && path.Sub == "" {
		delete(p.object, path.URN+":"+path.Name)
		return nil
	}
	part, _ := p.object[path.URN].(Object)
	switch {
	case path.Sub != "":
		return faultf("invalidPath", "parts of attributes of an extension that is not known cannot be changed by themselves")
	case verb == "remove":
		delete(part, path.Name)
	case part == nil:
		p.object[path.URN] = Object{path.Name: v}
	default:
		part[path.Name] = v
	}
	return nil
}

// whole changes an extension by its URN.
func (p *patch) whole(verb, urn string, v any) error {
	in, ok := v.(Object)
	if verb == "remove" {
		delete(p.object, urn)
		return nil
	}
	if !ok {
		return faultf("invalidValue", "an extension is no object")
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if err := p.at(verb, filter.Path{Attribute: filter.Attribute{URN: urn, Name: name}}, in[name]); err != nil {
			return err
		}
	}
	return nil
}

// chosen are the places of a list's values that a path's brackets hold; all without brackets.
func chosen(list []any, attr *Attribute, where filter.Filter) []int {
	exact := func(a filter.Attribute) bool {
		sub := attr.sub(a.Name)
		return sub != nil && sub.Exact
	}
	var at []int
	for i, item := range list {
		part, ok := item.(Object)
		if where == nil || ok && where.Matches(part, exact) {
			at = append(at, i)
		}
	}
	return at
}

func remove(in Object, found *target, path filter.Path, v any) error {
	attr := found.attr
	if attr.Required {
		return faultf("mutability", "%s is required", attr.Name)
	}
	if !attr.Multi {
		if part, ok := in[attr.Name].(Object); ok && found.sub != nil {
			delete(part, found.sub.Name)
			return nil
		}
		delete(in, attr.Name)
		return nil
	}
	list, _ := in[attr.Name].([]any)
	at := chosen(list, attr, path.Where)
	if path.Where == nil && found.sub == nil && v != nil { // the values to remove are given
		given, err := attr.coerce(v)
		if err != nil {
			return err
		}
		at = slices.DeleteFunc(at, func(i int) bool { return !among(list[i], given) })
	}
	if found.sub != nil {
		for _, i := range at {
			delete(list[i].(Object), found.sub.Name)
		}
		return nil
	}
	var left []any
	for i, item := range list {
		if !slices.Contains(at, i) {
			left = append(left, item)
		}
	}
	in[attr.Name] = left
	return nil
}

// among says whether a value is one of those given, by its value alone.
func among(v any, given any) bool {
	list, _ := given.([]any)
	part, _ := v.(Object)
	return slices.ContainsFunc(list, func(g any) bool {
		wanted, _ := g.(Object)
		return wanted["value"] != nil && wanted["value"] == part["value"] || reflect.DeepEqual(g, v)
	})
}

func set(in Object, verb string, found *target, path filter.Path, v any) error {
	attr := found.attr
	if found.sub != nil {
		value, err := found.sub.coerce(v)
		if err != nil {
			return err
		}
		v = Object{found.sub.Name: value}
	}
	if !attr.Multi {
		value, err := attr.coerce(v)
		if err != nil {
			return err
		}
		part, _ := in[attr.Name].(Object)
		if change, ok := value.(Object); ok && part != nil {
			maps.Copy(part, change)
			return nil
		}
		in[attr.Name] = value
		return nil
	}
	list, _ := in[attr.Name].([]any)
	if path.Where == nil && found.sub == nil {
		return setList(in, verb, attr, list, v)
	}
	return setChosen(in, attr, list, path, v)
}

// setList replaces a list or adds to it.
func setList(in Object, verb string, attr *Attribute, list []any, v any) error {
	given, err := attr.coerce(v)
	if err != nil {
		return err
	}
	values, _ := given.([]any)
	if verb == "replace" {
		in[attr.Name] = values
		return nil
	}
	list = slices.DeleteFunc(list, func(item any) bool { // one of the same value is given anew
		part, ok := item.(Object)
		return ok && attr.Name == "members" && among(part, given)
	})
	in[attr.Name] = onePrimary(append(list, values...), len(list))
	return nil
}

// setChosen changes the values that the brackets hold, and makes one if there is none.
func setChosen(in Object, attr *Attribute, list []any, path filter.Path, v any) error {
	change, err := attr.single(v)
	if err != nil {
		return err
	}
	part, _ := change.(Object)
	at := chosen(list, attr, path.Where)
	if len(at) == 0 {
		made := Object{}
		if path.Where != nil {
			equal, ok := filter.Equalities(path.Where)
			if !ok {
				return faultf("noTarget", "no value of %s fits, and none can be made of this filter", attr.Name)
			}
			for _, c := range equal {
				made[c.Name] = c.Value
			}
		}
		list, at = append(list, made), []int{len(list)}
	}
	for _, i := range at {
		maps.Copy(list[i].(Object), part)
	}
	in[attr.Name] = onePrimary(list, at[0])
	return nil
}

// onePrimary takes primary from all other values if one from a place on has it: the newest word counts.
func onePrimary(list []any, from int) []any {
	for i := len(list) - 1; i >= from; i-- {
		if part, ok := list[i].(Object); ok && part["primary"] == true {
			for j, other := range list {
				if o, ok := other.(Object); ok && j != i {
					delete(o, "primary")
				}
			}
			break
		}
	}
	return list
}

package filter

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"
)

// Object is a resource, or a part of one, as JSON gives it.
type Object = map[string]any

// Exact says whether texts of an attribute are compared with regard to case. Inside of brackets the attribute is named by
// its part alone, below of the one in front of them.
type Exact func(Attribute) bool

// Filter is a condition on a resource.
type Filter interface {
	Matches(o Object, exact Exact) bool
}

type (
	and  struct{ left, right Filter }
	or   struct{ left, right Filter }
	not  struct{ inner Filter }
	some struct {
		attribute Attribute
		inner     Filter
	}
)

// Compare is one comparison. Value is a string, json.Number, bool or nil.
type Compare struct {
	Attribute
	Op    Operator
	Value any
}

func (f and) Matches(o Object, x Exact) bool { return f.left.Matches(o, x) && f.right.Matches(o, x) }
func (f or) Matches(o Object, x Exact) bool  { return f.left.Matches(o, x) || f.right.Matches(o, x) }
func (f not) Matches(o Object, x Exact) bool { return !f.inner.Matches(o, x) }

// Matches says whether one of the attribute's values fits as a whole.
func (f some) Matches(o Object, exact Exact) bool {
	inner := func(a Attribute) bool { return exact(Attribute{f.attribute.URN, f.attribute.Name, a.Name}) }
	for _, v := range values(o, f.attribute) {
		part, ok := v.(Object)
		if !ok {
			part = Object{"value": v}
		}
		if f.inner.Matches(part, inner) {
			return true
		}
	}
	return false
}

// Matches says whether one of the attribute's values fits; for ne, whether none is equal.
func (f Compare) Matches(o Object, exact Exact) bool {
	found := values(o, f.Attribute)
	isExact := exact(f.Attribute)
	switch f.Op {
	case NotEqual:
		return !Compare{f.Attribute, Equal, f.Value}.Matches(o, exact)
	case Equal:
		if f.Value == nil {
			return len(found) == 0
		}
	}
	for _, v := range found {
		if part, ok := v.(Object); ok && f.Op != Present {
			v = Get(part, "value")
		}
		if f.Op == Present && !empty(v) || f.Op != Present && compare(v, f.Op, f.Value, isExact) {
			return true
		}
	}
	return false
}

// Get returns the value of a name, whatever its case.
func Get(o Object, name string) any {
	if v, ok := o[name]; ok {
		return v
	}
	for k, v := range o {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// values are those an attribute has, one by one; none if it is absent.
func values(o Object, a Attribute) []any {
	if a.URN != "" {
		if extension, ok := Get(o, a.URN).(Object); ok {
			o = extension
		}
	}
	found := each(Get(o, a.Name))
	if a.Sub == "" {
		return found
	}
	var out []any
	for _, v := range found {
		if part, ok := v.(Object); ok {
			out = append(out, each(Get(part, a.Sub))...)
		}
	}
	return out
}

func each(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case Object:
		return len(v) == 0
	}
	return false
}

// compare compares two values of one type; values of different types are not equal and have no order.
func compare(got any, op Operator, want any, exact bool) bool {
	switch want := want.(type) {
	case string:
		s, ok := got.(string)
		return ok && compareText(s, op, want, exact)
	case bool:
		b, ok := got.(bool)
		return ok && op == Equal && b == want
	case json.Number:
		n, ok := got.(json.Number)
		if !ok {
			return false
		}
		a, err1 := n.Float64()
		b, err2 := want.Float64()
		return err1 == nil && err2 == nil && ordered(cmp.Compare(a, b), op)
	}
	return false
}

func compareText(got string, op Operator, want string, exact bool) bool {
	if a, err := time.Parse(time.RFC3339, got); err == nil {
		if b, err := time.Parse(time.RFC3339, want); err == nil {
			return ordered(a.Compare(b), op)
		}
	}
	if !exact {
		got, want = strings.ToLower(got), strings.ToLower(want)
	}
	switch op {
	case Contains:
		return strings.Contains(got, want)
	case StartsWith:
		return strings.HasPrefix(got, want)
	case EndsWith:
		return strings.HasSuffix(got, want)
	}
	return ordered(strings.Compare(got, want), op)
}

func ordered(c int, op Operator) bool {
	switch op {
	case Equal:
		return c == 0
	case Greater:
		return c > 0
	case GreaterOrEqual:
		return c >= 0
	case Less:
		return c < 0
	case LessOrEqual:
		return c <= 0
	}
	return false
}

// Equalities are the parts of an attribute that a filter wants to be equal to something, all of them at once. If all is
// true it wants nothing else: what a value has to be made of to fit.
func Equalities(f Filter) (out []Compare, all bool) {
	switch f := f.(type) {
	case and:
		left, ok1 := Equalities(f.left)
		right, ok2 := Equalities(f.right)
		return append(left, right...), ok1 && ok2
	case Compare:
		if f.Op == Equal && f.Value != nil && f.Sub == "" && f.URN == "" {
			return []Compare{f}, true
		}
	}
	return nil, false
}

// Text is the first value of an attribute as a text to sort by; empty if there is none.
func Text(o Object, a Attribute, exact bool) string {
	found := values(o, a)
	if len(found) == 0 {
		return ""
	}
	first := found[0]
	if part, ok := first.(Object); ok {
		first = Get(part, "value")
	}
	s, _ := first.(string)
	if first == true {
		s = "true"
	}
	if !exact {
		s = strings.ToLower(s)
	}
	return s
}

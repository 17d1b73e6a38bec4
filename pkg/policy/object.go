package policy

import (
	"fmt"
	"reflect"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"joinery.internal/pkg/event"
)

// objectType is a type that expressions may read fields of and cannot make.
type objectType struct {
	name   string
	cel    *cel.Type
	fields []field
	index  map[string]int
}

// field is one field of an objectType. The getter gets a pointer to the Go value.
type field struct {
	name string
	typ  *cel.Type
	get  func(native any) ref.Val
	set  func(native any) bool
}

func newObjectType(name string, fields ...field) *objectType {
	t := &objectType{name: name, cel: cel.ObjectType(name), fields: fields, index: map[string]int{}}
	for i, f := range fields {
		t.index[f.name] = i
	}
	return t
}

func (t *objectType) fieldNames() []string {
	names := make([]string, len(t.fields))
	for i, f := range t.fields {
		names[i] = f.name
	}
	return names
}

// object is a value of an objectType. It remembers fields it has read, so it belongs to one evaluation.
type object struct {
	typ    *objectType
	native any
	cache  []ref.Val
}

func (t *objectType) of(native any) *object {
	return &object{typ: t, native: native, cache: make([]ref.Val, len(t.fields))}
}

func (o *object) field(i int) ref.Val {
	if o.cache[i] == nil {
		o.cache[i] = o.typ.fields[i].get(o.native)
	}
	return o.cache[i]
}

func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("convert %s to %s: not supported", o.typ.name, t)
}

func (o *object) ConvertToType(t ref.Type) ref.Val {
	if t.TypeName() == o.typ.name {
		return o
	}
	return types.NewErr("%s cannot be converted to %s", o.typ.name, t.TypeName())
}

// Equal compares the values of all fields.
func (o *object) Equal(other ref.Val) ref.Val {
	p, ok := other.(*object)
	return types.Bool(ok && p.typ == o.typ && reflect.DeepEqual(o.native, p.native))
}

func (o *object) Type() ref.Type { return o.typ.cel }
func (o *object) Value() any     { return o }

// provider tells CEL about the object types.
type provider struct {
	*types.Registry
	objects map[string]*objectType
}

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if t, ok := p.objects[name]; ok {
		return types.NewTypeTypeWithParam(t.cel), true
	}
	return p.Registry.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if t, ok := p.objects[name]; ok {
		return t.fieldNames(), true
	}
	return p.Registry.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(name, fieldName string) (*types.FieldType, bool) {
	t, ok := p.objects[name]
	if !ok {
		return p.Registry.FindStructFieldType(name, fieldName)
	}
	i, ok := t.index[fieldName]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type:    t.fields[i].typ,
		GetFrom: func(o any) (any, error) { return o.(*object).field(i), nil },
		IsSet:   func(o any) bool { return t.fields[i].set(o.(*object).native) },
	}, true
}

func (p provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if _, ok := p.objects[name]; ok {
		return types.NewErr("%s cannot be made by an expression", name)
	}
	return p.Registry.NewValue(name, fields)
}

// text makes a string field of a T.
func text[T any, S ~string](name string, get func(*T) S) field {
	return field{name, cel.StringType,
		func(n any) ref.Val { return types.String(get(n.(*T))) },
		func(n any) bool { return get(n.(*T)) != "" }}
}

// instant makes a timestamp field of a T.
func instant[T any](name string, get func(*T) time.Time) field {
	return field{name, cel.TimestampType,
		func(n any) ref.Val { return types.Timestamp{Time: get(n.(*T))} },
		func(n any) bool { return !get(n.(*T)).IsZero() }}
}

// accountView is what expressions see as `account`.
type accountView struct {
	name   string
	target string
}

func personType() *objectType {
	type p = event.Person
	return newObjectType("joinery.Person",
		text("id", func(v *p) event.IdentityID { return v.ID }),
		text("employee_number", func(v *p) string { return v.EmployeeNumber }),
		text("given_name", func(v *p) string { return v.GivenName }),
		text("family_name", func(v *p) string { return v.FamilyName }),
		text("display_name", func(v *p) string { return v.DisplayName }),
		text("email", func(v *p) string { return v.Email }),
		text("phone", func(v *p) string { return v.Phone }),
		text("title", func(v *p) string { return v.Title }),
		text("department", func(v *p) string { return v.Department }),
		text("company", func(v *p) string { return v.Company }),
		text("cost_centre", func(v *p) string { return v.CostCentre }),
		text("location", func(v *p) string { return v.Location }),
		text("manager", func(v *p) string { return v.Manager }),
		text("worker_type", func(v *p) string { return v.WorkerType }),
		text("start_date", func(v *p) string { return v.StartDate }),
		text("end_date", func(v *p) string { return v.EndDate }),
		text("timezone", func(v *p) string { return v.Timezone }),
		text("status", func(v *p) event.Status { return v.Status }),
		text("username", func(v *p) string { return v.Username }),
		instant("start", func(v *p) time.Time { return v.Start }),
		instant("end", func(v *p) time.Time { return v.End }),
		field{"emergency", cel.BoolType,
			func(n any) ref.Val { return types.Bool(n.(*p).Emergency) },
			func(n any) bool { return n.(*p).Emergency }},
		field{"attributes", cel.MapType(cel.StringType, cel.StringType),
			func(n any) ref.Val { return attributes(n.(*p).Attributes) },
			func(n any) bool { return len(n.(*p).Attributes) > 0 }},
	)
}

func eventType() *objectType {
	type e = EventInfo
	return newObjectType("joinery.Event",
		text("kind", func(v *e) string { return v.Kind }),
		text("source", func(v *e) string { return v.Source }),
		text("reason", func(v *e) string { return v.Reason }),
		instant("effective_at", func(v *e) time.Time { return v.EffectiveAt }),
	)
}

func accountType() *objectType {
	type a = accountView
	return newObjectType("joinery.Account",
		text("name", func(v *a) string { return v.name }),
		text("target", func(v *a) string { return v.target }),
	)
}

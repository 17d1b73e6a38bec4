package policy

import (
	"encoding/json"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// lenient is a map that gives a value for a key that is not there, where CEL's own maps fail. CEL asks for the
// key with Get, and whether it is there (has, in) with IsSet and Contains; it must not be a traits.Mapper, of
// which CEL would use Find for both.
type lenient struct {
	entries traits.Mapper
	absent  ref.Val
}

// attributes are the free attributes of a person: an absent one is empty.
func attributes(m map[string]string) ref.Val {
	return lenient{types.NewStringStringMap(types.DefaultTypeAdapter, m), types.String("")}
}

func (m lenient) Get(key ref.Val) ref.Val {
	if v, ok := m.entries.Find(key); ok {
		return v
	}
	return m.absent
}

func (m lenient) IsSet(key ref.Val) ref.Val                   { return m.entries.Contains(key) }
func (m lenient) Contains(key ref.Val) ref.Val                { return m.entries.Contains(key) }
func (m lenient) Iterator() traits.Iterator                   { return m.entries.Iterator() }
func (m lenient) Size() ref.Val                               { return m.entries.Size() }
func (m lenient) Type() ref.Type                              { return m.entries.Type() }
func (m lenient) Value() any                                  { return m.entries.Value() }
func (m lenient) ConvertToNative(t reflect.Type) (any, error) { return m.entries.ConvertToNative(t) }
func (m lenient) ConvertToType(t ref.Type) ref.Val {
	if t == types.MapType {
		return m
	}
	return m.entries.ConvertToType(t)
}

func (m lenient) Equal(other ref.Val) ref.Val {
	if o, ok := other.(lenient); ok {
		return m.entries.Equal(o.entries)
	}
	return m.entries.Equal(other)
}

// recordAdapter makes CEL values of a foreign record: an absent key is null, at every depth.
type recordAdapter struct{ types.Adapter }

func (a recordAdapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case map[string]any:
		return lenient{types.NewStringInterfaceMap(a, v), types.NullValue}
	case []any:
		return types.NewDynamicList(a, v)
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return types.Int(i)
		}
		f, err := v.Float64()
		if err != nil {
			return types.NewErr("%q is not a number", v.String())
		}
		return types.Double(f)
	}
	return a.Adapter.NativeToValue(value)
}

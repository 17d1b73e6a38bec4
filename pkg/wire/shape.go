package wire

import (
	"cmp"
	"strings"

	"github.com/twmb/avro"
)

// shape is a schema as a tree to walk beside a value; a named type is one node however often it is used.
type shape struct {
	typ       string // Avro's name of the type: record, string, union ...
	logical   string
	name      string // full name of a record, enum or fixed
	fields    []fieldShape
	item      *shape   // of an array or map
	branches  []*shape // of a union
	symbols   []string
	size      int
	scale     int
	recursive bool // somewhere inside it is itself
}

type fieldShape struct {
	name     string
	shape    *shape
	optional bool // has a default, or may be null
}

// String is what the schema is called: a full name, or the type of an unnamed one.
func (s *shape) String() string {
	if s.name != "" {
		return s.name
	}
	return s.typ
}

// nullable says whether null is a value.
func (s *shape) nullable() bool {
	if s.typ == "null" {
		return true
	}
	for _, b := range s.branches {
		if b.typ == "null" {
			return true
		}
	}
	return false
}

func shapeOf(schema *avro.Schema) *shape {
	w := shaper{named: map[string]*shape{}, open: map[*shape]bool{}}
	return w.shape(schema.Root(), "")
}

type shaper struct {
	named map[string]*shape
	open  map[*shape]bool // being built: a reference to one of these is a recursion
}

// shape builds the tree of a node that stands inside the namespace.
func (w *shaper) shape(n *avro.SchemaNode, namespace string) *shape {
	for _, name := range []string{n.Type, namespace + "." + n.Type} {
		if s, ok := w.named[name]; ok { // a reference
			s.recursive = s.recursive || w.open[s]
			return s
		}
	}
	s := &shape{typ: n.Type, logical: n.LogicalType, symbols: n.Symbols, size: n.Size, scale: n.Scale}
	if n.Name != "" {
		s.name, namespace = fullName(n)
		w.named[s.name] = s
		w.open[s] = true
		defer delete(w.open, s)
	}
	for i := range n.Fields {
		f := fieldShape{name: n.Fields[i].Name, shape: w.shape(&n.Fields[i].Type, namespace)}
		f.optional = n.Fields[i].HasDefault || f.shape.nullable()
		s.fields = append(s.fields, f)
		s.recursive = s.recursive || f.shape.recursive
	}
	for i := range n.Branches {
		s.branches = append(s.branches, w.shape(&n.Branches[i], namespace))
		s.recursive = s.recursive || s.branches[i].recursive
	}
	if item := cmp.Or(n.Items, n.Values); item != nil {
		s.item = w.shape(item, namespace)
		s.recursive = s.recursive || s.item.recursive
	}
	return s
}

func fullName(n *avro.SchemaNode) (name, namespace string) {
	if dot := strings.LastIndexByte(n.Name, '.'); dot >= 0 {
		return n.Name, n.Name[:dot]
	}
	if n.Namespace == "" {
		return n.Name, ""
	}
	return n.Namespace + "." + n.Name, n.Namespace
}

package policy

import (
	"slices"
	"strconv"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// readsOf returns the values an expression looks at, each once, in the order it names them: what a decision is
// explained with.
func readsOf(tree *ast.AST, s *scope) []read {
	var reads []read
	inner := map[int64]bool{} // nodes that are part of a longer read
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if inner[e.ID()] {
			return
		}
		r, parts, ok := readOf(e, s)
		if !ok {
			return
		}
		for _, id := range parts {
			inner[id] = true
		}
		if !slices.Contains(reads, r) {
			reads = append(reads, r)
		}
	}))
	return reads
}

// readOf recognises `now`, `person.x`, `person.attributes.x` and `person.attributes["x"]`, with the ids of the nodes inside.
func readOf(e ast.Expr, s *scope) (read, []int64, bool) {
	if e.Kind() == ast.IdentKind {
		t, known := s.variables[e.AsIdent()]
		name := e.AsIdent()
		return read{name: name, variable: name, field: -1}, nil, known && t == nil
	}
	operand, key, ok := step(e)
	if !ok {
		return read{}, nil, false
	}
	if r, parts, ok := fieldRead(operand, key, s); ok {
		return r, append(parts, operand.ID()), true
	}
	inner, field, ok := step(operand)
	if !ok || field != "attributes" {
		return read{}, nil, false
	}
	r, parts, ok := fieldRead(inner, field, s)
	if !ok {
		return read{}, nil, false
	}
	r.name, r.key, r.keyed = r.name+"["+strconv.Quote(key)+"]", key, true
	return r, append(parts, operand.ID(), inner.ID()), true
}

// step takes apart `operand.key` and `operand["key"]`.
func step(e ast.Expr) (operand ast.Expr, key string, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		return e.AsSelect().Operand(), e.AsSelect().FieldName(), true
	case ast.CallKind:
		args := e.AsCall().Args()
		if e.AsCall().FunctionName() == operators.Index && args[1].Kind() == ast.LiteralKind {
			word, isString := args[1].AsLiteral().(types.String)
			return args[0], string(word), isString
		}
	}
	return nil, "", false
}

func fieldRead(operand ast.Expr, name string, s *scope) (read, []int64, bool) {
	if operand.Kind() != ast.IdentKind {
		return read{}, nil, false
	}
	variable := operand.AsIdent()
	t := s.variables[variable]
	if t == nil {
		return read{}, nil, false
	}
	i, ok := t.index[name]
	return read{name: variable + "." + name, variable: variable, field: i}, nil, ok
}

// values returns what the expression looked at, as text, by name.
func (a *activation) values(p *program) map[string]string {
	if len(p.reads) == 0 {
		return nil
	}
	out := make(map[string]string, len(p.reads))
	for _, r := range p.reads {
		out[r.name] = asText(a.read(r))
	}
	return out
}

func (a *activation) read(r read) ref.Val {
	v, _ := a.ResolveName(r.variable)
	if o, ok := v.(*object); ok && r.field >= 0 {
		v = o.field(r.field)
	}
	if m, ok := v.(lenient); ok && r.keyed {
		v = m.Get(types.String(r.key))
	}
	value, _ := v.(ref.Val)
	return value
}

// asText writes a value for people.
func asText(v ref.Val) string {
	if s, ok := v.(types.String); ok {
		return string(s)
	}
	if s, ok := v.ConvertToType(types.StringType).(types.String); ok {
		return string(s)
	}
	if m, ok := v.(lenient); ok {
		return mapText(m)
	}
	return v.Type().TypeName()
}

// mapText writes a map of strings with its keys in order.
func mapText(m lenient) string {
	var parts []string
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		parts = append(parts, strconv.Quote(asText(key))+": "+strconv.Quote(asText(m.Get(key))))
	}
	slices.Sort(parts)
	out := "{"
	for i, p := range parts {
		if i > 0 {
			out += ", "
		}
		out += p
	}
	return out + "}"
}

package desk

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cel.dev/cel-go/cel"
)

// filterCost bounds what one evaluation of a filter may cost, in CEL's units.
const filterCost = 100_000

// filter says of one thing, given as the values of its variables, whether it is meant.
type filter func(values map[string]any) bool

// newFilter compiles an expression over variables; empty: everything is meant. What cannot be evaluated is not meant.
func newFilter(where string, variables map[string]*cel.Type) (filter, error) {
	if where == "" {
		return func(map[string]any) bool { return true }, nil
	}
	var options []cel.EnvOption
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		options = append(options, cel.Variable(name, variables[name]))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("make the filter's environment: %w", err)
	}
	ast, issues := env.Compile(where)
	if issues.Err() != nil {
		return nil, fault(Invalid, "where: %v", issues.Err())
	}
	if ast.OutputType() != cel.BoolType && ast.OutputType() != cel.DynType {
		return nil, fault(Invalid, "where: it gives %s; it must say true or false", ast.OutputType())
	}
	program, err := env.Program(ast, cel.CostLimit(filterCost))
	if err != nil {
		return nil, fault(Invalid, "where: %v", err)
	}
	return func(values map[string]any) bool {
		v, _, err := program.Eval(values)
		return err == nil && v.Value() == true
	}, nil
}

// plain is a value of a topic as people read it; ok is false for bytes that are neither Avro of ours nor JSON.
func (d *Desk) plain(value []byte) (doc json.RawMessage, ok bool) {
	if doc, _, err := d.Codec.DecodeJSON(value); err == nil {
		return doc, true
	}
	return value, len(value) > 0 && json.Valid(value)
}

package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"
)

// variables of expressions, with their types.
var variables = map[string]*cel.Type{
	"account": cel.StringType, "external_id": cel.StringType, "id": cel.StringType, "name": cel.StringType, "key": cel.StringType,
	"enabled": cel.BoolType, "attributes": cel.MapType(cel.StringType, cel.DynType),
	"limit": cel.IntType, "page": cel.IntType, "cursor": cel.StringType,
	"title": cel.StringType, "text": cel.StringType, "payload": cel.StringType,
	"response": cel.DynType, "items": cel.DynType, "item": cel.DynType, "headers": cel.MapType(cel.StringType, cel.StringType),
}

// values are variables with their values.
type values map[string]any

// blank are values of which none is set.
func blank() values {
	return values{"account": "", "external_id": "", "id": "", "name": "", "key": "", "enabled": false, "attributes": map[string]any{},
		"limit": 0, "page": 0, "cursor": "", "title": "", "text": "", "payload": "", "response": nil, "items": nil, "item": nil, "headers": map[string]string{}}
}

// with returns a copy with more set.
func (v values) with(more values) values {
	out := maps.Clone(v)
	maps.Copy(out, more)
	return out
}

// compiler compiles the expressions of one target file and gathers what is wrong with them.
type compiler struct {
	env    *cel.Env
	faults []error
}

func newCompiler() (*compiler, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make CEL types: %w", err)
	}
	options := []cel.EnvOption{cel.CustomTypeAdapter(lenient{registry}), cel.OptionalTypes(), ext.Strings(), ext.Encoders()}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		options = append(options, cel.Variable(name, variables[name]))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("make the CEL environment: %w", err)
	}
	return &compiler{env: env}, nil
}

// program is one expression; nil: absent.
type program struct {
	where   string
	run     cel.Program
	adapter types.Adapter
}

// costLimit ends an expression that runs away over a large answer.
const costLimit = 10_000_000

func (c *compiler) compile(where, text string) *program {
	if text == "" {
		return nil
	}
	checked, issues := c.env.Compile(text)
	if issues.Err() != nil {
		var said []string
		for _, e := range issues.Errors() {
			said = append(said, fmt.Sprintf("%s (column %d)", e.Message, e.Location.Column()+1))
		}
		c.faults = append(c.faults, fmt.Errorf("%s: %s", where, strings.Join(said, "; ")))
		return nil
	}
	run, err := c.env.Program(checked, cel.CostLimit(costLimit))
	if err != nil {
		c.faults = append(c.faults, fmt.Errorf("%s: %w", where, err))
		return nil
	}
	return &program{where, run, c.env.CELTypeAdapter()}
}

func (p *program) eval(v values) (ref.Val, error) {
	adapted := v.with(nil)
	for _, name := range []string{"response", "item", "items"} { // or CEL would look into Go's maps itself
		adapted[name] = p.adapter.NativeToValue(v[name])
	}
	out, _, err := p.run.Eval(map[string]any(adapted))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.where, err)
	}
	return out, nil
}

// text is the value as text; null is empty.
func (p *program) text(v values) (string, error) {
	if p == nil {
		return "", nil
	}
	out, err := p.eval(v)
	if err != nil {
		return "", err
	}
	return asText(p.where, out)
}

func asText(where string, out ref.Val) (string, error) {
	switch t := out.(type) {
	case types.Null:
		return "", nil
	case types.String:
		return string(t), nil
	case types.Bool:
		return strconv.FormatBool(bool(t)), nil
	case types.Int:
		return strconv.FormatInt(int64(t), 10), nil
	case types.Double:
		return strconv.FormatFloat(float64(t), 'f', -1, 64), nil
	case *types.Optional:
		if !t.HasValue() {
			return "", nil
		}
		return asText(where, t.GetValue())
	default:
		return "", fmt.Errorf("%s gives a %s; it must give a text, a number, true or false", where, out.Type().TypeName())
	}
}

// plain is the value as JSON has it.
func (p *program) plain(v values) (any, error) {
	if p == nil {
		return nil, nil
	}
	out, err := p.eval(v)
	if err != nil {
		return nil, err
	}
	native, err := out.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.where, err)
	}
	return native.(*structpb.Value).AsInterface(), nil
}

// list is the value as a list; null is empty.
func (p *program) list(v values) ([]any, error) {
	value := v["response"]
	where := "the answer"
	if p != nil {
		var err error
		if value, err = p.plain(v); err != nil {
			return nil, err
		}
		where = p.where
	}
	switch l := value.(type) {
	case nil:
		return nil, nil
	case []any:
		return l, nil
	default:
		return nil, fmt.Errorf("%s is no list", where)
	}
}

var placeholders = regexp.MustCompile(`\{([^{}]*)\}`)

// checkPath finds variables that a path cannot have.
func (c *compiler) checkPath(where, path string) {
	for _, m := range placeholders.FindAllStringSubmatch(path, -1) {
		if !slices.Contains([]string{"id", "account", "external_id", "name"}, m[1]) {
			c.faults = append(c.faults, fmt.Errorf("%s: {%s} is not known; a path may have {id}, {account}, {external_id} and {name}", where, m[1]))
		}
	}
	if path == "" || strings.ContainsAny(path, "?#") || strings.Contains(path, "://") || strings.Contains(path, "..") {
		c.faults = append(c.faults, fmt.Errorf("%s: %q must be a path below connection.url; what follows ? goes into query", where, path))
	}
}

// expand fills a path. A variable that is empty would name another resource.
func expand(path string, v values) (string, error) {
	var empty error
	out := placeholders.ReplaceAllStringFunc(path, func(m string) string {
		text, _ := v[m[1:len(m)-1]].(string)
		if text == "" || text == "." || text == ".." {
			empty = fmt.Errorf("path %s: %s is %q", path, m, text)
		}
		return url.PathEscape(text)
	})
	return out, empty
}

// lenient makes a field that an answer lacks null instead of a fault: APIs leave out what is empty.
type lenient struct{ types.Adapter }

// NativeToValue adapts maps, and leaves all else to the registry.
func (l lenient) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case map[string]any:
		return lenientMap{types.NewStringInterfaceMap(l, v)}
	case []any:
		return types.NewDynamicList(l, v)
	}
	return l.Adapter.NativeToValue(value)
}

type lenientMap struct{ traits.Mapper }

// Find gives null for what is not there.
func (m lenientMap) Find(key ref.Val) (ref.Val, bool) {
	if v, ok := m.Mapper.Find(key); ok {
		return v, true
	}
	return types.NullValue, true
}

// Get gives null for what is not there.
func (m lenientMap) Get(key ref.Val) ref.Val {
	v, _ := m.Find(key)
	return v
}

func (c *compiler) err() error { return errors.Join(c.faults...) }

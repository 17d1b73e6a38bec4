package policy

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"joinery.internal/pkg/config"
)

// scope is what expressions of one purpose may use.
type scope struct {
	env       *cel.Env
	variables map[string]*objectType // nil: a variable that is no object
	// only says, of a function that is declared but wrong here, where it belongs.
	only map[string]string
}

const (
	numberedBelongs  = "numbered() can only be the whole of a target's account.name"
	membersOfBelongs = "membersOf() cannot decide a birthright, or roles would depend on one another"
)

// scopes are the scopes of the format.
type scopes struct {
	rules      *scope // person, before, event, now
	birthright *scope // the same without membersOf
	account    *scope // the name of an account: numbered is allowed
	attributes *scope // the same with `account`, whose name is known
	record     *scope // sources
}

func newScopes() (*scopes, error) {
	person, event, account := personType(), eventType(), accountType()
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make CEL types: %w", err)
	}
	known := provider{registry, map[string]*objectType{person.name: person, event.name: event, account.name: account}}
	base := []cel.EnvOption{cel.CustomTypeAdapter(registry), cel.CustomTypeProvider(known), cel.OptionalTypes()}
	base = append(base, textFunctions()...)
	rules := append(slices.Clone(base), cel.Variable("person", person.cel), cel.Variable("before", person.cel),
		cel.Variable("event", event.cel), cel.Variable("now", cel.TimestampType))
	rules = append(rules, directoryFunctions()...)
	record := append(slices.Clone(base), cel.CustomTypeAdapter(recordAdapter{registry}), ext.Strings(), dateFunction(),
		cel.Variable("record", cel.MapType(cel.StringType, cel.DynType)))

	ruleEnv, err1 := cel.NewEnv(rules...)
	attributeEnv, err2 := cel.NewEnv(append(rules, cel.Variable("account", account.cel))...)
	recordEnv, err3 := cel.NewEnv(record...)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return nil, fmt.Errorf("make CEL environment: %w", err)
		}
	}
	vars := map[string]*objectType{"person": person, "before": person, "event": event, "now": nil}
	withAccount := map[string]*objectType{"person": person, "before": person, "event": event, "now": nil, "account": account}
	notNumbered := map[string]string{fnNumbered: numberedBelongs}
	return &scopes{
		rules:      &scope{ruleEnv, vars, notNumbered},
		birthright: &scope{ruleEnv, vars, map[string]string{fnNumbered: numberedBelongs, fnMembersOf: membersOfBelongs}},
		account:    &scope{ruleEnv, vars, nil},
		attributes: &scope{attributeEnv, withAccount, notNumbered},
		record:     &scope{recordEnv, map[string]*objectType{"record": nil}, notNumbered},
	}, nil
}

// program is a compiled expression.
type program struct {
	source config.Expr
	run    cel.Program
	reads  []read
}

// read is a value that an expression looks at, such as person.department or person.attributes["badge"].
type read struct {
	name     string
	variable string
	field    int    // of the object; -1: the variable itself
	key      string // of the attribute, if keyed
	keyed    bool
}

// eval evaluates the expression; vars is an activation or an execution frame of one.
func (p *program) eval(vars any) (ref.Val, error) {
	out, _, err := p.run.Eval(vars)
	if err != nil {
		return nil, fmt.Errorf("evaluate the expression at %s: %w", p.source.Pos(), err)
	}
	return out, nil
}

func (p *program) evalBool(vars any) (bool, error) {
	out, err := p.eval(vars)
	if err != nil {
		return false, err
	}
	return out == types.True, nil
}

// compile compiles x, which must give one of the wanted types, or reports faults and returns nil. What names the
// expression in messages.
func (c *compiler) compile(x config.Expr, s *scope, what string, want ...*cel.Type) *program {
	if x.IsZero() {
		return nil
	}
	parsed, issues := s.env.Parse(x.Text)
	if issues.Err() != nil {
		c.celFaults(x, s, nil, issues)
		return nil
	}
	tree := parsed.NativeRep()
	ok := c.allowed(x, s, tree)
	checked, issues := s.env.Check(parsed)
	if issues.Err() != nil {
		c.celFaults(x, s, tree, issues)
		return nil
	}
	if !ok {
		return nil
	}
	got := checked.OutputType()
	fits := func(t *cel.Type) bool { return t.IsAssignableType(got) || got.IsExactType(cel.DynType) }
	if !slices.ContainsFunc(want, fits) {
		c.fault(x.Pos(), "%s must give %s, but the expression gives %s", what, wanted(want), typeName(got))
		return nil
	}
	run, err := s.env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		c.fault(x.Pos(), "%s cannot be planned: %v", what, err)
		return nil
	}
	return &program{source: x, run: run, reads: readsOf(tree, s)}
}

func wanted(want []*cel.Type) string {
	if len(want) > 2 {
		return "a text, number, time or truth value"
	}
	return typeName(want[0])
}

func typeName(t *cel.Type) string {
	switch {
	case t.IsExactType(cel.BoolType):
		return "true or false"
	case t.IsExactType(cel.StringType):
		return "a string"
	case t.IsExactType(cel.ListType(cel.StringType)):
		return "a list of identity ids"
	}
	return t.String()
}

// allowed checks calls whose place or constant argument is wrong, which types cannot tell.
func (c *compiler) allowed(x config.Expr, s *scope, tree *ast.AST) bool {
	before := len(c.faults)
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		name := e.AsCall().FunctionName()
		if where, wrong := s.only[name]; wrong {
			c.fault(callPos(x, tree, e), "%s", where)
		}
		if args := e.AsCall().Args(); len(args) == 1 && args[0].Kind() == ast.LiteralKind {
			if word, ok := args[0].AsLiteral().(types.String); ok {
				c.literal(x.At(offsetOf(tree, args[0].ID())), name, string(word))
			}
		}
	}))
	return len(c.faults) == before
}

// literal checks the name of a role or target that is written out in a call.
func (c *compiler) literal(at config.Pos, function, word string) {
	switch kind, name, _ := strings.Cut(word, ":"); {
	case function == fnMembersOf:
		c.knownRole(config.Text{Value: word, Pos: at}, "membersOf")
	case function != fnOwnersOf:
	case kind == "role":
		c.knownRole(config.Text{Value: name, Pos: at}, "ownersOf")
	case kind == "target":
		c.knownTarget(name, at, "ownersOf")
	default:
		c.fault(at, `ownersOf needs "role:NAME" or "target:NAME", not %q`, word)
	}
}

// offsetOf is where a node begins in its expression, in characters.
func offsetOf(tree *ast.AST, id int64) int {
	r, ok := tree.SourceInfo().GetOffsetRange(id)
	if !ok {
		return 0
	}
	return int(r.Start)
}

// callPos is the place of a function's name; CEL puts calls at their parenthesis.
func callPos(x config.Expr, tree *ast.AST, e ast.Expr) config.Pos {
	name := []rune(e.AsCall().FunctionName())
	text := []rune(x.Text)
	at := min(offsetOf(tree, e.ID()), len(text))
	for start := at - len(name); start >= 0; start-- {
		if slices.Equal(text[start:start+len(name)], name) {
			return x.At(start)
		}
	}
	return x.At(at)
}

// celFaults reports what CEL found, at the place in the file. The tree is nil for errors of syntax.
func (c *compiler) celFaults(x config.Expr, s *scope, tree *ast.AST, issues *cel.Issues) {
	for _, e := range issues.Errors() {
		message, _, _ := strings.Cut(strings.TrimSuffix(e.Message, " (in container '')"), " expecting {")
		at := x.At(offsetAt(x.Text, e.Location))
		if tree != nil {
			if node := nodeByID(tree, e.ExprID); node != nil {
				at, message = better(x, s, tree, node, at, message)
			}
		}
		c.fault(at, "%s", message)
	}
}

// offsetAt turns a line and column of CEL into characters from the beginning.
func offsetAt(text string, at common.Location) int {
	offset := 0
	for line := range strings.Lines(text) {
		if at.Line() <= 1 {
			break
		}
		offset += len([]rune(line))
		at = common.NewLocation(at.Line()-1, at.Column())
	}
	return offset + at.Column()
}

func nodeByID(tree *ast.AST, id int64) ast.Expr {
	var found ast.Expr
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == id && found == nil {
			found = e
		}
	}))
	return found
}

// better says in our words, with a hint, what is wrong with a name; other messages of CEL stay.
func better(x config.Expr, s *scope, tree *ast.AST, e ast.Expr, at config.Pos, message string) (config.Pos, string) {
	switch e.Kind() {
	case ast.SelectKind:
		sel := e.AsSelect()
		if sel.Operand().Kind() != ast.IdentKind {
			break
		}
		t := s.variables[sel.Operand().AsIdent()]
		if t == nil || slices.Contains(t.fieldNames(), sel.FieldName()) {
			break
		}
		return fieldPos(x, tree, e), fmt.Sprintf("%s has no field %q%s", sel.Operand().AsIdent(), sel.FieldName(),
			config.DidYouMean(sel.FieldName(), t.fieldNames()))
	case ast.IdentKind:
		if _, ok := s.variables[e.AsIdent()]; !ok {
			var names []string
			for name := range s.variables {
				names = append(names, name)
			}
			return at, fmt.Sprintf("there is no %q here%s", e.AsIdent(), config.DidYouMean(e.AsIdent(), names))
		}
	case ast.CallKind:
		name := e.AsCall().FunctionName()
		if !s.env.HasFunction(name) {
			return callPos(x, tree, e), fmt.Sprintf("there is no function %q%s", name, config.DidYouMean(name, functionNames(s.env)))
		}
		if calls(e, fnNumbered) {
			message += "; " + numberedBelongs
		}
		if written, ok := operators.FindReverse(name); ok && written != "" {
			message = strings.ReplaceAll(message, "'"+name+"'", "'"+written+"'")
		}
	}
	return at, message
}

// calls reports whether an argument of e is a call of the function.
func calls(e ast.Expr, function string) bool {
	return slices.ContainsFunc(e.AsCall().Args(), func(arg ast.Expr) bool {
		return arg.Kind() == ast.CallKind && arg.AsCall().FunctionName() == function
	})
}

// functionNames are the functions one can write by name; operators have none.
func functionNames(env *cel.Env) []string {
	var names []string
	for name := range env.Functions() {
		if !strings.ContainsAny(name, "_@!-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// fieldPos is the place of the field's name in a selection; CEL puts selections at their dot.
func fieldPos(x config.Expr, tree *ast.AST, e ast.Expr) config.Pos {
	text := []rune(x.Text)
	at := min(offsetOf(tree, e.ID()), len(text))
	name := []rune(e.AsSelect().FieldName())
	for start := at; start+len(name) <= len(text); start++ {
		if slices.Equal(text[start:start+len(name)], name) {
			return x.At(start)
		}
	}
	return x.At(at)
}

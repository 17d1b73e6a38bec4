package filter

import (
	"strings"
)

// Attribute names an attribute or a part of one.
type Attribute struct {
	URN  string // of the schema; empty: not said
	Name string
	Sub  string // empty: the attribute itself
}

func (a Attribute) String() string {
	out := a.Name
	if a.URN != "" {
		out = a.URN + ":" + a.Name
	}
	if a.Sub != "" {
		out += "." + a.Sub
	}
	return out
}

// Path is where a change applies.
type Path struct {
	Attribute        // Sub is what stands behind the brackets, if there are any
	Where     Filter // which of the attribute's values; nil: all
}

// Operator of a comparison.
type Operator string

// The operators, and Present, which has no value.
const (
	Equal          Operator = "eq"
	NotEqual       Operator = "ne"
	Contains       Operator = "co"
	StartsWith     Operator = "sw"
	EndsWith       Operator = "ew"
	Greater        Operator = "gt"
	GreaterOrEqual Operator = "ge"
	Less           Operator = "lt"
	LessOrEqual    Operator = "le"
	Present        Operator = "pr"
)

var operators = map[string]Operator{"eq": Equal, "ne": NotEqual, "co": Contains, "sw": StartsWith, "ew": EndsWith,
	"gt": Greater, "ge": GreaterOrEqual, "lt": Less, "le": LessOrEqual, "pr": Present}

// Parse reads a filter.
func Parse(s string) (Filter, error) {
	p, err := newParser(s)
	if err != nil {
		return nil, err
	}
	f, err := p.filter(0)
	if err != nil {
		return nil, err
	}
	if p.now.kind != end {
		return nil, fault(p.now.at, "the filter is complete here, and something follows")
	}
	return f, nil
}

// ParsePath reads the path of a change.
func ParsePath(s string) (Path, error) {
	p, err := newParser(s)
	if err != nil {
		return Path{}, err
	}
	attr, err := p.attribute()
	if err != nil {
		return Path{}, err
	}
	out := Path{Attribute: attr}
	if p.now.kind == square {
		if out.Where, err = p.brackets(0); err != nil {
			return Path{}, err
		}
		if p.now.kind == dot {
			if attr.Sub != "" {
				return Path{}, fault(p.now.at, "a path has one part behind its attribute")
			}
			if err := p.advance(); err != nil {
				return Path{}, err
			}
			if p.now.kind != word || strings.ContainsAny(p.now.text, ":.") {
				return Path{}, fault(p.now.at, "a name is expected")
			}
			out.Sub = p.now.text
			if err := p.advance(); err != nil {
				return Path{}, err
			}
		}
	}
	if p.now.kind != end {
		return Path{}, fault(p.now.at, "the path is complete here, and something follows")
	}
	return out, nil
}

// ParseAttribute reads the name of an attribute or a part of one.
func ParseAttribute(s string) (Attribute, error) {
	p, err := ParsePath(s)
	if err == nil && p.Where != nil {
		err = fault(0, "a name is expected, and no brackets")
	}
	return p.Attribute, err
}

type parser struct {
	lexer lexer
	now   lexeme
}

func newParser(s string) (*parser, error) {
	if len(s) > maxLength {
		return nil, fault(maxLength, "it is longer than %d bytes", maxLength)
	}
	p := &parser{lexer: lexer{in: s}}
	return p, p.advance()
}

func (p *parser) advance() (err error) {
	p.now, err = p.lexer.next()
	return err
}

func (p *parser) is(keyword string) bool {
	return p.now.kind == word && strings.EqualFold(p.now.text, keyword)
}

func (p *parser) filter(depth int) (Filter, error) {
	left, err := p.and(depth)
	for err == nil && p.is("or") {
		var right Filter
		if err = p.advance(); err == nil {
			right, err = p.and(depth)
			left = or{left, right}
		}
	}
	return left, err
}

func (p *parser) and(depth int) (Filter, error) {
	left, err := p.term(depth)
	for err == nil && p.is("and") {
		var right Filter
		if err = p.advance(); err == nil {
			right, err = p.term(depth)
			left = and{left, right}
		}
	}
	return left, err
}

func (p *parser) term(depth int) (Filter, error) {
	if depth == maxDepth {
		return nil, fault(p.now.at, "it is nested deeper than %d", maxDepth)
	}
	if p.is("not") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		if p.now.kind != open {
			return nil, fault(p.now.at, "not is followed by parentheses")
		}
		inner, err := p.within(depth, shut)
		return not{inner}, err
	}
	if p.now.kind == open {
		return p.within(depth, shut)
	}
	attr, err := p.attribute()
	if err != nil {
		return nil, err
	}
	if p.now.kind == square {
		inner, err := p.brackets(depth)
		return some{attr, inner}, err
	}
	return p.comparison(attr)
}

func (p *parser) brackets(depth int) (Filter, error) { return p.within(depth, unsquare) }

// within reads a filter up to what closes it.
func (p *parser) within(depth int, closing kind) (Filter, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	inner, err := p.filter(depth + 1)
	if err != nil {
		return nil, err
	}
	if p.now.kind != closing {
		return nil, fault(p.now.at, "the parentheses or brackets do not end")
	}
	return inner, p.advance()
}

// attribute reads a name. The URN of a schema ends at the last colon; a version such as 2.0 in it has dots of its own.
func (p *parser) attribute() (Attribute, error) {
	if p.now.kind != word {
		return Attribute{}, fault(p.now.at, "the name of an attribute is expected")
	}
	var a Attribute
	name := p.now.text
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		a.URN, name = name[:i], name[i+1:]
	}
	a.Name, a.Sub, _ = strings.Cut(name, ".")
	if a.Name == "" || strings.HasSuffix(name, ".") || strings.Contains(a.Sub, ".") {
		return Attribute{}, fault(p.now.at, "a name has at most two parts, and none is empty")
	}
	return a, p.advance()
}

func (p *parser) comparison(attr Attribute) (Filter, error) {
	op, ok := operators[strings.ToLower(p.now.text)]
	if p.now.kind != word || !ok {
		return nil, fault(p.now.at, "an operator is expected: eq ne co sw ew gt ge lt le pr")
	}
	if err := p.advance(); err != nil || op == Present {
		return Compare{Attribute: attr, Op: Present}, err
	}
	value, err := p.literal()
	if err != nil {
		return nil, err
	}
	return Compare{attr, op, value}, p.advance()
}

func (p *parser) literal() (any, error) {
	switch {
	case p.now.kind == text || p.now.kind == number:
		return p.now.value, nil
	case p.is("true"):
		return true, nil
	case p.is("false"):
		return false, nil
	case p.is("null"):
		return nil, nil
	}
	return nil, fault(p.now.at, `a value is expected: "text", a number, true, false or null`)
}

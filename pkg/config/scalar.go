package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones are the same on every machine

	"go.yaml.in/yaml/v3"
)

// Text is a word of a file and its place: a name that refers to something else.
type Text struct {
	Value string
	Pos
}

func (t Text) String() string { return t.Value }

// Expr is a CEL expression and its place. The zero Expr is absent.
type Expr struct {
	Text   string
	File   string
	Line   int
	Column int
	places []place
}

// IsZero reports whether there is no expression.
func (x Expr) IsZero() bool { return x.Text == "" }

// Pos is where the expression begins.
func (x Expr) Pos() Pos { return Pos{x.File, x.Line, x.Column} }

// At returns the place in the file of the character at offset in Text, counted in characters. It is exact for
// every YAML style; where YAML hides the source it is the beginning of the expression.
func (x Expr) At(offset int) Pos {
	if offset < 0 || offset >= len(x.places) {
		return x.Pos()
	}
	return Pos{x.File, x.places[offset].line, x.places[offset].column}
}

// Secret is a reference to a secret, `file:PATH` or `env:NAME`, never the secret itself.
type Secret struct {
	Reference string
	dir       string
}

// IsZero reports whether there is no reference.
func (s Secret) IsZero() bool { return s.Reference == "" }

// ErrNoSecret is returned when what a reference names is missing or empty.
var ErrNoSecret = errors.New("no secret")

// Resolve reads the secret. It reads again on every call, so that a rotated secret is seen.
func (s Secret) Resolve() (string, error) {
	kind, name, _ := strings.Cut(s.Reference, ":")
	switch kind {
	case "env":
		if v := os.Getenv(name); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("resolve secret %s: the variable is not set: %w", s.Reference, ErrNoSecret)
	case "file":
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(s.dir, path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("resolve secret %s: %w", s.Reference, err)
		}
		if v := strings.TrimRight(string(data), "\r\n"); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("resolve secret %s: the file is empty: %w", s.Reference, ErrNoSecret)
	}
	return "", fmt.Errorf("resolve secret: no reference: %w", ErrNoSecret)
}

// Grant is one entitlement of a role: `target:account` (Kind "account", no Name) or `target:kind/name`.
type Grant struct {
	Target string
	Kind   string
	Name   string
	Pos
}

// KindAccount is the kind of the grant that is the account itself.
const KindAccount = "account"

func (g Grant) String() string {
	if g.Kind == KindAccount {
		return g.Target + ":" + KindAccount
	}
	return g.Target + ":" + g.Kind + "/" + g.Name
}

// Rate is a number of calls per second; zero means no limit.
type Rate float64

// Zone is the name of an IANA time zone; empty means the one of the settings.
type Zone string

// scalar is a type that is written as one YAML scalar and checks its own text.
type scalar interface {
	// set takes the text or says what is expected instead, as in "must be %s".
	set(d *decoder, n *yaml.Node) (expected string)
	schema() *Schema
}

func (t *Text) set(d *decoder, n *yaml.Node) string {
	*t = Text{n.Value, d.pos(n)}
	return ""
}

func (x *Expr) set(d *decoder, n *yaml.Node) string {
	if strings.TrimSpace(n.Value) == "" {
		return "a CEL expression"
	}
	*x = Expr{Text: n.Value, File: d.file, Line: n.Line, Column: n.Column, places: places(d.source, n)}
	if len(x.places) > 0 {
		x.Line, x.Column = x.places[0].line, x.places[0].column
	}
	return ""
}

func (s *Secret) set(d *decoder, n *yaml.Node) string {
	kind, name, ok := strings.Cut(n.Value, ":")
	if !ok || name == "" || (kind != "file" && kind != "env") {
		return "a reference to a secret, file:PATH or env:NAME, never the secret itself"
	}
	*s = Secret{Reference: n.Value, dir: d.dir}
	return ""
}

func (g *Grant) set(d *decoder, n *yaml.Node) string {
	target, what, ok := strings.Cut(n.Value, ":")
	kind, name, named := strings.Cut(what, "/")
	if !ok || target == "" || kind == "" || (kind == KindAccount) == named || (named && name == "") {
		return "target:account or target:kind/name"
	}
	*g = Grant{Target: target, Kind: kind, Name: name, Pos: d.pos(n)}
	return ""
}

func (r *Rate) set(_ *decoder, n *yaml.Node) string {
	const expected = "a rate such as 20/s, 100/m or 1000/h"
	count, unit, _ := strings.Cut(n.Value, "/")
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	v, err := strconv.ParseUint(count, 10, 31)
	if err != nil || v == 0 || seconds == 0 {
		return expected
	}
	*r = Rate(float64(v) / seconds)
	return ""
}

func (z *Zone) set(_ *decoder, n *yaml.Node) string {
	if _, err := time.LoadLocation(n.Value); err != nil || n.Value == "" || n.Value == "Local" {
		return "an IANA time zone such as Europe/Prague"
	}
	*z = Zone(n.Value)
	return ""
}

func (*Text) schema() *Schema { return &Schema{Type: "string"} }
func (*Expr) schema() *Schema {
	return &Schema{Type: []string{"string", "boolean", "number"}, Description: "a CEL expression"}
}
func (*Secret) schema() *Schema { return &Schema{Type: "string", Pattern: `^(file|env):.+`} }
func (*Grant) schema() *Schema {
	return &Schema{Type: "string", Pattern: `^[^:]+:(account|(?!account/)[^/]+/.+)$`}
}
func (*Rate) schema() *Schema { return &Schema{Type: "string", Pattern: `^[0-9]+/[smh]$`} }
func (*Zone) schema() *Schema { return &Schema{Type: "string", Description: "an IANA time zone"} }

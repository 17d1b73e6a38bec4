package policy

import (
	"reflect"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"golang.org/x/text/unicode/norm"

	"joinery.internal/pkg/event"
)

// Functions that look at other people are bound at evaluation, to the directory of the input.
const (
	fnManagerOf         = "managerOf"
	fnManagersManagerOf = "managersManagerOf"
	fnMembersOf         = "membersOf"
	fnOwnersOf          = "ownersOf"
	fnNumbered          = "numbered"
)

func directoryFunctions() []cel.EnvOption {
	var opts []cel.EnvOption
	for _, name := range []string{fnManagerOf, fnManagersManagerOf, fnMembersOf, fnOwnersOf} {
		opts = append(opts, cel.Function(name, cel.Overload(name+"_string", []*cel.Type{cel.StringType},
			cel.ListType(cel.StringType), cel.LateFunctionBinding())))
	}
	return opts
}

func textFunctions() []cel.EnvOption {
	onString := func(name string, f func(string) string) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_string", []*cel.Type{cel.StringType}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.String(f(string(v.(types.String)))) })))
	}
	return []cel.EnvOption{
		onString("ascii", ascii),
		onString("slug", slug),
		onString("rdn", rdn),
		cel.Function(fnNumbered, cel.Overload("numbered_string", []*cel.Type{cel.StringType}, numberedType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return numbered(v.(types.String)) }))),
	}
}

// lookup answers a directory function for one argument.
func (a *activation) lookup(function, arg string) ref.Val {
	var ids []event.IdentityID
	switch function {
	case fnManagerOf:
		ids = a.managers(event.IdentityID(arg))
	case fnManagersManagerOf:
		for _, m := range a.managers(event.IdentityID(arg)) {
			ids = append(ids, a.managers(m)...)
		}
	case fnMembersOf:
		if _, ok := a.bundle.roles[arg]; !ok {
			return types.NewErr("membersOf: there is no role %q", arg)
		}
		ids = a.dir.MembersOf(arg)
	case fnOwnersOf:
		owner, ok := a.bundle.ownerOf(arg)
		if !ok {
			return types.NewErr("ownersOf: there is no %q; write role:NAME or target:NAME", arg)
		}
		if id, ok := owner.present(a.dir); ok {
			ids = append(ids, id)
		}
	}
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	return types.NewStringList(types.DefaultTypeAdapter, words)
}

func (a *activation) managers(id event.IdentityID) []event.IdentityID {
	if m, ok := a.dir.ManagerOf(id); ok {
		return []event.IdentityID{m}
	}
	return nil
}

// ownerOf returns the owner of `role:x` or `target:y`, the zero Owner if it has none, and whether there is such a thing.
func (b *Bundle) ownerOf(what string) (Owner, bool) {
	kind, name, _ := strings.Cut(what, ":")
	switch kind {
	case "role":
		r, ok := b.roles[name]
		if !ok {
			return Owner{}, false
		}
		return owner(r.spec.Owner), true
	case "target":
		t, ok := b.cfg.Target(name)
		if !ok {
			return Owner{}, false
		}
		return owner(t.Owner), true
	}
	return Owner{}, false
}

// ResolveFunction binds the functions that look at other people.
func (a *activation) ResolveFunction(name string) (functions.LateBoundOp, bool) {
	switch name {
	case fnManagerOf, fnManagersManagerOf, fnMembersOf, fnOwnersOf:
		return func(_ string, args ...ref.Val) ref.Val { return a.lookup(name, string(args[0].(types.String))) }, true
	}
	return nil, false
}

// numbered is an account name that gets a number where it is taken. It is a type of its own, so that it can be
// nothing but the whole of account.name.
type numbered string

var numberedType = cel.OpaqueType(fnNumbered)

func (n numbered) ConvertToNative(t reflect.Type) (any, error) {
	return types.String(n).ConvertToNative(t)
}
func (n numbered) ConvertToType(t ref.Type) ref.Val { return types.String(n).ConvertToType(t) }
func (n numbered) Equal(other ref.Val) ref.Val      { return types.Bool(n == other) }
func (n numbered) Type() ref.Type                   { return numberedType }
func (n numbered) Value() any                       { return string(n) }

// rdn writes a text as a value within a distinguished name (RFC 4514), so that it is one value whatever it holds: a department
// called "Sales,OU=Admins" is no way into another container.
func rdn(s string) string {
	var out strings.Builder
	for i, r := range s {
		edge := i == 0 && (r == ' ' || r == '#') || r == ' ' && i == len(s)-1
		switch {
		case r == 0:
			out.WriteString(`\00`)
		case edge || strings.ContainsRune(`,+"\<>;=`, r):
			out.WriteRune('\\')
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// ascii writes a text with ASCII letters: accents fall off, letters that are no accented ones are written out,
// and what has no Latin letter is left out.
func ascii(s string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(s) {
		switch {
		case r <= unicode.MaxASCII:
			out.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		default:
			out.WriteString(letter(r))
		}
	}
	return out.String()
}

// letter writes out the Latin letters, and the quotes of names, that Unicode does not decompose.
func letter(r rune) string {
	switch r {
	case 'ß':
		return "ss"
	case 'ẞ':
		return "SS"
	case 'æ':
		return "ae"
	case 'Æ':
		return "AE"
	case 'œ':
		return "oe"
	case 'Œ':
		return "OE"
	case 'ø':
		return "o"
	case 'Ø':
		return "O"
	case 'ł':
		return "l"
	case 'Ł':
		return "L"
	case 'đ', 'ð':
		return "d"
	case 'Đ', 'Ð':
		return "D"
	case 'þ':
		return "th"
	case 'Þ':
		return "Th"
	case 'ħ':
		return "h"
	case 'Ħ':
		return "H"
	case 'ı':
		return "i"
	case 'ŋ':
		return "n"
	case '’', 'ʼ', '‘':
		return "'"
	case '–', '—', '‐':
		return "-"
	}
	return ""
}

// slug writes a text for addresses: small letters and digits, one dash for whatever stands between, apostrophes
// left out (O'Brien is obrien). Letters other than ASCII stay; fold them with ascii first.
func slug(s string) string {
	var out strings.Builder
	gap := false
	for _, r := range strings.ToLower(s) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			if gap && out.Len() > 0 {
				out.WriteByte('-')
			}
			gap = false
			out.WriteRune(r)
		case r == '\'' || r == '’':
		default:
			gap = true
		}
	}
	return out.String()
}

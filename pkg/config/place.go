package config

import (
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// place is where one character of a decoded scalar stands in its file.
type place struct{ line, column int }

// source is the text of one file, by line and character, to find places inside scalars.
type source [][]rune

func newSource(data []byte) source {
	lines := strings.Split(string(data), "\n")
	src := make(source, len(lines))
	for i, l := range lines {
		src[i] = []rune(strings.TrimSuffix(l, "\r"))
	}
	return src
}

// cursor walks a source; past the last character of a line it reads '\n'.
type cursor struct {
	src  source
	l, c int
}

func (k *cursor) rune() rune {
	switch {
	case k.l >= len(k.src):
		return 0
	case k.c >= len(k.src[k.l]):
		return '\n'
	}
	return k.src[k.l][k.c]
}

func (k *cursor) next(n int) {
	for ; n > 0; n-- {
		if k.rune() == '\n' {
			k.l, k.c = k.l+1, 0
		} else {
			k.c++
		}
	}
}

func (k *cursor) place() place { return place{k.l + 1, k.c + 1} }

// places returns the place of every character of n's value, and of its end. YAML folds lines, doubles quotes and
// escapes characters; what stays true in every style is that the visible characters come in the same order, so
// the value and the source are walked side by side. It returns nil if they cannot be aligned.
func places(src source, n *yaml.Node) []place {
	k := &cursor{src: src, l: n.Line - 1, c: n.Column - 1}
	switch n.Style {
	case yaml.LiteralStyle, yaml.FoldedStyle:
		k.l, k.c = k.l+1, 0 // the text begins below its indicator
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		k.next(1)
	}
	out := make([]place, 0, len(n.Value)+1)
	for _, r := range n.Value {
		at, ok := k.take(r, n.Style)
		if !ok {
			return nil
		}
		out = append(out, at)
	}
	return append(out, k.place())
}

// take moves over the source of the value's next character r and returns where it stood.
func (k *cursor) take(r rune, style yaml.Style) (place, bool) {
	quoted := style == yaml.DoubleQuotedStyle
	if quoted {
		for k.rune() == '\\' && k.c+1 >= len(k.src[k.l]) { // an escaped line break is no character
			k.next(2)
			k.skipSpace()
		}
	}
	if unicode.IsSpace(r) && (!quoted || k.rune() != '\\') {
		at := k.place()
		if unicode.IsSpace(k.rune()) {
			k.next(1)
		}
		return at, true
	}
	if !unicode.IsSpace(r) {
		k.skipSpace()
	}
	at := k.place()
	switch got := k.rune(); {
	case quoted && got == '\\':
		k.next(k.escapeLength())
	case style == yaml.SingleQuotedStyle && got == '\'':
		k.next(2)
	case got == r:
		k.next(1)
	default:
		return place{}, false
	}
	return at, true
}

func (k *cursor) skipSpace() {
	for k.l < len(k.src) && unicode.IsSpace(k.rune()) {
		k.next(1)
	}
}

func (k *cursor) escapeLength() int {
	if k.c+1 >= len(k.src[k.l]) {
		return 1
	}
	switch k.src[k.l][k.c+1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}

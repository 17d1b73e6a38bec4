package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Bounds of what is read.
const (
	maxLength = 4096 // bytes
	maxDepth  = 32   // parentheses, brackets and nots in one another
)

// ErrSyntax is wrapped by the error of a filter or path that cannot be read.
var ErrSyntax = errors.New("not a filter or path of SCIM")

// kind of a token.
type kind uint8

const (
	end    kind = iota
	word        // a name, an operator, true, false, null
	text        // "…"
	number      // -1.5e3
	open        // (
	shut        // )
	square      // [
	unsquare
	dot // right behind a bracket: the rest of a path
)

// lexeme is one token.
type lexeme struct {
	kind  kind
	text  string // of a word as written
	value any    // of a text or number
	at    int    // byte
}

// lexer cuts a text into tokens.
type lexer struct {
	in string
	at int
}

func fault(at int, format string, args ...any) error {
	return fmt.Errorf("%w: at %d: %s", ErrSyntax, at+1, fmt.Sprintf(format, args...))
}

var marks = map[byte]kind{'(': open, ')': shut, '[': square, ']': unsquare}

func (l *lexer) next() (lexeme, error) {
	for l.at < len(l.in) && l.in[l.at] == ' ' {
		l.at++
	}
	if l.at == len(l.in) {
		return lexeme{kind: end, at: l.at}, nil
	}
	start, c := l.at, l.in[l.at]
	if k, ok := marks[c]; ok {
		l.at++
		return lexeme{kind: k, at: start}, nil
	}
	switch {
	case c == '"':
		return l.quoted(start)
	case c == '-' || c >= '0' && c <= '9':
		return l.number(start)
	case c == '.' && start > 0 && l.in[start-1] == ']':
		l.at++
		return lexeme{kind: dot, at: start}, nil
	case isLetter(c) || c == '$':
		for l.at < len(l.in) && inWord(l.in[l.at]) {
			l.at++
		}
		return lexeme{kind: word, text: l.in[start:l.at], at: start}, nil
	}
	return lexeme{}, fault(start, "there is no place for this character")
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// inWord says whether a name may go on with c; a URN has colons and dots.
func inWord(c byte) bool {
	return isLetter(c) || c >= '0' && c <= '9' || strings.IndexByte("$-_:.", c) >= 0
}

// quoted reads a JSON string.
func (l *lexer) quoted(start int) (lexeme, error) {
	for i := start + 1; i < len(l.in); i++ {
		switch l.in[i] {
		case '\\':
			i++
		case '"':
			var s string
			if err := json.Unmarshal([]byte(l.in[start:i+1]), &s); err != nil {
				return lexeme{}, fault(start, "the string is not one of JSON")
			}
			l.at = i + 1
			return lexeme{kind: text, value: s, at: start}, nil
		}
	}
	return lexeme{}, fault(start, "the string does not end")
}

func (l *lexer) number(start int) (lexeme, error) {
	for l.at < len(l.in) && strings.IndexByte("+-.eE0123456789", l.in[l.at]) >= 0 {
		l.at++
	}
	var n json.Number
	if err := json.Unmarshal([]byte(l.in[start:l.at]), &n); err != nil {
		return lexeme{}, fault(start, "the number is not one of JSON")
	}
	return lexeme{kind: number, value: n, at: start}, nil
}

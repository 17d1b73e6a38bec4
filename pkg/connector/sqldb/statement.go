package sqldb

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// dialect is a way to write the n-th parameter.
type dialect byte

const (
	dollar   dialect = '$' // PostgreSQL
	question dialect = '?' // SQLite
)

// statement is one SQL text with its parameters numbered.
type statement struct {
	text   string
	params []string // names, in the order of their numbers
}

// parse numbers the named parameters of a statement. It leaves alone what only looks like one: in strings, quoted
// names, comments, dollar quotes, and casts (`::text`).
func parse(text string, d dialect) (statement, error) {
	var st statement
	var out strings.Builder
	for i := 0; i < len(text); {
		if end := opaque(text[i:]); end > 0 {
			out.WriteString(text[i : i+end])
			i += end
			continue
		} else if end < 0 {
			return st, fmt.Errorf("a string, name or comment is not closed: %.40q", text[i:])
		}
		name := ""
		if text[i] == ':' {
			name = identifier(text[i+1:])
		}
		if name == "" {
			out.WriteByte(text[i])
			i++
			continue
		}
		at := slices.Index(st.params, name)
		if at < 0 {
			at = len(st.params)
			st.params = append(st.params, name)
		}
		out.WriteByte(byte(d))
		out.WriteString(strconv.Itoa(at + 1))
		i += 1 + len(name)
	}
	st.text = strings.TrimSuffix(strings.TrimSpace(out.String()), ";")
	return st, nil
}

// opaque returns the length of the piece at the start of s that holds no parameters; 0 if there is none, -1 if it has
// no end.
func opaque(s string) int {
	switch {
	case strings.HasPrefix(s, "::"):
		return 2
	case strings.HasPrefix(s, "--"):
		if end := strings.IndexByte(s, '\n'); end >= 0 {
			return end
		}
		return len(s)
	case strings.HasPrefix(s, "/*"):
		return closing(s, 2, "*/")
	case s[0] == '\'' || s[0] == '"' || s[0] == '`':
		return closing(s, 1, s[:1]) // a doubled quote is a string after a string, which is as good
	case s[0] == '$':
		tag := identifier(s[1:])
		if open := 1 + len(tag); open < len(s) && s[open] == '$' {
			return closing(s, open+1, s[:open+1])
		}
	}
	return 0
}

func closing(s string, from int, end string) int {
	at := strings.Index(s[from:], end)
	if at < 0 {
		return -1
	}
	return from + at + len(end)
}

// identifier returns the name at the start of s, empty if there is none.
func identifier(s string) string {
	end := 0
	for end < len(s) {
		c := s[end]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (end == 0 || c < '0' || c > '9') {
			break
		}
		end++
	}
	return s[:end]
}

// values are what parameters are bound to.
type values map[string]any

// args returns the values in the order of the statement's parameters. Every one that may be named is there, or checked
// beforehand; a name without value is NULL.
func (st statement) args(v values) []any {
	out := make([]any, len(st.params))
	for i, name := range st.params {
		out[i] = v[name]
	}
	return out
}

func (st statement) names(param string) bool { return slices.Contains(st.params, param) }

// nullable binds an empty text as NULL.
func nullable(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

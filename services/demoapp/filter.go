package demoapp

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// filter is clauses joined by `and`; none: everything matches. That is all these applications can.
type filter []clause

// clause is `path eq "text"`.
type clause struct{ attr, sub, value string }

var clausePattern = regexp.MustCompile(`^\s*([A-Za-z$][\w$-]*)(?:\.([A-Za-z$][\w$-]*))?\s+(?i:eq)\s+("(?:[^"\\]|\\.)*"|true|false)\s*`)

func parseFilter(text string) (filter, error) {
	var f filter
	for rest := text; strings.TrimSpace(rest) != ""; {
		m := clausePattern.FindStringSubmatch(rest)
		if m == nil {
			return nil, refuse(http.StatusBadRequest, "invalidFilter", `only attribute eq "value", joined by and, is supported`)
		}
		c := clause{attr: m[1], sub: m[2], value: m[3]}
		if strings.HasPrefix(c.value, `"`) {
			var err error
			if c.value, err = decodeText(c.value); err != nil {
				return nil, err
			}
		}
		f = append(f, c)
		rest = rest[len(m[0]):]
		if rest == "" {
			break
		}
		if len(rest) < 4 || !strings.EqualFold(rest[:4], "and ") {
			return nil, refuse(http.StatusBadRequest, "invalidFilter", "clauses are joined by and")
		}
		rest = rest[4:]
	}
	return f, nil
}

// matches looks into a resource or an element of one. Attribute names know no case, and neither do values, but for ids.
func (c clause) matches(r resource) bool {
	for key, value := range r {
		if !strings.EqualFold(key, c.attr) {
			continue
		}
		switch v := value.(type) {
		case string:
			return c.sub == "" && c.equals(v)
		case bool:
			return c.sub == "" && (c.value == "true") == v
		case map[string]any:
			return c.sub != "" && clause{attr: c.sub, value: c.value}.matches(v)
		case []any:
			return slices.ContainsFunc(v, func(e any) bool {
				element, ok := e.(map[string]any)
				sub := c.sub
				if sub == "" {
					sub = "value"
				}
				return ok && clause{attr: sub, value: c.value}.matches(element)
			})
		}
	}
	return false
}

func (c clause) equals(v string) bool {
	if slices.Contains([]string{"externalid", "id", "value"}, strings.ToLower(c.attr)) {
		return v == c.value
	}
	return strings.EqualFold(v, c.value)
}

// matching returns the records that match, in the order of their creation. The store must be locked.
func (a *scimApp) matching(k kind, f filter) []*record {
	t := a.table(k)
	var out []*record
	for _, id := range a.candidates(k, f) {
		r := t.byID[id]
		if r != nil && a.matchesAll(k, r, f) {
			out = append(out, r)
		}
	}
	return out
}

// candidates uses an index where a clause allows it.
func (a *scimApp) candidates(k kind, f filter) []string {
	t := a.table(k)
	for _, c := range f {
		switch attr := strings.ToLower(c.attr); {
		case attr == "id":
			return []string{c.value}
		case attr == strings.ToLower(t.name):
			return []string{t.byName[strings.ToLower(c.value)]}
		case attr == "externalid" && k == users:
			return []string{a.store.byExternal[c.value]}
		}
	}
	return t.order
}

func (a *scimApp) matchesAll(k kind, r *record, f filter) bool {
	for _, c := range f {
		met := c.matches(r.body)
		switch {
		case strings.EqualFold(c.attr, "id"):
			met = r.id == c.value
		case k == groups && strings.EqualFold(c.attr, "members"):
			met = a.store.members[r.id][c.value]
		case k == users && strings.EqualFold(c.attr, "groups"):
			met = a.store.memberOf[r.id][c.value]
		}
		if !met {
			return false
		}
	}
	return true
}

// decodeText reads a filter's string.
func decodeText(literal string) (string, error) {
	var s string
	if err := json.Unmarshal([]byte(literal), &s); err != nil {
		return "", refuse(http.StatusBadRequest, "invalidFilter", "%s is no string", literal)
	}
	return s, nil
}

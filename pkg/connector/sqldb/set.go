package sqldb

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"joinery.internal/pkg/connector"
)

// The parameters that are not attributes.
const (
	paramAccount    = "account"
	paramExternalID = "external_id"
	paramEnabled    = "enabled"
	paramName       = "name"
	paramAfter      = "after"
	paramLimit      = "limit"
)

// set are the parsed statements of one target.
type set struct {
	get, list, create, update, enable, disable, remove, endSessions statement
	entitlements                                                    map[string]entitlementSet // by kind
}

type entitlementSet struct{ list, grant, revoke statement }

// rule says what one statement must be.
type rule struct {
	name     string // as in the target file
	text     string
	into     *statement
	optional bool
	must     []string // parameters it has to name
	may      []string // further ones it may name
	free     bool     // it may name attributes, too
}

// parseSet parses all statements, and names every fault at once. attributes are those of the target file; nil if they
// are not known.
func parseSet(in connector.Statements, kinds, attributes []string, d dialect) (set, error) {
	out := set{entitlements: map[string]entitlementSet{}}
	var faults []string
	one := func(r rule) {
		if fault := r.parse(d, attributes); fault != "" {
			faults = append(faults, "sql."+r.name+" "+fault)
		}
	}
	a := in.Account
	key, id := []string{paramAccount}, []string{paramExternalID}
	one(rule{name: "account.get", text: a.Get, into: &out.get, must: key, may: id})
	one(rule{name: "account.list", text: a.List, into: &out.list, optional: true, may: []string{paramAfter, paramLimit}})
	one(rule{name: "account.create", text: a.Create, into: &out.create, must: key, may: []string{paramExternalID, paramEnabled}, free: true})
	one(rule{name: "account.update", text: a.Update, into: &out.update, must: key, may: []string{paramExternalID, paramEnabled}, free: true})
	one(rule{name: "account.enable", text: a.Enable, into: &out.enable, must: key, may: id})
	one(rule{name: "account.disable", text: a.Disable, into: &out.disable, must: key, may: id})
	one(rule{name: "account.delete", text: a.Delete, into: &out.remove, optional: true, must: key, may: id})
	one(rule{name: "account.endSessions", text: a.EndSessions, into: &out.endSessions, optional: true, must: key, may: id})
	for _, kind := range slices.Sorted(maps.Keys(in.Entitlements)) {
		e, parsed := in.Entitlements[kind], entitlementSet{}
		prefix := "entitlements." + kind + "."
		named := []string{paramAccount, paramName}
		one(rule{name: prefix + "list", text: e.List, into: &parsed.list, must: key, may: id})
		one(rule{name: prefix + "grant", text: e.Grant, into: &parsed.grant, must: named, may: id})
		one(rule{name: prefix + "revoke", text: e.Revoke, into: &parsed.revoke, must: named, may: id})
		out.entitlements[kind] = parsed
	}
	for _, kind := range kinds {
		if _, ok := in.Entitlements[kind]; !ok {
			faults = append(faults, fmt.Sprintf("sql.entitlements.%s is missing: the target file manages that kind", kind))
		}
	}
	if out.list.names(paramAfter) != out.list.names(paramLimit) {
		faults = append(faults, "sql.account.list names only one of :after and :limit; paging takes both")
	}
	if created, updated := out.create.attributes(), out.update.attributes(); len(faults) == 0 && !slices.Equal(created, updated) {
		faults = append(faults, fmt.Sprintf("sql.account.create writes the attributes %q, sql.account.update %q; both must write the same", created, updated))
	}
	if len(faults) > 0 {
		return out, errors.New(strings.Join(faults, "; "))
	}
	return out, nil
}

// attributes are the names of the attributes that can be written, sorted.
func (s set) attributes() []string { return s.update.attributes() }

func (st statement) attributes() []string {
	names := []string{}
	for _, param := range st.params {
		if param != paramAccount && param != paramExternalID && param != paramEnabled {
			names = append(names, param)
		}
	}
	slices.Sort(names)
	return names
}

// parse returns what is wrong with the statement; "" if nothing is.
func (r rule) parse(d dialect, attributes []string) string {
	if strings.TrimSpace(r.text) == "" {
		if r.optional {
			return ""
		}
		return "is missing"
	}
	st, err := parse(r.text, d)
	if err != nil {
		return err.Error()
	}
	for _, param := range r.must {
		if !st.names(param) {
			return "does not name :" + param
		}
	}
	for _, param := range st.params {
		known := slices.Contains(r.must, param) || slices.Contains(r.may, param) ||
			r.free && (attributes == nil || slices.Contains(attributes, param))
		if !known {
			return fmt.Sprintf("names the unknown parameter :%s; it may name %s", param, r.allowed(attributes))
		}
	}
	*r.into = st
	return ""
}

func (r rule) allowed(attributes []string) string {
	names := slices.Concat(r.must, r.may)
	if r.free {
		names = append(names, attributes...)
	}
	return ":" + strings.Join(names, ", :")
}

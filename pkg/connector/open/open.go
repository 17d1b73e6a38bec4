// Package open makes a connector of a target file's settings. It owns the list of connectors there are, and nothing
// else: it exists so that package connector need not import them.
//
//	c, err := open.Factory{}.Open(settings)
package open

import (
	"strings"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/ldap"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/connector/rest"
	"joinery.internal/pkg/connector/scim"
	"joinery.internal/pkg/connector/sqldb"
	"joinery.internal/pkg/connector/ticket"
)

// Factory opens connectors. The zero value opens all that reach out of the process.
type Factory struct {
	Memory *memory.Fleet // where connector memory finds its targets; nil: there are none
}

// Names are the connectors a target file can name.
func Names() []string { return []string{"ad", "ldap", "memory", "rest", "scim", "sql", "ticket"} }

// Keys are the connection keys that a connector knows; ok is false where there is no such connector.
func Keys(name string) (keys []string, ok bool) {
	switch name {
	case "ad":
		return ldap.KeysAD(), true
	case "ldap":
		return ldap.Keys(), true
	case "memory":
		return nil, true
	case "rest":
		return rest.Keys(), true
	case "ticket": // of an ITSM, or of the console's queue
		return append(ticket.Keys(), rest.Keys()...), true
	case "scim":
		return scim.Keys(), true
	case "sql":
		return sqldb.Keys(), true
	}
	return nil, false
}

// Open checks the settings and returns the connector; it makes no call, so that a target that is down can be opened.
// The caller ends with connector.Close.
func (f Factory) Open(s connector.Settings) (connector.Connector, error) {
	op := "open target " + s.Name
	if s.Connector != "sql" && s.SQL != nil {
		return nil, connector.Errorf(connector.Invalid, op, "the sql section is for connector sql, not %s", s.Connector)
	}
	if s.Connector != "rest" && s.REST != nil {
		return nil, connector.Errorf(connector.Invalid, op, "the rest section is for connector rest, not %s", s.Connector)
	}
	if s.Connector != "ticket" && s.Ticket != nil {
		return nil, connector.Errorf(connector.Invalid, op, "the ticket section is for connector ticket, not %s", s.Connector)
	}
	for _, kind := range s.Entitlements {
		if kind == "" || kind == "account" || strings.Contains(kind, "/") {
			return nil, connector.Errorf(connector.Invalid, op, "entitlements: %q is no kind; a grant names it as target:kind/name", kind)
		}
	}
	switch s.Connector {
	case "memory":
		if err := s.CheckKeys(); err != nil {
			return nil, err
		}
		if f.Memory == nil {
			return nil, connector.Errorf(connector.Unsupported, op, "connector memory is for benchmarks and tests; this process has no memory targets")
		}
		return f.Memory.Target(s.Name), nil
	case "ad":
		return ldap.OpenAD(s)
	case "ldap":
		return ldap.Open(s)
	case "rest":
		return rest.Open(s)
	case "scim":
		return scim.Open(s)
	case "sql":
		return sqldb.Open(s)
	case "ticket":
		if _, own := s.Connection["queue"]; own {
			return ticket.Open(s)
		}
		return rest.OpenTickets(s)
	default:
		return nil, connector.Errorf(connector.Invalid, op, "connector %q is not known; it is one of %s", s.Connector, strings.Join(Names(), ", "))
	}
}

package connector

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// DefaultTimeout bounds one call to a target whose file sets no limits.timeout.
const DefaultTimeout = 10 * time.Second

// Settings is what a target file says about reaching its target.
type Settings struct {
	Name         string            // the target's name, for messages
	Connector    string            // scim, sql, memory
	Connection   map[string]string // as in the target file, secrets already resolved
	SQL          *Statements       // only for connector sql
	REST         *REST             // only for connector rest
	Ticket       *Ticket           // only for connector ticket
	Timeout      time.Duration     // one call to the target; 0: DefaultTimeout
	Entitlements []string          // the kinds the target file manages
	Attributes   []string          // the attribute names the target file maps; nil: not known
}

// CallTimeout is Timeout with its default.
func (s Settings) CallTimeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return DefaultTimeout
}

// CheckKeys refuses a connection key that the connector does not know, and names those it does.
func (s Settings) CheckKeys(known ...string) error {
	for _, key := range slices.Sorted(maps.Keys(s.Connection)) {
		if !slices.Contains(known, key) {
			takes := strings.Join(known, ", ")
			if len(known) == 0 {
				takes = "none"
			}
			return Errorf(Invalid, "open target "+s.Name, "connection.%s is not known to connector %s; it takes %s", key, s.Connector, takes)
		}
	}
	return nil
}

// Statements are the SQL of a target file, with named parameters (`:account`). Package sqldb says which parameters and
// columns each has.
type Statements struct {
	Account      AccountStatements                `yaml:"account" json:"account"`
	Entitlements map[string]EntitlementStatements `yaml:"entitlements" json:"entitlements,omitempty"` // by kind
}

// AccountStatements read and change the accounts of a SQL target. All are required but list and delete.
type AccountStatements struct {
	Get     string `yaml:"get" json:"get"`
	List    string `yaml:"list" json:"list,omitempty"`
	Create  string `yaml:"create" json:"create"`
	Update  string `yaml:"update" json:"update"`
	Enable  string `yaml:"enable" json:"enable"`
	Disable string `yaml:"disable" json:"disable"`
	Delete  string `yaml:"delete" json:"delete,omitempty"`
	// EndSessions is optional: without it the target cannot sign anybody out.
	EndSessions string `yaml:"endSessions" json:"endSessions,omitempty"`
}

// EntitlementStatements read and change the entitlements of one kind. All are required.
type EntitlementStatements struct {
	List   string `yaml:"list" json:"list"`
	Grant  string `yaml:"grant" json:"grant"`
	Revoke string `yaml:"revoke" json:"revoke"`
}

package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// groupKind is the one entitlement kind of a directory: `group/<cn>`.
const groupKind = "group"

// parentAttribute is the pseudo-attribute that says in which container an account is.
const parentAttribute = "parent"

// profile is what differs between makes of directory, and what a target file says about one.
type profile struct {
	connector     string
	base          *ldap.DN
	groupBase     string
	account       string   // attribute of the account's name
	rdn           string   // attribute that names an entry in its container
	classes       []string // of a new account
	people        string   // filter of accounts
	groups        string   // filter of groups
	externalID    string   // empty: not kept
	id            string   // attribute of the remote id
	version       string   // attribute that changes with every change; empty: none
	member        string
	memberOf      bool // entries tell their groups
	linked        bool // the server keeps references whole
	state         state
	idOf          func(*ldap.Entry) string
	idFilter      func(id string) string // empty: no such id can be
	implied       func(account string) map[string]string
	password      func(password string) (attribute string, values []string)
	needsPassword bool // no enabled account without one
}

// state is how a directory says whether an account is enabled.
type state interface {
	attribute() string
	enabled(values []string) bool
	// change returns the modifications from what was read.
	change(on bool, values []string) []ldap.Change
	// initial is the value of a new account; empty: none.
	initial(on bool) string
}

// owns reports whether an attribute is the connector's to set.
func (p profile) owns(name string) bool {
	for _, mine := range []string{p.state.attribute(), p.id, p.version, p.member, "memberOf", "objectClass"} {
		if mine != "" && strings.EqualFold(name, mine) {
			return true
		}
	}
	return false
}

// lock is an attribute that disabled accounts have with one value.
type lock struct{ name, value string }

func (l lock) attribute() string { return l.name }

func (l lock) enabled(values []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, l.value) })
}

func (l lock) change(on bool, _ []string) []ldap.Change {
	var values []string
	if !on {
		values = []string{l.value}
	}
	return []ldap.Change{{Operation: ldap.ReplaceAttribute, Modification: ldap.PartialAttribute{Type: l.name, Vals: values}}}
}

func (l lock) initial(on bool) string {
	if on {
		return ""
	}
	return l.value
}

// parsePlain makes the profile of connector ldap.
func parsePlain(connection map[string]string, _ endpoint) (profile, error) {
	get := func(key, absent string) string {
		if v := connection[key]; v != "" {
			return v
		}
		return absent
	}
	base, err := dn(connection, "base")
	if err != nil {
		return profile{}, err
	}
	memberOf, err := flag(connection, "memberOf", false)
	if err != nil {
		return profile{}, err
	}
	name, value, ok := strings.Cut(get("disable", "pwdAccountLockedTime=000001010000Z"), "=")
	if !ok || name == "" || value == "" {
		return profile{}, errors.New("connection.disable must be ATTRIBUTE=VALUE, such as nsAccountLock=TRUE")
	}
	p := profile{
		connector: "ldap", base: base, groupBase: get("groupBase", base.String()),
		account: get("account", "uid"), classes: strings.Fields(get("objectClass", "inetOrgPerson")),
		externalID: externalID(connection), id: "entryUUID", version: "entryCSN",
		member: get("member", "member"), memberOf: memberOf, state: lock{name, value},
		groups: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=groupOfEntries))",
	}
	p.rdn = p.account
	p.people = get("filter", "(objectClass="+ldap.EscapeFilter(p.classes[0])+")")
	p.idOf = func(e *ldap.Entry) string { return e.GetEqualFoldAttributeValue("entryUUID") }
	p.idFilter = func(id string) string { return "(entryUUID=" + ldap.EscapeFilter(id) + ")" }
	p.implied = func(account string) map[string]string { return map[string]string{"cn": account, "sn": account} }
	p.password = func(password string) (string, []string) { return "userPassword", []string{password} }
	return p, p.check()
}

func externalID(connection map[string]string) string {
	switch v := connection["externalId"]; v {
	case "":
		return "employeeNumber"
	case "none":
		return ""
	default:
		return v
	}
}

func (p profile) check() error {
	if _, err := ldap.ParseDN(p.groupBase); err != nil {
		return errors.New("connection.groupBase must be a DN such as ou=groups,dc=acme,dc=example")
	}
	if _, err := ldap.CompileFilter(p.people); err != nil {
		return fmt.Errorf("connection.filter: %w", err)
	}
	if p.member != "member" && p.member != "uniqueMember" && p.member != "memberUid" {
		return errors.New("connection.member must be member, uniqueMember or memberUid")
	}
	if p.memberOf && p.member == "memberUid" {
		return errors.New("connection.memberOf: a group of memberUid does not show in its members' entries")
	}
	return nil
}

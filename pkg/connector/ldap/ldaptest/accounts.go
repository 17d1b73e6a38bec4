package ldaptest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
)

// Accounts reads the accounts below people, and which groups below groups have them, beside the connector under test: over a
// connection of AdminConn.
func (s *Server) Accounts(admin *ldap.Conn, people, groups string, attributes ...string) ([]connector.Object, error) {
	account, state, person := "uid", "pwdAccountLockedTime", "(objectClass=inetOrgPerson)"
	if s.domain {
		account, state, person = "sAMAccountName", "userAccountControl", "(objectClass=user)"
	}
	found, err := below(admin, people, person, slices.Concat([]string{account, state, "employeeNumber"}, attributes)...)
	if err != nil {
		return nil, err
	}
	having, err := below(admin, groups, "(member=*)", "cn", "member")
	if err != nil {
		return nil, err
	}
	of := map[string][]string{}
	for _, g := range having {
		for _, member := range g.GetAttributeValues("member") {
			of[folded(member)] = append(of[folded(member)], connector.Entitlement("group", g.GetAttributeValue("cn")))
		}
	}
	out := make([]connector.Object, len(found))
	for i, e := range found {
		o := connector.Object{Ref: connector.Ref{Account: e.GetAttributeValue(account), ExternalID: e.GetAttributeValue("employeeNumber")},
			Enabled: slices.Contains([]string{"", "512"}, e.GetAttributeValue(state)), Attributes: map[string]string{}, Entitlements: of[folded(e.DN)]}
		for _, name := range attributes {
			o.Attributes[name] = e.GetAttributeValue(name)
		}
		slices.Sort(o.Entitlements)
		out[i] = o
	}
	return out, nil
}

func below(admin *ldap.Conn, base, filter string, attributes ...string) ([]*ldap.Entry, error) {
	found, err := admin.SearchWithPaging(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil), 500)
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", base, err)
	}
	return found.Entries, nil
}

// folded is a DN in one form.
func folded(dn string) string {
	d, err := ldap.ParseDN(dn)
	if err != nil {
		return dn
	}
	return strings.ToLower(d.String())
}

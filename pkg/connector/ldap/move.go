package ldap

import (
	"errors"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
)

// destination says where an update puts the entry: its new RDN, and the container if that changes.
func (c *Client) destination(want connector.Object, e *ldap.Entry) (rdn, container string, moves bool, err error) {
	p := c.profile
	now, err := ldap.ParseDN(e.DN)
	if err != nil || len(now.RDNs) == 0 {
		return "", "", false, connector.Errorf(connector.Invalid, "", "the server gave the DN %q", e.DN)
	}
	rdn = now.RDNs[0].String()
	name := want.Account
	for attribute, value := range want.Attributes {
		if strings.EqualFold(attribute, p.rdn) {
			name = value
		}
	}
	if name != "" && name != now.RDNs[0].Attributes[0].Value {
		rdn, moves = p.rdn+"="+escapeRDN(name), true
	}
	parent, named := want.Attributes[parentAttribute]
	if !named {
		return rdn, "", moves, nil
	}
	at, err := c.place(parent)
	if err != nil {
		return "", "", false, err
	}
	to, err := ldap.ParseDN(at)
	if err != nil {
		return "", "", false, err
	}
	if !(&ldap.DN{RDNs: now.RDNs[1:]}).EqualFold(to) {
		container, moves = at, true
	}
	return rdn, container, moves, nil
}

// move renames the entry, or puts it into another container, and takes its place in groups along: it leaves them before and
// joins them after, so that being cut off never leaves a name in a group that nobody has, or that somebody gets later. It
// returns its DN.
func (c *Client) move(k *call, e *ldap.Entry, rdn, container string, controls []ldap.Control) (string, error) {
	was := c.memberValue(e)
	if container != "" { // asked beforehand: not every server says which of the two entries is missing
		_, err := k.search(ldap.NewSearchRequest(container, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
		if err != nil {
			return "", missingParent(err, container)
		}
	}
	groups, err := c.leaveGroups(k, e)
	if err != nil {
		return "", err
	}
	err = k.write(func() error {
		return k.conn.ModifyDN(ldap.NewModifyDNWithControlsRequest(e.DN, rdn, true, container, controls))
	})
	if codeOf(err) != 0 { // refused: it stays where it was
		err = errors.Join(missingParent(err, container), c.joinGroups(k, groups, was))
	}
	if err != nil {
		return "", err
	}
	if container == "" {
		d, err := ldap.ParseDN(e.DN)
		if err != nil {
			return "", err
		}
		container = (&ldap.DN{RDNs: d.RDNs[1:]}).String()
	}
	at := rdn + "," + container
	is := at
	if c.profile.member == "memberUid" {
		d, err := ldap.ParseDN(at)
		if err != nil {
			return "", err
		}
		is = d.RDNs[0].Attributes[0].Value
	}
	return at, c.joinGroups(k, groups, is)
}

// escapeRDN escapes the value of an RDN, = among it, on which not all servers agree.
func escapeRDN(value string) string { return strings.ReplaceAll(ldap.EscapeDN(value), "=", `\3d`) }

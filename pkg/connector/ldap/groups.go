package ldap

import (
	"slices"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
)

// nobody stands in for the last member of a group that must have one.
const nobody = ""

func (c *Client) entitle(k *call, op connector.Op, e *ldap.Entry) (bool, error) {
	changed := false
	for _, entitlement := range op.Want.Entitlements {
		kind, name, ok := connector.SplitEntitlement(entitlement)
		if !ok || kind != groupKind {
			return changed, connector.Errorf(connector.Unsupported, "", "a directory has entitlements of kind %s only, not %q", groupKind, entitlement)
		}
		has, known := false, c.profile.memberOf
		if known {
			has = slices.Contains(c.object(e).Entitlements, entitlement)
		}
		if known && has == (op.Verb == connector.Grant) {
			continue
		}
		group, err := c.group(k, name)
		if err != nil {
			return changed, err
		}
		did, err := c.setMember(k, group, c.memberValue(e), op.Verb == connector.Grant)
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	return changed, nil
}

// group finds a group by name.
func (c *Client) group(k *call, name string) (string, error) {
	found, err := c.searchGroups(k, "(cn="+ldap.EscapeFilter(name)+")")
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 0:
		return "", connector.Errorf(connector.Invalid, "", "there is no group %q below %s; create it, or correct the grant", name, c.profile.groupBase)
	case 1:
		return found[0].DN, nil
	default:
		return "", connector.Errorf(connector.Invalid, "", "%d groups below %s are named %q; narrow connection.groupBase", len(found), c.profile.groupBase, name)
	}
}

// setMember makes a member be in a group or not, and reports whether that changed anything.
func (c *Client) setMember(k *call, group, member string, in bool) (bool, error) {
	attribute := c.profile.member
	one := func(operation uint, value string) ldap.Change {
		return ldap.Change{Operation: operation, Modification: ldap.PartialAttribute{Type: attribute, Vals: []string{value}}}
	}
	if in {
		err := k.modify(group, nil, []ldap.Change{one(ldap.AddAttribute, member)})
		if ldap.IsErrorAnyOf(err, ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultEntryAlreadyExists) {
			return false, nil
		}
		return err == nil, err
	}
	err := k.modify(group, nil, []ldap.Change{one(ldap.DeleteAttribute, member)})
	if ldap.IsErrorWithCode(err, ldap.LDAPResultObjectClassViolation) { // it was the last one
		err = k.modify(group, nil, []ldap.Change{one(ldap.AddAttribute, nobody), one(ldap.DeleteAttribute, member)})
	}
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchAttribute) {
		return false, nil
	}
	return err == nil, err
}

// leaveGroups takes an account out of every group, where the server does not keep references whole, and returns them.
func (c *Client) leaveGroups(k *call, e *ldap.Entry) ([]*ldap.Entry, error) {
	if c.profile.linked || !c.managesGroups {
		return nil, nil
	}
	member := c.memberValue(e)
	groups, err := c.groupsOf(k, member)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if _, err := c.setMember(k, g.DN, member, false); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

func (c *Client) joinGroups(k *call, groups []*ldap.Entry, member string) error {
	for _, g := range groups {
		if _, err := c.setMember(k, g.DN, member, true); err != nil {
			return err
		}
	}
	return nil
}

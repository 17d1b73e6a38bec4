package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
)

// asked are the attributes that are read of an account.
func (c *Client) asked() []string {
	p := c.profile
	names := []string{p.account, p.rdn, p.externalID, p.id, p.version, p.state.attribute()}
	if p.memberOf {
		names = append(names, "memberOf")
	}
	if c.attributes == nil {
		names = append(names, "*")
	}
	for _, name := range c.attributes {
		if name != parentAttribute {
			names = append(names, name)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

func (c *Client) query(filter string, controls ...ldap.Control) *ldap.SearchRequest {
	return ldap.NewSearchRequest(c.profile.base.String(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		filter, c.asked(), controls)
}

// object makes an account of an entry, without the groups that the entry does not tell.
func (c *Client) object(e *ldap.Entry) connector.Object {
	p := c.profile
	o := connector.Object{
		Ref:        connector.Ref{Account: e.GetEqualFoldAttributeValue(p.account), RemoteID: p.idOf(e)},
		Enabled:    p.state.enabled(e.GetEqualFoldAttributeValues(p.state.attribute())),
		Attributes: map[string]string{},
	}
	if p.externalID != "" {
		o.ExternalID = e.GetEqualFoldAttributeValue(p.externalID)
	}
	if p.version != "" {
		o.Version = e.GetEqualFoldAttributeValue(p.version)
	}
	names := c.attributes
	if names == nil {
		for _, a := range e.Attributes {
			if !p.owns(a.Name) && !strings.EqualFold(a.Name, p.account) && !strings.EqualFold(a.Name, p.externalID) {
				names = append(names, a.Name)
			}
		}
	}
	for _, name := range names {
		value := join(e.GetEqualFoldAttributeValues(name))
		if name == parentAttribute {
			value = c.parent(e.DN)
		}
		if value != "" {
			o.Attributes[name] = value
		}
	}
	if p.memberOf {
		o.Entitlements = c.groupNames(e.GetEqualFoldAttributeValues("memberOf"))
	}
	return o
}

// parent is the container of an entry, relative to base.
func (c *Client) parent(entry string) string {
	d, err := ldap.ParseDN(entry)
	if err != nil || len(d.RDNs) < 1+len(c.profile.base.RDNs) {
		return ""
	}
	return canonical(d.RDNs[1 : len(d.RDNs)-len(c.profile.base.RDNs)])
}

// groupNames keeps the groups below groupBase, by cn, as entitlements.
func (c *Client) groupNames(dns []string) []string {
	base, err := ldap.ParseDN(c.profile.groupBase)
	if err != nil {
		return nil // checked when it was opened
	}
	var out []string
	for _, text := range dns {
		d, err := ldap.ParseDN(text)
		if err == nil && base.AncestorOfFold(d) && strings.EqualFold(d.RDNs[0].Attributes[0].Type, "cn") {
			out = append(out, connector.Entitlement(groupKind, d.RDNs[0].Attributes[0].Value))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// find reads the entry of an account: by remote id, else by external id, else by name, all in one search.
func (c *Client) find(k *call, ref connector.Ref) (*ldap.Entry, error) {
	p := c.profile
	var any strings.Builder
	if ref.RemoteID != "" {
		any.WriteString(p.idFilter(ref.RemoteID))
	}
	if ref.ExternalID != "" && p.externalID != "" {
		any.WriteString("(" + p.externalID + "=" + ldap.EscapeFilter(ref.ExternalID) + ")")
	}
	if ref.Account != "" {
		any.WriteString("(" + p.account + "=" + ldap.EscapeFilter(ref.Account) + ")")
	}
	if any.Len() == 0 {
		return nil, &connector.Error{Class: connector.NotFound, Err: connector.ErrNotFound}
	}
	res, err := k.search(c.query("(&" + p.people + "(|" + any.String() + "))"))
	if err != nil {
		return nil, c.noBase(err)
	}
	for _, by := range []struct {
		key   string
		value func(*ldap.Entry) string
	}{
		{ref.RemoteID, p.idOf},
		{ref.ExternalID, func(e *ldap.Entry) string { return e.GetEqualFoldAttributeValue(p.externalID) }},
		{ref.Account, func(e *ldap.Entry) string { return e.GetEqualFoldAttributeValue(p.account) }},
	} {
		var match []*ldap.Entry
		for _, e := range res.Entries {
			if by.key != "" && strings.EqualFold(by.value(e), by.key) {
				match = append(match, e)
			}
		}
		if len(match) > 1 {
			return nil, connector.Errorf(connector.Conflict, "", "%d entries are found by one account: %s and %s; make them differ", len(match), match[0].DN, match[1].DN)
		}
		if len(match) == 1 {
			return match[0], nil
		}
	}
	return nil, &connector.Error{Class: connector.NotFound, Err: connector.ErrNotFound}
}

// noBase tells a missing base, which is a fault of the target file, from a missing account.
func (c *Client) noBase(err error) error {
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return connector.Errorf(connector.Invalid, "", "there is no entry %s; correct connection.base", c.profile.base)
	}
	return err
}

// Get reads one account and its groups.
func (c *Client) Get(ctx context.Context, ref connector.Ref) (o connector.Object, err error) {
	err = c.with(ctx, "get account "+ref.Account, connector.Object{}, func(k *call) error {
		e, err := c.find(k, ref)
		if err != nil {
			return err
		}
		o = c.object(e)
		return c.complete(k, e, &o)
	})
	if err != nil {
		return connector.Object{}, err
	}
	return o, nil
}

// complete adds the groups of an entry that does not tell them.
func (c *Client) complete(k *call, e *ldap.Entry, o *connector.Object) error {
	if c.profile.memberOf || !c.managesGroups {
		return nil
	}
	groups, err := c.groupsOf(k, c.memberValue(e))
	if err != nil {
		return err
	}
	for _, g := range groups {
		o.Entitlements = append(o.Entitlements, connector.Entitlement(groupKind, g.GetEqualFoldAttributeValue("cn")))
	}
	slices.Sort(o.Entitlements)
	o.Entitlements = slices.Compact(o.Entitlements)
	return nil
}

// memberValue is how a group names an account.
func (c *Client) memberValue(e *ldap.Entry) string {
	if c.profile.member == "memberUid" {
		return e.GetEqualFoldAttributeValue(c.profile.account)
	}
	return e.DN
}

// groupsOf finds the groups that have a member, with their cn only.
func (c *Client) groupsOf(k *call, member string) ([]*ldap.Entry, error) {
	return c.searchGroups(k, "("+c.profile.member+"="+ldap.EscapeFilter(member)+")")
}

func (c *Client) searchGroups(k *call, filter string) ([]*ldap.Entry, error) {
	const page = 500
	if err := connector.Pace(k.ctx); err != nil {
		return nil, err
	}
	res, err := k.conn.SearchWithPaging(ldap.NewSearchRequest(c.profile.groupBase, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(&"+c.profile.groups+filter+")", []string{"cn"}, nil), page)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, connector.Errorf(connector.Invalid, "", "there is no entry %s; correct connection.groupBase", c.profile.groupBase)
	}
	if err != nil {
		return nil, fmt.Errorf("find groups: %w", err)
	}
	return res.Entries, nil
}

func isNotFound(err error) bool { return errors.Is(err, connector.ErrNotFound) }

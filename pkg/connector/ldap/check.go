package ldap

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
)

// Check connects, and tries each right the connector needs. Rights to change what is there are tried on one account and
// one group by deleting a value that they do not have, which changes nothing; the right to add and delete entries shows
// only when it is used.
func (c *Client) Check(ctx context.Context) ([]connector.Finding, error) {
	var findings []connector.Finding
	found := func(level connector.Level, subject, message string) {
		findings = append(findings, connector.Finding{Level: level, Subject: subject, Message: message})
	}
	controls, err := c.supported(ctx)
	if ctx.Err() != nil {
		return nil, connector.ContextError(ctx, "check target", false)
	}
	if err != nil {
		found(connector.Fault, "reachable", err.Error()+"; see connection.url, user and password")
		return findings, nil
	}
	found(connector.OK, "reachable", "it answers as a directory, and the bind is taken")
	if !slices.Contains(controls, pagingOID) {
		found(connector.Warning, "paging", "not supported: a large directory cannot be listed")
	}
	if c.profile.version != "" && !slices.Contains(controls, assertionOID) {
		found(connector.Warning, "assertions", "not supported: a change cannot be made conditional on what was read")
	}
	tries := []try{c.tryAccounts()}
	if c.managesGroups {
		tries = append(tries, c.tryGroups())
	}
	for _, t := range tries {
		findings = append(findings, c.attempt(ctx, t)...)
		if ctx.Err() != nil {
			return nil, connector.ContextError(ctx, "check target", false)
		}
	}
	found(connector.Warning, "right to add and delete below "+c.profile.base.String(), "needed; not tried, since it shows only in doing so")
	return findings, nil
}

// try is one kind of entry: how to find one, and what must be changeable.
type try struct {
	what, base, filter string
	attributes         []string
}

func (c *Client) tryAccounts() try {
	p := c.profile
	t := try{what: "accounts", base: p.base.String(), filter: p.people, attributes: []string{p.state.attribute(), p.externalID}}
	for _, name := range c.attributes {
		if name != parentAttribute && name != p.rdn {
			t.attributes = append(t.attributes, name)
		}
	}
	t.attributes = slices.DeleteFunc(t.attributes, func(name string) bool { return name == "" })
	return t
}

func (c *Client) tryGroups() try {
	return try{what: "groups", base: c.profile.groupBase, filter: c.profile.groups, attributes: []string{c.profile.member}}
}

func (c *Client) attempt(ctx context.Context, t try) []connector.Finding {
	read := connector.Finding{Level: connector.OK, Subject: "right to read " + t.what + " below " + t.base, Message: "allowed"}
	var one *ldap.Entry
	err := c.with(ctx, "read "+t.what, connector.Object{}, func(k *call) error {
		control := ldap.NewControlPaging(1)
		res, err := k.search(ldap.NewSearchRequest(t.base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			t.filter, []string{effectiveRights}, []ldap.Control{control}))
		if err == nil && len(res.Entries) > 0 {
			one = res.Entries[0]
		}
		return err
	})
	if err != nil {
		read.Level, read.Message = connector.Fault, err.Error()
		return []connector.Finding{read}
	}
	out := []connector.Finding{read}
	for _, attribute := range t.attributes {
		f := connector.Finding{Level: connector.OK, Subject: "right to change " + attribute + " of " + t.what, Message: "allowed"}
		switch allowed, err := c.mayChange(ctx, one, attribute); {
		case one == nil:
			f.Level, f.Message = connector.Warning, "needed; not tried, since there are none yet"
		case connector.ClassOf(err) == connector.Denied:
			f.Level, f.Message = connector.Fault, err.Error()
		case !allowed:
			f.Level, f.Message = connector.Warning, "needed; the server did not show whether it is there"
		}
		out = append(out, f)
	}
	return out
}

// mayChange looks whether an attribute may be changed. AD says so of each entry. Elsewhere a value is deleted that is not
// there: refused as that where the right is there, and as denied where it is not.
func (c *Client) mayChange(ctx context.Context, e *ldap.Entry, attribute string) (allowed bool, err error) {
	if e == nil {
		return false, nil
	}
	if rights := e.GetEqualFoldAttributeValues(effectiveRights); len(rights) > 0 || c.profile.linked {
		if slices.ContainsFunc(rights, func(r string) bool { return strings.EqualFold(r, attribute) }) {
			return true, nil
		}
		return false, connector.Errorf(connector.Denied, "change "+attribute, "the account we bind as may not")
	}
	err = c.with(ctx, "change "+attribute, connector.Object{}, func(k *call) error {
		return k.conn.Modify(&ldap.ModifyRequest{DN: e.DN, Changes: []ldap.Change{{Operation: ldap.DeleteAttribute,
			Modification: ldap.PartialAttribute{Type: attribute, Vals: []string{c.profile.absentValue(attribute)}}}}})
	})
	r, ok := errors.AsType[*refusal](err)
	return ok && r.code == ldap.LDAPResultNoSuchAttribute, err
}

// effectiveRights is where AD lists the attributes that may be changed.
const effectiveRights = "allowedAttributesEffective"

// absentValue is a value that no entry has, of the attribute's syntax where that is known.
func (p profile) absentValue(attribute string) string {
	switch {
	case strings.EqualFold(attribute, "pwdAccountLockedTime"):
		return "19700101000000Z"
	case strings.EqualFold(attribute, "member"), strings.EqualFold(attribute, "uniqueMember"):
		return "cn=a value that nobody has"
	default:
		return "a value that nobody has"
	}
}

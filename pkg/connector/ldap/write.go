package ldap

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
)

// Apply makes one change. It reads the entry first, and writes only what differs.
func (c *Client) Apply(ctx context.Context, op connector.Op) (res connector.Result, err error) {
	what := string(op.Verb) + " account " + op.Ref.Account
	err = c.with(ctx, what, op.Want, func(k *call) error {
		if op.Verb == connector.Create {
			res, err = c.create(k, op)
			return err
		}
		e, err := c.find(k, op.Ref)
		if isNotFound(err) && op.Verb == connector.Delete {
			return nil
		}
		if err != nil {
			return err
		}
		res.RemoteID = c.profile.idOf(e)
		res.Changed, err = c.change(k, op, e)
		return err
	})
	if err != nil {
		return connector.Result{}, err
	}
	return res, nil
}

func (c *Client) change(k *call, op connector.Op, e *ldap.Entry) (bool, error) {
	switch op.Verb {
	case connector.Update:
		return c.update(k, op, e)
	case connector.Enable, connector.Disable:
		return c.setState(k, op, e)
	case connector.Grant, connector.Revoke:
		return c.entitle(k, op, e)
	case connector.Delete:
		return true, c.remove(k, op, e)
	default:
		return false, connector.Errorf(connector.Unsupported, "", "verb %q is not known", op.Verb)
	}
}

// write sends a change in its turn: from here on the server may act.
func (k *call) write(f func() error) error {
	if err := connector.Pace(k.ctx); err != nil {
		return err
	}
	k.sent = true
	return f()
}

func (k *call) modify(dn string, controls []ldap.Control, changes []ldap.Change) error {
	return k.write(func() error { return k.conn.Modify(&ldap.ModifyRequest{DN: dn, Changes: changes, Controls: controls}) })
}

func (c *Client) create(k *call, op connector.Op) (connector.Result, error) {
	want, p := op.Want, c.profile
	if _, err := c.find(k, connector.Ref{Account: want.Account, ExternalID: want.ExternalID}); err == nil {
		return connector.Result{}, connector.Errorf(connector.Conflict, "", "there is one already")
	} else if !isNotFound(err) {
		return connector.Result{}, err
	}
	attributes, err := c.attributesOf(want)
	if err != nil {
		return connector.Result{}, err
	}
	at, err := c.place(want.Attributes[parentAttribute])
	if err != nil {
		return connector.Result{}, err
	}
	name := want.Account
	if values := attributes[p.rdn]; len(values) > 0 {
		name = values[0]
	}
	add := ldap.NewAddRequest(p.rdn+"="+escapeRDN(name)+","+at, nil)
	for name, values := range attributes {
		add.Attribute(name, values)
	}
	sealed, err := c.setPassword(add, op)
	if err != nil {
		return connector.Result{}, err
	}
	if err := k.write(func() error { return k.conn.Add(add) }); err != nil {
		if refused := codeOf(err); refused != 0 && classOf(refused, true) != connector.Ambiguous {
			return connector.Result{}, errors.Join(missingParent(err, at), sealed.Withdraw())
		}
		return connector.Result{Handover: sealed.Reference()}, err
	}
	made, err := c.find(k, connector.Ref{Account: want.Account})
	if connector.ClassOf(err) == connector.Conflict { // in another container, at the same moment: a directory keeps names apart in each alone
		return connector.Result{}, errors.Join(err, k.write(func() error { return k.conn.Del(ldap.NewDelRequest(add.DN, nil)) }), sealed.Withdraw())
	}
	if err != nil {
		return connector.Result{Handover: sealed.Reference()}, err
	}
	return connector.Result{RemoteID: p.idOf(made), Changed: true, Handover: sealed.Reference()}, nil
}

// attributesOf are all attributes of a new entry.
func (c *Client) attributesOf(want connector.Object) (map[string][]string, error) {
	p := c.profile
	out := map[string][]string{"objectClass": p.classes, p.account: {want.Account}}
	if p.externalID != "" && want.ExternalID != "" {
		out[p.externalID] = []string{want.ExternalID}
	}
	if v := p.state.initial(want.Enabled); v != "" {
		out[p.state.attribute()] = []string{v}
	}
	mapped := map[string]bool{}
	for name, value := range want.Attributes {
		if p.owns(name) {
			return nil, connector.Errorf(connector.Unsupported, "", "attribute %s is the connector's own", name)
		}
		if name != parentAttribute && value != "" {
			out[name] = split(value)
			mapped[strings.ToLower(name)] = true
		}
	}
	for name, value := range p.implied(want.Account) {
		if !mapped[strings.ToLower(name)] {
			out[name] = []string{value}
		}
	}
	return out, nil
}

// place is the DN of a container named relative to base.
func (c *Client) place(parent string) (string, error) {
	if parent == "" {
		return c.profile.base.String(), nil
	}
	d, err := ldap.ParseDN(parent)
	if err != nil {
		return "", connector.Errorf(connector.Invalid, "", "attribute parent must be a DN relative to base, such as ou=finance")
	}
	return (&ldap.DN{RDNs: append(slices.Clone(d.RDNs), c.profile.base.RDNs...)}).String(), nil
}

// missingParent says what is missing: the container, not the account.
func missingParent(err error, at string) error {
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return connector.Errorf(connector.Invalid, "", "there is no container %s; create it, or correct the attribute parent", at)
	}
	return err
}

func (c *Client) setState(k *call, op connector.Op, e *ldap.Entry) (bool, error) {
	on, state := op.Verb == connector.Enable, c.profile.state
	values := e.GetEqualFoldAttributeValues(state.attribute())
	if state.enabled(values) == on {
		return false, nil
	}
	version := op.IfVersion
	if !on {
		version = ""
	}
	controls, err := c.condition(version)
	if err != nil {
		return false, err
	}
	return true, k.modify(e.DN, controls, state.change(on, values))
}

func (c *Client) update(k *call, op connector.Op, e *ldap.Entry) (bool, error) {
	changes, err := c.changes(op.Want, e)
	if err != nil {
		return false, err
	}
	rdn, container, moves, err := c.destination(op.Want, e)
	if err != nil || len(changes) == 0 && !moves {
		return false, err
	}
	controls, err := c.condition(op.IfVersion)
	if err != nil {
		return false, err
	}
	at := e.DN
	if moves {
		if at, err = c.move(k, e, rdn, container, controls); err != nil {
			return false, err
		}
		controls = nil // the move has changed the version
	}
	if len(changes) > 0 {
		return true, k.modify(at, controls, changes)
	}
	return true, nil
}

// changes are the modifications of an update, without what is in the entry's DN.
func (c *Client) changes(want connector.Object, e *ldap.Entry) ([]ldap.Change, error) {
	p := c.profile
	next := map[string]string{}
	for name, value := range want.Attributes {
		if p.owns(name) {
			return nil, connector.Errorf(connector.Unsupported, "", "attribute %s is the connector's own", name)
		}
		if name != parentAttribute && !strings.EqualFold(name, p.rdn) {
			next[name] = value
		}
	}
	if want.Account != "" && p.account != p.rdn { // an account renamed takes along what follows from its name
		next[p.account] = want.Account
		for name, value := range p.implied(want.Account) {
			if !slices.ContainsFunc(c.attributes, func(mapped string) bool { return strings.EqualFold(mapped, name) }) {
				next[name] = value
			}
		}
	}
	if want.ExternalID != "" && p.externalID != "" {
		next[p.externalID] = want.ExternalID
	}
	var out []ldap.Change
	for name, value := range next {
		if join(e.GetEqualFoldAttributeValues(name)) != join(split(value)) {
			out = append(out, ldap.Change{Operation: ldap.ReplaceAttribute, Modification: ldap.PartialAttribute{Type: name, Vals: split(value)}})
		}
	}
	slices.SortFunc(out, func(a, b ldap.Change) int { return strings.Compare(a.Modification.Type, b.Modification.Type) })
	return out, nil
}

// remove deletes an entry, after its place in groups: what later gets the same DN must not inherit it.
func (c *Client) remove(k *call, op connector.Op, e *ldap.Entry) error {
	controls, err := c.condition(op.IfVersion)
	if err != nil {
		return err
	}
	if _, err := c.leaveGroups(k, e); err != nil {
		return err
	}
	return k.write(func() error { return k.conn.Del(ldap.NewDelRequest(e.DN, controls)) })
}

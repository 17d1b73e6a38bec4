package ticket

import (
	"context"
	"maps"
	"slices"
	"strings"

	"joinery.internal/pkg/connector"
)

// Paper is one account as it would be: changes made to it are made on paper. Nil have: there is none.
type Paper struct{ have *connector.Object }

// NewPaper returns the paper of an account, which is copied.
func NewPaper(have *connector.Object) *Paper {
	if have == nil {
		return &Paper{}
	}
	o := have.Clone()
	return &Paper{&o}
}

// Account is the account as it is on paper; nil: there is none. It is the caller's own.
func (p *Paper) Account() *connector.Object { return NewPaper(p.have).have }

// Describe says what people can do: anything but renaming. Whose an account is they are not asked to note.
func (*Paper) Describe(context.Context) (connector.Descriptor, error) {
	return connector.Descriptor{Connector: "ticket"}, nil
}

// Check has nothing to try.
func (*Paper) Check(context.Context) ([]connector.Finding, error) {
	return []connector.Finding{{Level: connector.OK, Subject: "queue", Message: "people are asked by tickets in the console"},
		{Level: connector.Warning, Subject: "list accounts", Message: "people do not list accounts: the target cannot be reconciled"}}, nil
}

// Get returns the account, whichever is asked for: there is one at most.
func (p *Paper) Get(_ context.Context, ref connector.Ref) (connector.Object, error) {
	if p.have == nil {
		return connector.Object{}, &connector.Error{Class: connector.NotFound, Op: "get account " + ref.Account, Err: connector.ErrNotFound}
	}
	return *p.Account(), nil
}

// Apply changes the paper. The account's name is its id, too.
func (p *Paper) Apply(_ context.Context, op connector.Op) (connector.Result, error) {
	what := string(op.Verb) + " account " + op.Ref.Account
	switch {
	case op.Verb == connector.Create && p.have != nil:
		return connector.Result{}, connector.Errorf(connector.Conflict, what, "there is one already")
	case op.Verb == connector.Create:
		o := op.Want.Clone()
		o.RemoteID, o.Entitlements = o.Account, nil
		p.have = &o
		return connector.Result{RemoteID: o.RemoteID, Changed: true}, nil
	case p.have == nil && op.Verb == connector.Delete:
		return connector.Result{}, nil
	case p.have == nil:
		return connector.Result{}, &connector.Error{Class: connector.NotFound, Op: what, Err: connector.ErrNotFound}
	}
	res := connector.Result{RemoteID: p.have.RemoteID}
	var err error
	res.Changed, err = p.change(what, op)
	return res, err
}

// change changes an account that is there.
func (p *Paper) change(what string, op connector.Op) (changed bool, err error) {
	o := p.have
	switch op.Verb {
	case connector.Delete:
		p.have = nil
		return true, nil
	case connector.Enable, connector.Disable:
		on := op.Verb == connector.Enable
		changed, o.Enabled = o.Enabled != on, on
		return changed, nil
	case connector.Grant, connector.Revoke:
		before := len(o.Entitlements)
		o.Entitlements = slices.DeleteFunc(o.Entitlements, func(e string) bool { return slices.Contains(op.Want.Entitlements, e) })
		if op.Verb == connector.Revoke {
			return len(o.Entitlements) != before, nil
		}
		o.Entitlements = append(o.Entitlements, op.Want.Entitlements...)
		slices.Sort(o.Entitlements)
		return len(o.Entitlements) != before, nil
	case connector.Update:
		if op.Want.Account != "" && !strings.EqualFold(op.Want.Account, o.Account) {
			return false, connector.Errorf(connector.Unsupported, what, "an account kept by tickets cannot be renamed")
		}
		before := maps.Clone(o.Attributes)
		if o.Attributes == nil {
			o.Attributes = map[string]string{}
		}
		maps.Copy(o.Attributes, op.Want.Attributes)
		maps.DeleteFunc(o.Attributes, func(_, value string) bool { return value == "" })
		return !maps.Equal(before, o.Attributes), nil
	default:
		return false, connector.Errorf(connector.Unsupported, what, "people cannot %s", op.Verb)
	}
}

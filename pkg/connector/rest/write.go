package rest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"joinery.internal/pkg/connector"
)

// Apply makes one change. It reads the account first, and writes only what differs.
func (c *Client) Apply(ctx context.Context, op connector.Op) (connector.Result, error) {
	what := string(op.Verb) + " account " + op.Ref.Account
	for name := range op.Want.Attributes {
		if _, known := c.attributes[name]; !known {
			return connector.Result{}, connector.Errorf(connector.Unsupported, what, "rest.account.attributes lacks %s", name)
		}
	}
	if op.Verb == connector.Create {
		return c.create(ctx, what, op)
	}
	now, err := c.find(ctx, what, op.Ref)
	if errors.Is(err, connector.ErrNotFound) && op.Verb == connector.Delete {
		return connector.Result{}, nil
	}
	if err != nil {
		return connector.Result{}, err
	}
	res := connector.Result{RemoteID: now.RemoteID, Version: now.Version}
	switch op.Verb {
	case connector.Update:
		res.Changed, err = c.update(ctx, what, op, now)
	case connector.Enable, connector.Disable:
		if on := op.Verb == connector.Enable; on != now.Enabled {
			now.Enabled = on
			version := op.IfVersion
			if !on {
				version = ""
			}
			res.Changed, err = c.send(ctx, what, string(op.Verb), op, now, version)
		}
	case connector.Grant, connector.Revoke:
		res.Changed, err = c.entitle(ctx, what, op, now)
	case connector.Delete:
		res.Changed, err = c.send(ctx, what, "delete", op, now, op.IfVersion)
		if connector.ClassOf(err) == connector.NotFound { // another was faster
			res.Changed, err = false, nil
		}
	default:
		err = connector.Errorf(connector.Unsupported, what, "verb %q is not known", op.Verb)
	}
	if err != nil {
		return connector.Result{}, err
	}
	if res.Changed {
		res.Version = "" // not known
	}
	return res, nil
}

// variables are an account's as expressions have them: an empty attribute is null.
func (c *Client) variables(o connector.Object, key string) values {
	attributes := make(map[string]any, len(c.attributes))
	for name := range c.attributes {
		attributes[name] = nil
		if v := o.Attributes[name]; v != "" {
			attributes[name] = v
		}
	}
	return keys(o.Ref).with(values{"enabled": o.Enabled, "attributes": attributes, "key": key})
}

// send makes the call of a verb.
func (c *Client) send(ctx context.Context, what, name string, op connector.Op, o connector.Object, version string) (bool, error) {
	k, ok := c.calls[name]
	if !ok {
		return false, connector.Errorf(connector.Unsupported, what, "the target file has no rest.calls.%s", name)
	}
	_, err := c.do(ctx, what, k, c.variables(o, op.Key), o, version, nil)
	return err == nil, err
}

func (c *Client) create(ctx context.Context, what string, op connector.Op) (connector.Result, error) {
	_, err := c.find(ctx, what, connector.Ref{Account: op.Want.Account, ExternalID: op.Want.ExternalID})
	if err == nil {
		return connector.Result{}, connector.Errorf(connector.Conflict, what, "there is one already")
	}
	if !errors.Is(err, connector.ErrNotFound) {
		return connector.Result{}, err
	}
	if _, err := c.send(ctx, what, "create", op, op.Want, ""); err != nil {
		return connector.Result{}, err
	}
	made, err := c.find(ctx, what, connector.Ref{Account: op.Want.Account, ExternalID: op.Want.ExternalID})
	if errors.Is(err, connector.ErrNotFound) {
		return connector.Result{}, connector.Errorf(connector.Transient, what, "the API accepted it, and does not find it yet")
	}
	if err != nil {
		return connector.Result{}, err
	}
	return connector.Result{RemoteID: made.RemoteID, Version: made.Version, Changed: true}, nil
}

func (c *Client) update(ctx context.Context, what string, op connector.Op, now connector.Object) (bool, error) {
	next := now.Clone()
	differs := false
	for name, value := range op.Want.Attributes {
		differs = differs || now.Attributes[name] != value
	}
	maps.Copy(next.Attributes, op.Want.Attributes)
	if op.Want.Account != "" {
		next.Account = op.Want.Account
		differs = differs || !strings.EqualFold(next.Account, now.Account)
	}
	if op.Want.ExternalID != "" {
		next.ExternalID = op.Want.ExternalID
		differs = differs || next.ExternalID != now.ExternalID
	}
	if !differs {
		return false, nil
	}
	return c.send(ctx, what, "update", op, next, op.IfVersion)
}

func (c *Client) entitle(ctx context.Context, what string, op connector.Op, now connector.Object) (bool, error) {
	if err := c.complete(ctx, what, &now); err != nil {
		return false, err
	}
	changed := false
	for _, e := range op.Want.Entitlements {
		kindName, name, ok := connector.SplitEntitlement(e)
		k, known := c.kinds[kindName]
		if !ok || !known {
			return changed, connector.Errorf(connector.Unsupported, what, "the target file has no rest.entitlements.%s", kindName)
		}
		if slices.Contains(now.Entitlements, e) == (op.Verb == connector.Grant) {
			continue
		}
		call := k.revoke
		if op.Verb == connector.Grant {
			call = k.grant
		}
		if _, err := c.do(ctx, what, call, c.variables(now, op.Key).with(values{"name": name}), op.Want, "", nil); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

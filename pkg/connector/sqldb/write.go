package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"joinery.internal/pkg/connector"
)

// Apply makes one change in one transaction that first reads the account.
func (c *DB) Apply(ctx context.Context, op connector.Op) (connector.Result, error) {
	what := string(op.Verb) + " account " + op.Ref.Account
	var res connector.Result
	err := c.tx(ctx, what, op.Want, false, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		if op.Verb == connector.Create {
			res, err = c.createAccount(ctx, tx, op)
		} else {
			res, err = c.change(ctx, tx, op)
		}
		return err
	})
	if err != nil {
		return connector.Result{}, err
	}
	return res, nil
}

func (c *DB) createAccount(ctx context.Context, tx *sql.Tx, op connector.Op) (connector.Result, error) {
	want := op.Want
	_, err := c.find(ctx, tx, connector.Ref{Account: want.Account, ExternalID: want.ExternalID})
	if err == nil {
		return connector.Result{}, connector.Errorf(connector.Conflict, "find", "there is one already")
	}
	if !errors.Is(err, connector.ErrNotFound) {
		return connector.Result{}, err
	}
	v, err := c.bind(want, want.Attributes)
	if err != nil {
		return connector.Result{}, err
	}
	if err := exec(ctx, tx, c.set.create, v); err != nil {
		return connector.Result{}, err
	}
	if !want.Enabled && !c.set.create.names(paramEnabled) {
		if err := exec(ctx, tx, c.set.disable, v); err != nil {
			return connector.Result{}, err
		}
	}
	return c.reread(ctx, tx, connector.Ref{Account: want.Account})
}

// bind returns the parameters of create and update.
func (c *DB) bind(o connector.Object, named map[string]string) (values, error) {
	known := c.set.attributes()
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !slices.Contains(known, name) {
			return nil, connector.Errorf(connector.Unsupported, "bind attributes", "sql.account.create and update do not write the attribute %q", name)
		}
	}
	v := keys(o.Ref)
	v[paramEnabled] = o.Enabled
	for _, name := range known {
		v[name] = nullable(o.Attributes[name])
	}
	return v, nil
}

func exec(ctx context.Context, tx *sql.Tx, st statement, v values) error {
	_, err := tx.ExecContext(ctx, st.text, st.args(v)...)
	return err
}

// reread ends a change: it must be there to be read. A database that took the statement and did nothing may do it yet, as
// with any target that says yes and does nothing.
func (c *DB) reread(ctx context.Context, tx *sql.Tx, ref connector.Ref) (connector.Result, error) {
	now, err := c.find(ctx, tx, ref)
	if errors.Is(err, connector.ErrNotFound) {
		return connector.Result{}, connector.Errorf(connector.Transient, "read back", "the statement ran, and sql.account.get does not find the account")
	}
	if err != nil {
		return connector.Result{}, err
	}
	return connector.Result{RemoteID: now.RemoteID, Version: now.Version, Changed: true}, nil
}

func (c *DB) change(ctx context.Context, tx *sql.Tx, op connector.Op) (connector.Result, error) {
	now, err := c.find(ctx, tx, op.Ref)
	if errors.Is(err, connector.ErrNotFound) && op.Verb == connector.Delete {
		return connector.Result{}, nil
	}
	if err != nil {
		return connector.Result{}, err
	}
	unchanged := connector.Result{RemoteID: now.RemoteID, Version: now.Version}
	conditional := op.Verb == connector.Update || op.Verb == connector.Enable || op.Verb == connector.Delete
	if conditional && op.IfVersion != "" && op.IfVersion != now.Version {
		return unchanged, connector.Errorf(connector.Conflict, "compare version", "changed underneath")
	}
	switch op.Verb {
	case connector.Update:
		return c.updateAccount(ctx, tx, now, op.Want)
	case connector.Enable, connector.Disable:
		on, st := op.Verb == connector.Enable, c.set.disable
		if on {
			st = c.set.enable
		}
		if now.Enabled == on {
			return unchanged, nil
		}
		if err := exec(ctx, tx, st, keys(now.Ref)); err != nil {
			return unchanged, err
		}
		return c.reread(ctx, tx, now.Ref)
	case connector.Grant, connector.Revoke:
		return c.entitle(ctx, tx, now, op)
	case connector.EndSessions:
		return c.endSessions(ctx, tx, now)
	case connector.Delete:
		return c.deleteAccount(ctx, tx, now)
	default:
		return unchanged, connector.Errorf(connector.Unsupported, "choose a statement", "verb %q is not known", op.Verb)
	}
}

func (c *DB) updateAccount(ctx context.Context, tx *sql.Tx, now, want connector.Object) (connector.Result, error) {
	next := now.Clone()
	maps.Copy(next.Attributes, want.Attributes)
	if want.Account != "" && want.Account != now.Account {
		return connector.Result{}, connector.Errorf(connector.Unsupported, "rename", "accounts of a SQL target cannot be renamed")
	}
	if want.ExternalID != "" {
		next.ExternalID = want.ExternalID
	}
	if next.ExternalID != now.ExternalID && !c.set.update.names(paramExternalID) {
		return connector.Result{}, connector.Errorf(connector.Unsupported, "adopt", "sql.account.update must name :external_id to adopt an account")
	}
	v, err := c.bind(next, want.Attributes)
	if err != nil {
		return connector.Result{}, err
	}
	differs := next.ExternalID != now.ExternalID
	for name, value := range want.Attributes {
		differs = differs || now.Attributes[name] != value
	}
	if !differs {
		return connector.Result{RemoteID: now.RemoteID, Version: now.Version}, nil
	}
	if err := exec(ctx, tx, c.set.update, v); err != nil {
		return connector.Result{}, err
	}
	return c.reread(ctx, tx, connector.Ref{Account: now.Account})
}

func (c *DB) entitle(ctx context.Context, tx *sql.Tx, now connector.Object, op connector.Op) (connector.Result, error) {
	res := connector.Result{RemoteID: now.RemoteID, Version: now.Version}
	if err := c.complete(ctx, tx, &now); err != nil {
		return res, err
	}
	for _, e := range op.Want.Entitlements {
		kind, name, ok := connector.SplitEntitlement(e)
		statements, known := c.set.entitlements[kind]
		if !ok || !known {
			return res, connector.Errorf(connector.Unsupported, "choose a statement", "the target file has no sql.entitlements.%s", kind)
		}
		if slices.Contains(now.Entitlements, e) == (op.Verb == connector.Grant) {
			continue
		}
		st := statements.revoke
		if op.Verb == connector.Grant {
			st = statements.grant
		}
		v := keys(now.Ref)
		v[paramName] = name
		if err := exec(ctx, tx, st, v); err != nil {
			return res, err
		}
		res.Changed = true
	}
	return res, nil
}

// deleteAccount takes every entitlement away first: whoever gets the name later must not inherit them.
func (c *DB) deleteAccount(ctx context.Context, tx *sql.Tx, now connector.Object) (connector.Result, error) {
	if c.set.remove.text == "" {
		return connector.Result{}, connector.Errorf(connector.Unsupported, "delete", "the target file has no sql.account.delete")
	}
	if err := c.complete(ctx, tx, &now); err != nil {
		return connector.Result{}, err
	}
	for _, e := range now.Entitlements {
		kind, name, _ := connector.SplitEntitlement(e)
		v := keys(now.Ref)
		v[paramName] = name
		if err := exec(ctx, tx, c.set.entitlements[kind].revoke, v); err != nil {
			return connector.Result{}, err
		}
	}
	if err := exec(ctx, tx, c.set.remove, keys(now.Ref)); err != nil {
		return connector.Result{}, err
	}
	_, err := c.find(ctx, tx, now.Ref)
	if err == nil {
		return connector.Result{}, connector.Errorf(connector.Invalid, "read back", "sql.account.delete ran, and sql.account.get still finds the account")
	}
	if !errors.Is(err, connector.ErrNotFound) {
		return connector.Result{}, err
	}
	return connector.Result{RemoteID: now.RemoteID, Changed: true}, nil
}

// endSessions runs the statement that signs everybody out; how many it did so to is how many rows it touched.
func (c *DB) endSessions(ctx context.Context, tx *sql.Tx, now connector.Object) (connector.Result, error) {
	same := connector.Result{RemoteID: now.RemoteID, Version: now.Version}
	if c.set.endSessions.text == "" {
		return same, connector.Errorf(connector.Unsupported, "choose a statement", "there is no sql.account.endSessions")
	}
	done, err := tx.ExecContext(ctx, c.set.endSessions.text, c.set.endSessions.args(keys(now.Ref))...)
	if err != nil {
		return same, err
	}
	rows, err := done.RowsAffected()
	same.Changed = rows > 0
	return same, err
}

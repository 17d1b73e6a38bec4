package desk

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/account"
)

// drive brings the account to what is wanted and fills in what became of it.
func (g *guarded) drive(ctx context.Context, c account.Call, r *account.Result) error {
	want := connector.Desired{Account: c.Account, RemoteID: c.RemoteID, ExternalID: string(c.Want.IdentityID), Formerly: string(c.Want.Formerly), State: connector.State(c.Want.State),
		Attributes: c.Want.Attributes, Entitlements: c.Want.Entitlements, ManagedKinds: c.Want.Kinds, EndSessions: c.Want.EndSessions, Owned: g.t.Owned && !c.Want.Orphan}
	proceed, err := g.find(ctx, c, &want)
	if err != nil {
		return err
	}
	if !proceed {
		r.State = event.AccountAbsent
		return nil
	}
	if people, ok := g.c.(connector.ByHand); ok {
		return g.driveByHand(ctx, people, want, r)
	}
	out, err := connector.Drive(ctx, g, c.IdempotencyKey(), want)
	fill(r, want, out, err)
	r.Doubt = changes(g.doubt)
	return err
}

// find settles which account is meant. proceed is false when there is none and none is wanted.
func (g *guarded) find(ctx context.Context, c account.Call, want *connector.Desired) (proceed bool, err error) {
	d, err := g.Describe(ctx)
	switch {
	case err != nil:
		return false, err
	case c.Want.Orphan:
		return g.findOrphan(ctx, c, d.ExternalID)
	case c.Account != "" && c.Want.Numbered && c.Intent.Round > 0 && c.Want.State != event.AccountAbsent && d.ExternalID:
		return true, g.rename(ctx, c, want)
	case c.Account != "":
		return true, nil
	case c.Want.State == event.AccountAbsent:
		// An account that only has the name we would have chosen is somebody else's: look by owner alone.
		return d.ExternalID, nil
	case !c.Want.Numbered:
		want.Account = c.Want.AccountName
		return true, g.unreserved(want.Account)
	case !d.ExternalID:
		return false, connector.Errorf(connector.Unsupported, "name account "+c.Want.AccountName,
			"numbered names need a target that keeps the identity's id with the account: without it, whose an existing account is cannot be told")
	}
	want.Account, err = g.freeName(ctx, c.Want.AccountName, want.ExternalID)
	return true, err
}

// rename chooses another name for an account that is gone, if somebody else's has got it by now.
func (g *guarded) rename(ctx context.Context, c account.Call, want *connector.Desired) error {
	have, err := g.Get(ctx, connector.Ref{Account: c.Account, RemoteID: c.RemoteID, ExternalID: want.ExternalID})
	switch {
	case errors.Is(err, connector.ErrNotFound):
		return nil
	case err != nil:
		return err
	case have.RemoteID == c.RemoteID, slices.Contains([]string{"", want.ExternalID, want.Formerly}, have.ExternalID):
		return nil // it is not gone, or it is ours
	}
	want.RemoteID = ""
	want.Account, err = g.freeName(ctx, c.Want.AccountName, want.ExternalID)
	return err
}

// freeName finds the name of the account that is the person's already, else one that is free.
func (g *guarded) freeName(ctx context.Context, base, externalID string) (string, error) {
	have, err := g.Get(ctx, connector.Ref{ExternalID: externalID})
	if err == nil {
		return have.Account, nil
	}
	if !errors.Is(err, connector.ErrNotFound) {
		return "", err
	}
	ours := connector.Ours(externalID)
	name, _, err := connector.FindFree(ctx, g, base, func(o connector.Object) bool {
		return ours(o) && !g.t.Reserved(o.Account) && !(g.t.Owned && o.ExternalID == "")
	})
	return name, cmp.Or(err, g.unreserved(name))
}

// unreserved refuses a name whose account is a service's: a person who is called like one would come by all that it may.
func (g *guarded) unreserved(name string) error {
	if !g.t.Reserved(name) {
		return nil
	}
	return connector.Errorf(connector.Invalid, "name account "+name,
		"accounts of that name belong to services (reconcile.service of the target file); correct that, or account.name")
}

// findOrphan says whether the account is still as it was listed: there, and nobody's. Where whose it is cannot be told, and of a
// service, no sweep finds an orphan, whatever a record says.
func (g *guarded) findOrphan(ctx context.Context, c account.Call, hasOwner bool) (bool, error) {
	have, err := g.Get(ctx, connector.Ref{Account: c.Account})
	if errors.Is(err, connector.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return hasOwner && have.ExternalID == string(c.Want.IdentityID) && !g.t.Reserved(have.Account), nil
}

// fill takes over what a drive found and did, also up to an error.
func fill(r *account.Result, want connector.Desired, out connector.Outcome, err error) {
	r.RemoteID, r.Adopted, r.Changes, r.Handover = out.RemoteID, out.Adopted, changes(out.Changes), out.Handover
	read := out.Before
	if err == nil || len(out.Changes) > 0 {
		read = out.After
	}
	switch {
	case read != nil:
		r.Account, r.State = read.Account, event.AccountDisabled
		if read.Enabled {
			r.State = event.AccountActive
		}
	case err == nil:
		r.State = event.AccountAbsent
	case out.RemoteID != "": // made or changed, and not read again
		r.Account = want.Account
	}
}

// changes names what was changed, never to what.
func changes(ops []connector.Op) []event.Change {
	var out []event.Change
	for _, op := range ops {
		verb := string(op.Verb)
		switch op.Verb {
		case connector.Update:
			names := slices.Sorted(maps.Keys(op.Want.Attributes))
			if op.Want.Account != "" {
				names = append(names, "account")
			}
			if op.Want.ExternalID != "" {
				names = append(names, "external_id")
			}
			for _, name := range names {
				out = append(out, event.Change{Verb: verb, Attribute: name})
			}
		case connector.Grant, connector.Revoke:
			for _, e := range op.Want.Entitlements {
				out = append(out, event.Change{Verb: verb, Item: e})
			}
		default:
			out = append(out, event.Change{Verb: verb})
		}
	}
	return out
}

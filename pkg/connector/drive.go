package connector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Outcome is what one drive found and did.
type Outcome struct {
	Before   *Object // nil: there was no account
	After    *Object // nil: there is no account, or the drive failed before it could be read again
	Changes  []Op    // the changes that took effect, in order; also those made before a failure
	RemoteID string  // the target's own id, for Desired.RemoteID of the next drive; empty when there is no account
	Adopted  bool    // the account was there, belonged to nobody or to Formerly, and is ours from now on
	Handover string  // of the account's creation: Result.Handover
}

// Unchanged reports that everything was as wanted already.
func (o Outcome) Unchanged() bool { return len(o.Changes) == 0 }

// Drive brings one account to what is wanted and reads back whether it got there.
//
//	describe -> read -> plan -> apply each -> read -> compare
//
// It begins by reading, so that driving again after any failure, an Ambiguous one too, is safe: what took effect is
// found and not done twice. It does not retry; the first error ends it, with the Outcome so far. key is the
// idempotency key of the whole; each change gets one derived from it.
//
// An account that carries another external id is not ours: Conflict, and nothing is changed. If it was found by a remote id
// of ours, the target has given that away, and ours is looked for by the other keys. One that carries none is
// adopted (FindFree is where a caller decides otherwise), but never deleted: that is a Conflict too.
func Drive(ctx context.Context, c Connector, key string, want Desired) (Outcome, error) {
	var out Outcome
	want, err := prepare(ctx, c, want)
	if err != nil {
		return out, err
	}
	have, err := find(ctx, c, want)
	if err != nil {
		return out, err
	}
	if have != nil && want.State == Absent && usurps(*have, want) {
		have = nil
	}
	out.Before = have
	if err := checkOwner(have, want); err != nil {
		return out, err
	}
	out.Adopted = have != nil && have.ExternalID != want.ExternalID && want.ExternalID != "" && want.State != Absent
	if want, err = keepName(ctx, c, have, want); err != nil {
		return out, err
	}
	ops := Plan(have, want)
	if len(ops) == 0 {
		out.After = have
		out.RemoteID = remoteID(have)
		return out, nil
	}
	ref, err := applyAll(ctx, c, key, ops, have, &out)
	out.RemoteID = ref.RemoteID
	if err != nil {
		return out, err
	}
	return out, verify(ctx, c, ref, want, &out)
}

// prepare refuses a wish that no target can fulfil, and puts it into the form this target answers in.
func prepare(ctx context.Context, c Connector, want Desired) (Desired, error) {
	op := "drive account " + want.Account
	if want.Account == "" && want.State != Absent {
		return want, Errorf(Invalid, "drive account", "the account name is empty; correct account.name in the target file")
	}
	if want.State != Active && want.State != Disabled && want.State != Absent {
		return want, Errorf(Invalid, op, "state %q is none of active, disabled, absent", want.State)
	}
	d, err := c.Describe(ctx)
	if err != nil {
		return want, fmt.Errorf("describe target: %w", err)
	}
	for _, e := range want.Entitlements {
		kind, _, ok := SplitEntitlement(e)
		switch {
		case !ok:
			return want, Errorf(Invalid, op, "entitlement %q is not kind/name", e)
		case !slices.Contains(want.ManagedKinds, kind):
			return want, Errorf(Invalid, op, "entitlement %q: the target file does not manage the kind %q; add it to entitlements", e, kind)
		}
	}
	for _, kind := range want.ManagedKinds {
		if d.Kinds != nil && !slices.Contains(d.Kinds, kind) {
			return want, Errorf(Unsupported, op, "the target has no entitlements of kind %q; it has %s", kind, strings.Join(d.Kinds, ", "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want.Attributes)) {
		if d.Attributes != nil && !slices.Contains(d.Attributes, name) {
			return want, Errorf(Unsupported, op, "the target takes no attribute %q; it takes %s", name, strings.Join(d.Attributes, ", "))
		}
	}
	if !d.ExternalID {
		want.ExternalID = ""
	}
	want.EndSessions = want.EndSessions && d.Sessions
	return Normal(c, want), nil
}

// find reads the account. An id that leads to somebody else's account was given away after ours was deleted: what the other keys find counts.
func find(ctx context.Context, c Connector, want Desired) (*Object, error) {
	have, err := read(ctx, c, want.Ref())
	if err != nil || want.RemoteID == "" || checkOwner(have, want) == nil {
		return have, err
	}
	want.RemoteID = ""
	return read(ctx, c, want.Ref())
}

func read(ctx context.Context, c Connector, ref Ref) (*Object, error) {
	have, err := c.Get(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &have, nil
}

// usurps says that an account only has the name of the one that is meant, which is gone: it has another remote id, and says
// of nobody that it is theirs.
func usurps(have Object, want Desired) bool {
	return want.RemoteID != "" && have.RemoteID != want.RemoteID && want.ExternalID == ""
}

func checkOwner(have *Object, want Desired) error {
	switch {
	case have == nil || want.ExternalID == "" || have.ExternalID == want.ExternalID:
		return nil
	case want.Formerly != "" && have.ExternalID == want.Formerly:
		return nil
	case have.ExternalID != "":
		return Errorf(Conflict, "drive account "+want.Account, "the account belongs to %s, not to %s", have.ExternalID, want.ExternalID)
	case want.Owned && have.RemoteID != want.RemoteID:
		return Errorf(Conflict, "drive account "+want.Account, "the account carries no external id, and account.adopt of the target file is never; write %s into it if it is theirs", want.ExternalID)
	case want.State == Absent:
		return Errorf(Conflict, "delete account "+want.Account, "the account carries no external id, so it may be someone else's; delete it in the target by hand")
	default:
		return nil
	}
}

// keepName takes the name the account has where the target cannot change it.
func keepName(ctx context.Context, c Connector, have *Object, want Desired) (Desired, error) {
	d, err := c.Describe(ctx)
	if err != nil {
		return want, fmt.Errorf("describe target: %w", err)
	}
	if have != nil && !d.Rename {
		want.Account = have.Account
	}
	return want, nil
}

// applyAll makes the changes in order, each conditional on the version the one before left behind, and returns where
// the account is now.
func applyAll(ctx context.Context, c Connector, key string, ops []Op, have *Object, out *Outcome) (Ref, error) {
	var ref Ref
	version := ""
	if have != nil {
		ref, version = have.Ref, have.Version
	}
	for _, op := range ops {
		op.Key = opKey(key, op)
		if ref.RemoteID != "" {
			op.Ref.RemoteID = ref.RemoteID
		}
		op.IfVersion = version
		res, err := c.Apply(ctx, op)
		out.Handover = cmp.Or(res.Handover, out.Handover)
		if err != nil {
			return ref, err
		}
		if res.Changed {
			out.Changes = append(out.Changes, op)
		}
		ref, version = follow(ref, op, res), res.Version
	}
	return ref, nil
}

// follow returns how to find the account after op.
func follow(ref Ref, op Op, res Result) Ref {
	if op.Verb == Create {
		ref = op.Want.Ref
	}
	if op.Verb == Update && op.Want.Account != "" {
		ref.Account = op.Want.Account
	}
	if res.RemoteID != "" {
		ref.RemoteID = res.RemoteID
	}
	return ref
}

func opKey(key string, op Op) string {
	k := key + "/" + string(op.Verb)
	if len(op.Want.Entitlements) > 0 {
		k += "/" + strings.Join(op.Want.Entitlements, ",")
	}
	return k
}

// verify reads the account again: a target that answers yes and does nothing is Transient, not a success.
func verify(ctx context.Context, c Connector, ref Ref, want Desired, out *Outcome) error {
	after, err := read(ctx, c, ref)
	if err != nil {
		return err
	}
	out.After = after
	if after != nil || want.State == Absent { // else what was made may be found by its id before it is by its name
		out.RemoteID = remoteID(after)
	}
	want.EndSessions = false // whoever is signed in is not read
	left := Plan(after, want)
	if len(left) == 0 {
		return nil
	}
	missing := make([]string, len(left))
	for i, op := range left {
		missing[i] = describeOp(op)
	}
	return Errorf(Transient, "read back account "+want.Account,
		"the target accepted the changes, but still needs: %s", strings.Join(missing, "; "))
}

func remoteID(o *Object) string {
	if o == nil {
		return ""
	}
	return o.RemoteID
}

// describeOp names a change without the values it carries.
func describeOp(op Op) string {
	var of []string
	for name := range op.Want.Attributes {
		of = append(of, name)
	}
	if op.Verb == Update && op.Want.Account != "" {
		of = append(of, "account name")
	}
	if op.Verb == Update && op.Want.ExternalID != "" {
		of = append(of, "external id")
	}
	of = append(of, op.Want.Entitlements...)
	slices.Sort(of)
	if op.Verb == Create || len(of) == 0 {
		return string(op.Verb)
	}
	return string(op.Verb) + " " + strings.Join(of, ", ")
}

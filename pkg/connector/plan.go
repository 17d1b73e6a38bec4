package connector

import (
	"maps"
	"slices"
	"strings"
)

// State is what an account should be.
type State string

// The states of an account.
const (
	Active   State = "active"
	Disabled State = "disabled"
	Absent   State = "absent"
)

// Desired is what one account should be.
type Desired struct {
	Account    string
	RemoteID   string // the target's own id, when known from an earlier drive
	ExternalID string // the identity the account belongs to
	Formerly   string // an identity it may still be marked with, from which it is taken over; empty: none
	State      State
	// Owned: an account that carries no external id is not adopted. The one of RemoteID is ours all the same.
	Owned bool
	// Attributes: only those named here are compared and changed; "" means it should have no value.
	Attributes map[string]string
	// Entitlements: "group/engineering"; each must be of a managed kind.
	Entitlements []string
	// ManagedKinds: only entitlements of these kinds are compared, and taken away when not in Entitlements.
	ManagedKinds []string
	// EndSessions: whoever is signed in with the account is signed out, where the target can.
	EndSessions bool
}

// Ref is how the account is looked up.
func (d Desired) Ref() Ref {
	return Ref{Account: d.Account, RemoteID: d.RemoteID, ExternalID: d.ExternalID}
}

// Plan says which changes turn what is there into what should be, in the order in which they are made. What takes
// access away comes first, so that a plan cut short never leaves more access than it found; nothing is granted to an
// account that does not exist yet.
//
//	have      want       plan, in this order
//	--------  ---------  -----------------------------------------------------------------------------
//	none      absent     -
//	none      active     create (enabled), grant what is wanted
//	none      disabled   create (disabled), grant what is wanted
//	any       absent     delete
//	enabled   disabled   disable, revoke extra, update if it differs, grant missing
//	enabled   active              revoke extra, update if it differs, grant missing
//	disabled  disabled            revoke extra, update if it differs, grant missing
//	disabled  active              revoke extra, update if it differs, enable, grant missing
//
// Sessions are ended, where that is wanted, as soon as the account is disabled: nobody can sign in again.
//
// Extra: of a managed kind, there, and not wanted. Update carries only what differs: attributes that Desired names, the
// account's name (case ignored), and the external id, which an adopted account gets that way.
//
// Plan compares bytes: give it want as Normal returns it. It sets neither Key nor IfVersion; Drive does.
func Plan(have *Object, want Desired) []Op {
	switch {
	case have == nil && want.State == Absent:
		return nil
	case have == nil:
		return planNew(want)
	case want.State == Absent:
		return []Op{{Verb: Delete, Ref: have.Ref}}
	}
	var ops []Op
	if have.Enabled && want.State == Disabled {
		ops = append(ops, Op{Verb: Disable, Ref: have.Ref})
	}
	if want.EndSessions {
		ops = append(ops, Op{Verb: EndSessions, Ref: have.Ref})
	}
	for _, e := range managed(have.Entitlements, want.ManagedKinds) {
		if !slices.Contains(want.Entitlements, e) {
			ops = append(ops, entitle(Revoke, have.Ref, e))
		}
	}
	if change, differs := difference(*have, want); differs {
		ops = append(ops, Op{Verb: Update, Ref: have.Ref, Want: change})
	}
	if !have.Enabled && want.State == Active {
		ops = append(ops, Op{Verb: Enable, Ref: have.Ref})
	}
	for _, e := range managed(want.Entitlements, want.ManagedKinds) {
		if !slices.Contains(have.Entitlements, e) {
			ops = append(ops, entitle(Grant, have.Ref, e))
		}
	}
	return ops
}

func planNew(want Desired) []Op {
	attributes := maps.Clone(want.Attributes)
	maps.DeleteFunc(attributes, func(_, value string) bool { return value == "" })
	account := Object{
		Ref:        Ref{Account: want.Account, ExternalID: want.ExternalID},
		Enabled:    want.State == Active,
		Attributes: attributes,
	}
	ops := []Op{{Verb: Create, Ref: account.Ref, Want: account}}
	for _, e := range managed(want.Entitlements, want.ManagedKinds) {
		ops = append(ops, entitle(Grant, account.Ref, e))
	}
	return ops
}

func entitle(verb Verb, ref Ref, entitlement string) Op {
	return Op{Verb: verb, Ref: ref, Want: Object{Entitlements: []string{entitlement}}}
}

// managed returns the entitlements of the given kinds, sorted, each once.
func managed(entitlements, kinds []string) []string {
	var out []string
	for _, e := range entitlements {
		if kind, _, ok := SplitEntitlement(e); ok && slices.Contains(kinds, kind) {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// difference returns the part of want's account (not state, not entitlements) that have lacks.
func difference(have Object, want Desired) (Object, bool) {
	change := Object{Attributes: map[string]string{}}
	for name, value := range want.Attributes {
		if have.Attributes[name] != value {
			change.Attributes[name] = value
		}
	}
	if want.Account != "" && !strings.EqualFold(want.Account, have.Account) {
		change.Account = want.Account
	}
	if want.ExternalID != "" && want.ExternalID != have.ExternalID {
		change.ExternalID = want.ExternalID
	}
	return change, len(change.Attributes) > 0 || change.Account != "" || change.ExternalID != ""
}

// Package warrant says what of a wanted account may be given: what policy gives freely, and what a valid approval covers.
// A record in a topic is a wish; it never is a right.
//
// It owns which entitlements need a proof and what is left out without one. It does not own the proof itself
// (pkg/approvalproof), which policy counts (package rules), nor what follows (package account). It is pure; Rights may
// be shared.
//
//	rights := warrant.Of(bundle)
//	given, withheld, err := warrant.Check(call.Want, []warrant.Rights{rights}, verify)
package warrant

import (
	"errors"
	"slices"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/services/provisioner/internal/account"
)

// Rights is what one policy gives without a proof, as `target:kind/name` and `target:account`.
type Rights map[string]bool

// Of reads a policy.
//
//	entitlement that                                         proof
//	some role gives that is not privileged                   not needed
//	some privileged role gives that is a birthright          not needed: the rule is the approval
//	only privileged roles give that have to be asked for     needed
//	no role gives                                            needed
//
// Whether the person is one whom the birthright is for is the resolver's to say: the provisioner knows nobody.
func Of(b *policy.Bundle) Rights {
	r := Rights{}
	for _, name := range b.Roles() {
		if role, _ := b.Role(name); role.Privileged && !role.Birthright {
			continue
		}
		for _, g := range b.Grants(name) {
			if g.Kind == config.KindAccount {
				r[g.Target+":"+g.Kind] = true
			} else {
				r[g.Target+":"+g.Kind+"/"+g.Name] = true
			}
		}
	}
	return r
}

// Verify says whether a proof is one, and still holds; its errors are approvalproof's.
type Verify func(event.IdentityID, event.Approval) error

// Check returns what may be driven of want, and what is left out of it. Each entitlement must be free under all of the
// rights, or be covered by a valid proof; so must the account itself to be active. Without that it is disabled, and
// holds nothing. An error says that it could not be decided now.
func Check(want account.Want, rights []Rights, verify Verify) (account.Want, []account.Withheld, error) {
	var withheld []account.Withheld
	allowed := func(item string) (bool, error) {
		name := want.Target + ":" + item
		if !slices.ContainsFunc(rights, func(r Rights) bool { return !r[name] }) {
			return true, nil
		}
		reason, err := prove(want, name, verify)
		if reason != "" {
			withheld = append(withheld, account.Withheld{Item: name, Reason: reason})
		}
		return reason == "", err
	}
	given := want
	given.Entitlements = nil
	for _, e := range want.Entitlements {
		ok, err := allowed(e)
		if err != nil {
			return account.Want{}, nil, err
		}
		if ok {
			given.Entitlements = append(given.Entitlements, e)
		}
	}
	if want.State == event.AccountActive {
		ok, err := allowed(config.KindAccount)
		if err != nil {
			return account.Want{}, nil, err
		}
		if !ok {
			given.State, given.Entitlements = event.AccountDisabled, nil
		}
	}
	return given, withheld, nil
}

// Needed says whether there is anything to check: taking access away needs nobody's leave.
func Needed(want account.Want) bool {
	return want.State == event.AccountActive || len(want.Entitlements) > 0 && want.State != event.AccountAbsent
}

// prove looks for a valid proof. reason is why there is none: of several that cover it, the one nearest to being valid.
func prove(want account.Want, name string, verify Verify) (reason account.WithheldReason, err error) {
	reason = account.ApprovalMissing
	for _, a := range want.Approvals {
		if !approvalproof.Covers(a, name) {
			continue
		}
		switch err := verify(want.IdentityID, a); {
		case err == nil:
			return "", nil
		case errors.Is(err, approvalproof.ErrExpired):
			reason = account.ApprovalExpired
		case !errors.Is(err, approvalproof.ErrForged):
			return "", err
		case reason == account.ApprovalMissing:
			reason = account.ApprovalForged
		}
	}
	return reason, nil
}

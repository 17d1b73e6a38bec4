// Package rules asks the published policies and the approval key what the desk needs to know before it changes anything:
// what may be given, and what guards count.
//
// It owns which policy counts. It does not own what the policy says (pkg/policy) or means (package warrant). Safe for
// concurrent use.
package rules

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/guard"
	"joinery.internal/services/provisioner/internal/warrant"
)

// Policies is the published policies; compiled.View is the real one.
type Policies interface {
	Bundle(hash string) (*policy.Bundle, error)
	Activated(hash string) bool
	InForce() string
}

// Proofs verifies approvals; approvalproof.Verifier is the real one.
type Proofs interface {
	Verify(beneficiary event.IdentityID, a event.Approval, now time.Time) error
}

// ErrNotInForce is returned for a policy that nobody has put in force yet: its marker may be on its way.
var ErrNotInForce = errors.New("the policy has not been put in force")

// Rules answers from the policies and the key.
type Rules struct {
	policies Policies
	proofs   Proofs

	mu     sync.Mutex
	rights map[string]warrant.Rights // by policy hash
	guards []guard.Rule
	of     string // hash of the policy that guards are of
}

// New makes rules.
func New(policies Policies, proofs Proofs) *Rules {
	return &Rules{policies: policies, proofs: proofs, rights: map[string]warrant.Rights{}}
}

// Warrant returns what may be driven of want at now, and what is left out of it. It counts what the policy gives that the
// want was decided under, and only as far as the policy in force gives it too: a policy of yesterday opens no door. An
// error says that it cannot be decided now.
func (r *Rules) Warrant(want account.Want, now time.Time) (account.Want, []account.Withheld, error) {
	if !warrant.Needed(want) {
		return want, nil, nil
	}
	if !r.policies.Activated(want.Policy) {
		return account.Want{}, nil, fmt.Errorf("policy bundle %q: %w", want.Policy, ErrNotInForce)
	}
	named, err := r.rightsOf(want.Policy)
	if err != nil {
		return account.Want{}, nil, err
	}
	inForce, err := r.rightsOf(r.policies.InForce())
	if err != nil {
		return account.Want{}, nil, err
	}
	return warrant.Check(want, []warrant.Rights{named, inForce}, func(who event.IdentityID, a event.Approval) error {
		return r.proofs.Verify(who, a, now)
	})
}

// Guards of the policy in force; those before it stand until it can be read. known is false while there are none before it.
func (r *Rules) Guards() (guards []guard.Rule, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	hash := r.policies.InForce()
	if hash != r.of {
		if b, err := r.policies.Bundle(hash); err == nil {
			r.guards, r.of = guard.Of(b), hash
		}
	}
	return r.guards, hash == "" || r.of != ""
}

func (r *Rules) rightsOf(hash string) (warrant.Rights, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have, known := r.rights[hash]; known {
		return have, nil
	}
	b, err := r.policies.Bundle(hash)
	if err != nil {
		return nil, err
	}
	r.rights[hash] = warrant.Of(b)
	return r.rights[hash], nil
}

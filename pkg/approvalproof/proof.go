package approvalproof

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/signing"
)

// KeyFile is the name of the private key in the data folder.
const KeyFile = "approval.key"

// Errors of a verification.
var (
	ErrForged  = errors.New("the approval does not carry a valid signature")
	ErrExpired = errors.New("the approval has expired")
	ErrNoKey   = errors.New("the public key of approvals is not there")
)

// domain keeps a signature of an approval from meaning anything elsewhere.
const domain = "joinery approval 1"

// Digest is what is signed: signing.Digest of all fields. Entitlements are sorted first, and the expiry counts in
// milliseconds, as Avro carries it.
func Digest(beneficiary event.IdentityID, a event.Approval) []byte {
	fields := []string{string(beneficiary), a.RequestID, a.Role, a.Policy, expiry(a.ExpiresAt)}
	return signing.Digest(domain, append(fields, slices.Sorted(slices.Values(a.Entitlements))...)...)
}

func expiry(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return fmt.Sprint(at.UnixMilli())
}

// Verify says whether the key's holder approved a for the beneficiary, and whether it still holds at now.
func Verify(public ed25519.PublicKey, beneficiary event.IdentityID, a event.Approval, now time.Time) error {
	switch {
	case !ed25519.Verify(public, Digest(beneficiary, a), a.Signature):
		return fmt.Errorf("verify approval %s: %w", a.RequestID, ErrForged)
	case !a.ExpiresAt.IsZero() && !now.Before(a.ExpiresAt):
		return fmt.Errorf("verify approval %s: %w at %s", a.RequestID, ErrExpired, a.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// Covers says whether the approval is about the entitlement, written `target:kind/name`.
func Covers(a event.Approval, entitlement string) bool {
	return slices.Contains(a.Entitlements, entitlement)
}

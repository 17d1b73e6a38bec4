package approvalproof

import (
	"crypto/ed25519"
	"fmt"
	"sync"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/signing"
)

// Key signs approvals.
type Key struct{ private ed25519.PrivateKey }

// NewKey makes the key of a seed of ed25519.SeedSize bytes.
func NewKey(seed []byte) Key { return Key{ed25519.NewKeyFromSeed(seed)} }

// OpenKey is signing.OpenKey.
func OpenKey(file string) (Key, error) {
	private, err := signing.OpenKey(file)
	return Key{private}, err
}

// Sign returns the signature of an approval for its beneficiary.
func (k Key) Sign(beneficiary event.IdentityID, a event.Approval) []byte {
	return ed25519.Sign(k.private, Digest(beneficiary, a))
}

// Public is the key that verifies what k signs.
func (k Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// Verifier verifies approvals with the public key in a file. It reads the file when it is needed first, so that it may
// be made before the approval service has started for the first time.
type Verifier struct {
	file string

	mu     sync.Mutex
	public ed25519.PublicKey
}

// NewVerifier makes a verifier; file is a PEM file such as OpenKey writes.
func NewVerifier(file string) *Verifier { return &Verifier{file: file} }

// Verify is the function Verify with the verifier's key. ErrNoKey says nothing about the approval: try again.
func (v *Verifier) Verify(beneficiary event.IdentityID, a event.Approval, now time.Time) error {
	public, err := v.key()
	if err != nil {
		return fmt.Errorf("verify approval %s: %w: %w", a.RequestID, ErrNoKey, err)
	}
	return Verify(public, beneficiary, a, now)
}

func (v *Verifier) key() (public ed25519.PublicKey, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.public == nil {
		v.public, err = signing.ReadPublic(v.file)
	}
	return v.public, err
}

package approvalproof

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"joinery.internal/pkg/event"
)

const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// Key signs approvals.
type Key struct{ private ed25519.PrivateKey }

// NewKey makes the key of a seed of ed25519.SeedSize bytes.
func NewKey(seed []byte) Key { return Key{ed25519.NewKeyFromSeed(seed)} }

// Sign returns the signature of an approval for its beneficiary.
func (k Key) Sign(beneficiary event.IdentityID, a event.Approval) []byte {
	return ed25519.Sign(k.private, Digest(beneficiary, a))
}

// Public is the key that verifies what k signs.
func (k Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// OpenKey reads the private key (PKCS #8, PEM) from file, and writes the public key beside it. Where there is no file,
// it makes a key that only the owner may read; of several who do so at once, one key wins and all use it.
func OpenKey(file string) (Key, error) {
	k, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(file); err != nil {
			return Key{}, fmt.Errorf("make signing key: %w", err)
		}
		k, err = readKey(file)
	}
	if err != nil {
		return Key{}, fmt.Errorf("open signing key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return Key{}, fmt.Errorf("encode public key: %w", err)
	}
	if err := publish(file+PublicSuffix, publicBlock, der, 0o644, os.Rename); err != nil {
		return Key{}, fmt.Errorf("write public key: %w", err)
	}
	return k, nil
}

func readKey(file string) (Key, error) {
	info, err := os.Stat(file)
	if err != nil {
		return Key{}, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return Key{}, fmt.Errorf("%s can be read by everybody: run chmod 600 on it, or replace the key if it may have been read", file)
	}
	der, err := readPEM(file, privateBlock)
	if err != nil {
		return Key{}, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return Key{}, fmt.Errorf("parse %s: %w", file, err)
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return Key{}, fmt.Errorf("%s holds a key of another kind: an Ed25519 key is needed", file)
	}
	return Key{private}, nil
}

func makeKey(file string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	err = publish(file, privateBlock, der, 0o600, os.Link) // unlike a rename, a link never replaces
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// publish writes the file under another name and puts it in place whole.
func publish(file, block string, der []byte, mode os.FileMode, place func(from, to string) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // renamed away, or nobody needs it
	err = errors.Join(pem.Encode(tmp, &pem.Block{Type: block, Bytes: der}), tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return place(tmp.Name(), file)
}

func readPEM(file, block string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(text)
	if b == nil || b.Type != block {
		return nil, fmt.Errorf("%s holds no PEM block %q", file, block)
	}
	return b.Bytes, nil
}

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

func (v *Verifier) key() (ed25519.PublicKey, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.public != nil {
		return v.public, nil
	}
	der, err := readPEM(v.file, publicBlock)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", v.file, err)
	}
	public, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind: an Ed25519 key is needed", v.file)
	}
	v.public = public
	return public, nil
}

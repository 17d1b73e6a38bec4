// Package signing is Ed25519 keys in PEM files, and the digest of what is signed with them.
//
// It owns how a key is made, kept from others and published, and how fields become bytes without ambiguity. What is
// signed, and what follows from it, is for who calls: see pkg/approvalproof and pkg/evidence. Functions only; of several
// processes that open a key which is not there yet, all get the same.
//
//	key, err := signing.OpenKey("data/approval.key") // also writes data/approval.key.pub
//	signature := ed25519.Sign(key, signing.Digest("joinery example 1", "a", "b"))
//
//	public, err := signing.ReadPublic("data/approval.key" + signing.PublicSuffix)
//	ok := ed25519.Verify(public, signing.Digest("joinery example 1", "a", "b"), signature)
package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// PublicSuffix is what the name of the public key's file has after that of the private key.
const PublicSuffix = ".pub"

const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// Digest is SHA-256 over the length, as 8 bytes big-endian, and the bytes of each field in turn. The domain, which is the
// first, keeps a signature from meaning anything elsewhere.
func Digest(domain string, fields ...string) []byte {
	h := sha256.New()
	for _, f := range append([]string{domain}, fields...) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(f))))
		h.Write([]byte(f))
	}
	return h.Sum(nil)
}

// OpenKey reads the private key (PKCS #8, PEM) from file, and writes the public key beside it. Where there is no file,
// it makes a key that only the owner may read; of several who do so at once, one key wins and all use it.
func OpenKey(file string) (ed25519.PrivateKey, error) {
	k, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(file); err != nil {
			return nil, fmt.Errorf("make signing key: %w", err)
		}
		k, err = readKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("open signing key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	if err := publish(file+PublicSuffix, publicBlock, der, 0o644, os.Rename); err != nil {
		return nil, fmt.Errorf("write public key: %w", err)
	}
	return k, nil
}

// ReadPublic reads a public key such as OpenKey writes.
func ReadPublic(file string) (ed25519.PublicKey, error) {
	der, err := readPEM(file, publicBlock)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	public, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, otherKind(file)
	}
	return public, nil
}

func readKey(file string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s can be read by everybody: run chmod 600 on it, or replace the key if it may have been read", file)
	}
	der, err := readPEM(file, privateBlock)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, otherKind(file)
	}
	return private, nil
}

func otherKind(file string) error {
	return fmt.Errorf("%s holds a key of another kind: an Ed25519 key is needed", file)
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

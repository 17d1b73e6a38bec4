// Package handover passes an initial secret of a new account to whoever hands it to its person, and to nobody else.
//
// The secret is sealed to a public key (age) before the account is made, and put into a folder as a file named by the
// intent that made it. Evidence holds the file's URI, with the public key as its fragment; neither log, topic nor evidence
// ever holds the secret. Only the holder of the private key opens it, and removes the file: it is for one time.
//
//	age --decrypt --identity desk.key handover/INTENT.0.age
//
// A secret whose account was refused is withdrawn; after an answer that was lost it stays, and one more may lie beside it.
// Desk is safe for concurrent use, in several processes too.
//
//	desk, err := handover.Open("age1…", "/var/lib/joinery/handover")
//	sealed, err := desk.Put(op.Key, handover.Secret{Target: "ad", Account: "ana.berg", Password: password})
//	result.Handover = sealed.Reference()
//	...
//	err = sealed.Withdraw()
package handover

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"filippo.io/age"
)

// Secret is what is handed over.
type Secret struct {
	Target   string `json:"target"`
	Account  string `json:"account"`
	Password string `json:"password"`
}

// String hides the password from whoever prints it by mistake.
func (s Secret) String() string { return "the password of " + s.Account + " in " + s.Target }

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// Desk is where sealed secrets are put.
type Desk struct {
	recipient *age.X25519Recipient
	folder    string
}

// Open checks the recipient's public key and the folder's name; the folder is made when it is first needed.
func Open(recipient, folder string) (*Desk, error) {
	r, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		return nil, errors.New("the recipient must be a public key of age, such as age-keygen prints: age1…")
	}
	if !filepath.IsAbs(folder) {
		return nil, fmt.Errorf("the folder %q must be an absolute path", folder)
	}
	return &Desk{r, folder}, nil
}

// Sealed is a secret that has been put.
type Sealed struct{ path, recipient string }

// Reference is where the secret lies and for whom: `file:///var/lib/joinery/handover/INTENT.0.age#age1…`. Of no secret
// it is empty.
func (s *Sealed) Reference() string {
	if s == nil {
		return ""
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(s.path), Fragment: s.recipient}).String()
}

// maxTries bounds how many secrets of one intent can lie side by side.
const maxTries = 1000

// Put seals a secret and puts it where it survives a crash. key is the operation's idempotency key.
func (d *Desk) Put(key string, s Secret) (*Sealed, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the secret: %w", err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, d.recipient)
	if err != nil {
		return nil, fmt.Errorf("seal the secret: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("seal the secret: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("seal the secret: %w", err)
	}
	if err := os.MkdirAll(d.folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the handover folder: %w", err)
	}
	for try := range maxTries {
		path := filepath.Join(d.folder, fmt.Sprintf("%s.%d.age", reference(key), try))
		err := write(path, sealed.Bytes())
		if errors.Is(err, fs.ErrExist) { // of an earlier try, whose answer was lost
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("put the sealed secret: %w", err)
		}
		return &Sealed{path, d.recipient.String()}, nil
	}
	return nil, fmt.Errorf("put the sealed secret: %d of one intent lie in %s already", maxTries, d.folder)
}

// write makes a file that was not there, and returns when it is on the disk.
func write(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// reference is the intent's id, which a key begins with; what could not be a file's name is hashed.
func reference(key string) string {
	intent, _, _ := strings.Cut(key, "/")
	if plainName.MatchString(intent) {
		return intent
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// Withdraw removes a secret that nobody needs, since its account was not made.
func (s *Sealed) Withdraw() error {
	if s == nil {
		return nil
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("withdraw the sealed secret: %w", err)
	}
	return nil
}

package signing_test

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"joinery.internal/pkg/signing"
)

func TestFieldsCannotBeMovedIntoOneAnother(t *testing.T) {
	t.Parallel()
	if bytes.Equal(signing.Digest("d", "ab", "c"), signing.Digest("d", "a", "bc")) || bytes.Equal(signing.Digest("d", "a"), signing.Digest("da")) {
		t.Error("two texts have one digest")
	}
}

func TestAKeyIsMadeOnceForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys", "test.key")
	keys := make([]ed25519.PrivateKey, 8)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() {
			var err error
			if keys[i], err = signing.OpenKey(file); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, k := range keys {
		if !k.Equal(keys[0]) {
			t.Fatal("two keys were made")
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v, %v; want mode 0600", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 2 {
		t.Fatalf("left in the folder: %v, %v; want the two keys", entries, err)
	}
}

func TestAKeyThatEverybodyCanReadIsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "test.key")
	if _, err := signing.OpenKey(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := signing.OpenKey(file); err == nil {
		t.Fatal("a key that everybody can read was taken")
	}
}

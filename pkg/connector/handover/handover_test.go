package handover_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"joinery.internal/pkg/connector/handover"
)

func TestOnlyTheRecipientOpensASecret(t *testing.T) {
	t.Parallel()
	mine, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "handover")
	desk, err := handover.Open(mine.Recipient().String(), folder)
	if err != nil {
		t.Fatal(err)
	}
	secret := handover.Secret{Target: "ad", Account: "ana.berg", Password: "correct horse"}
	first, err := desk.Put("intent-1/create", secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := desk.Put("intent-1/create", secret); err != nil { // the answer to the first was lost
		t.Fatal(err)
	}
	path := filepath.Join(folder, "intent-1.0.age")
	raw, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(raw), "horse") || strings.Contains(string(raw), "ana.berg") {
		t.Fatalf("the file says %q, %v", raw, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := age.Decrypt(strings.NewReader(string(raw)), other); err == nil {
		t.Error("another opens it")
	}
	r, err := age.Decrypt(strings.NewReader(string(raw)), mine)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(r); err != nil || string(plain) != `{"target":"ad","account":"ana.berg","password":"correct horse"}` {
		t.Errorf("it says %s, %v", plain, err)
	}
	if err := first.Withdraw(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 || left[0].Name() != "intent-1.1.age" {
		t.Errorf("left are %v, %v", left, err)
	}
	if said := fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, secret); strings.Contains(said, "horse") {
		t.Errorf("printed it says %s", said)
	}
}

func TestADeskThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range [][2]string{{"age1nonsense", "/x"}, {"", "/x"}, {"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", "x"}} {
		if _, err := handover.Open(row[0], row[1]); err == nil {
			t.Errorf("%q opened", row)
		}
	}
}

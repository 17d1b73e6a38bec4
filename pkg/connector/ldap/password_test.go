package ldap_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	goldap "github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/handover"
)

// handsOver: the person's first password is in the sealed file, it works, and it is nowhere else.
func (d directory) handsOver(t *testing.T, bindsAs func(account string) string) {
	d.reset(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	s := d.settings(d.TLSURL)
	s.Connection["recipient"], s.Connection["handover"] = identity.Recipient().String(), folder
	c := open(t, s)
	want := ana(nil)
	out, err := connector.Drive(t.Context(), c, "intent-7", want)
	if err != nil {
		t.Fatal(err)
	}
	if want := "file://" + filepath.Join(folder, "intent-7.0.age") + "#" + identity.Recipient().String(); out.Handover != want {
		t.Errorf("it is said to lie at %q, want %q", out.Handover, want)
	}
	sealed, err := os.Open(filepath.Join(folder, "intent-7.0.age"))
	if err != nil {
		t.Fatal(err)
	}
	defer sealed.Close()
	plain, err := age.Decrypt(sealed, identity)
	if err != nil {
		t.Fatal(err)
	}
	var secret handover.Secret
	if err := json.NewDecoder(plain).Decode(&secret); err != nil || secret.Account != "ana.berg" || secret.Password == "" {
		t.Fatalf("sealed is %v, %v", secret, err)
	}
	conn, err := goldap.DialURL(d.TLSURL, goldap.DialWithTLSConfig(d.TLS()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(bindsAs("ana.berg"), secret.Password); err != nil {
		t.Errorf("the password that was handed over does not open the account: %v", err)
	}
	again := want
	again.ExternalID, again.RemoteID = "id-1", out.RemoteID
	// What the provisioner makes evidence, logs and records of: outcomes, objects and errors.
	after := drive(t, c, again)
	_, refusal := c.Apply(t.Context(), connector.Op{Key: "intent-8/create", Verb: connector.Create, Ref: want.Ref(),
		Want: connector.Object{Ref: connector.Ref{Account: "ana.berg"}, Enabled: true}})
	if said := fmt.Sprintf("%+v %+v %v", out, after, refusal); strings.Contains(said, secret.Password) {
		t.Error("the password is in what the connector says")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("in the folder are %v, %v; want the one of the account that was made", left, err)
	}
	bad := d.settings(d.TLSURL)
	bad.Connection["recipient"], bad.Connection["handover"] = identity.Recipient().String(), folder
	bad.Attributes = append(bad.Attributes, "mail", "c")
	refused := connector.Object{Ref: connector.Ref{Account: "otto"}, Enabled: true, Attributes: map[string]string{"c": "not a country"}}
	if _, err := open(t, bad).Apply(t.Context(), connector.Op{Key: "intent-9/create", Verb: connector.Create, Ref: refused.Ref, Want: refused}); err == nil {
		t.Error("a country of 13 letters was taken")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("after a refusal the folder has %v, %v; the secret should have been withdrawn", left, err)
	}
}

func TestTheFirstPasswordIsHandedOverSealed(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.handsOver(t, func(account string) string { return "uid=" + account + "," + d.People })
}

package ldap_test

import (
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/ldap"
	"joinery.internal/pkg/connector/ldap/ldaptest"
)

func openAny(s connector.Settings) (*ldap.Client, error) {
	if s.Connector == "ad" {
		return ldap.OpenAD(s)
	}
	return ldap.Open(s)
}

func TestADConformsAgainstSamba(t *testing.T) {
	t.Parallel()
	s := ldaptest.StartSamba(t)
	d := directory{Server: s, admin: s.AdminConn(), connector: "ad", attributes: [2]string{"title", "physicalDeliveryOfficeName"}}
	h := d.harness(d.TLSURL)
	// What Windows forbids in a sAMAccountName, "/\[]:;|=,+*?<>, is left out.
	h.Accounts = []string{"ana.berg", "o'brien", "(paren)#1", "žluťoučký.kůň", "李.小龍", "per%cent", "under_score", "a) (cn{}&!~^$"}
	h.RandomFor = 4 * time.Second
	connectortest.Run(t, h)
	t.Run("an account is moved and renamed and stays itself", d.moves)
	t.Run("a user has what Windows wants", d.user)
	t.Run("another bit of userAccountControl survives", d.otherBits)
	t.Run("the first password is handed over sealed", func(t *testing.T) {
		d.handsOver(t, func(account string) string { return account + "@ad.acme.example" })
	})
	t.Run("the check knows the rights", d.rights)
}

func (d directory) user(t *testing.T) {
	d.reset(t)
	c := open(t, d.settings(d.TLSURL))
	drive(t, c, ana(nil))
	e := d.one(t)
	if upn := e.GetAttributeValue("userPrincipalName"); upn != "ana.berg@ad.acme.example" {
		t.Errorf("userPrincipalName is %q", upn)
	}
	if got := e.GetAttributeValue("userAccountControl"); got != "512" {
		t.Errorf("userAccountControl is %s, want a normal account that needs a password", got)
	}
	if e.GetAttributeValue("pwdLastSet") == "0" {
		t.Error("the account has no password")
	}
}

func (d directory) otherBits(t *testing.T) {
	d.reset(t)
	c := open(t, d.settings(d.TLSURL))
	want := ana(nil)
	drive(t, c, want)
	const neverExpires = "66048"
	set := goldap.NewModifyRequest(d.one(t).DN, nil)
	set.Replace("userAccountControl", []string{neverExpires})
	if err := d.admin.Modify(set); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		state connector.State
		want  string
	}{{connector.Disabled, "66050"}, {connector.Active, neverExpires}} {
		want.State = step.state
		drive(t, c, want)
		if got := d.one(t).GetAttributeValue("userAccountControl"); got != step.want {
			t.Errorf("%s: userAccountControl is %s, want %s", step.state, got, step.want)
		}
	}
}

func (d directory) rights(t *testing.T) {
	d.reset(t)
	drive(t, open(t, d.settings(d.TLSURL)), ana(nil))
	findings, err := open(t, d.settings(d.TLSURL)).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, f := range findings {
		said += string(f.Level) + " " + f.Subject + "\n"
	}
	for _, want := range []string{"ok right to change userAccountControl of accounts", "ok right to change title of accounts", "ok right to change member of groups"} {
		if !strings.Contains(said, want) {
			t.Errorf("the check does not say %q:\n%s", want, said)
		}
	}
}

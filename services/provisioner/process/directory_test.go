package process_test

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/ldap/ldaptest"
)

// directory is one application's part of a directory.
type directory struct {
	*ldaptest.Server
	admin          *ldap.Conn
	service        ldaptest.Login // the connector's
	people, groups string
	rdn            string // attribute of accounts
	state, locked  string // the attribute, and its value when somebody has disabled an account
	group          map[string][]string
	password       func(password string) (attribute, value string)
	journal        func(t testing.TB, d directory) []entry
}

// ldapSubjects are servers of their own each. Who is disabled has the lock of ppolicy.
func ldapSubjects(testing.TB) func(testing.TB, string) *subject {
	return func(t testing.TB, dir string) *subject {
		t.Helper()
		s := ldaptest.StartSlapd(t)
		d := directory{Server: s, admin: s.AdminConn(), service: s.Service, people: s.People, groups: s.Groups, rdn: "uid",
			state: "pwdAccountLockedTime", locked: "000001010000Z", group: map[string][]string{"objectClass": {"groupOfNames"}, "member": {""}},
			password: func(password string) (string, string) { return "userPassword", password }, journal: journalSlapd}
		front := newLDAPFront(t, d.people, func() (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(s.URL, "ldap://")) })
		return d.subject(t, dir, front, newGate(t, "tcp", front.address, ldapWrites))
	}
}

// subject makes two groups and a target file.
func (d directory) subject(t testing.TB, dir string, front *ldapFront, g *gate) *subject {
	t.Helper()
	for _, name := range []string{"x", "y"} {
		d.add(t, "CN="+name+","+d.groups, d.group)
	}
	secret := filepath.Join(dir, "token")
	now, next := numbered()
	rotate := func(password string) {
		attribute, value := d.password(password)
		d.modify(t, d.service.DN, ldap.ReplaceAttribute, attribute, value)
	}
	rotate(now())
	write(t, secret, now())
	scheme := "ldap"
	if g.tls != nil {
		scheme = "ldaps"
	}
	s := &subject{kind: "group", gate: g, accounts: d.accounts, journal: func(t testing.TB) []entry { return d.journal(t, d) }}
	s.file = fmt.Sprintf(`connection: {url: "%s://%s", ca: "%s", user: "%s", password: "file:%s", base: "%s", groupBase: "%s"}`,
		scheme, g.listen, d.CAFile, d.service.DN, secret, d.people, d.groups)
	s.faults = []fault{front.misbehave(busy), front.misbehave(errsAfter), front.misbehave(lies),
		{name: rotated, begin: func() {
			rotate(next())
			g.set(down) // who has bound stays bound
			g.set(open)
		}, end: func() { write(t, secret, now()) }}}
	s.short = front.misbehave(shortens)
	s.alter = func(t testing.TB, account string, v connector.Verb) {
		dn := d.rdn + "=" + account + "," + d.people
		if v != connector.Delete {
			d.modify(t, dn, ldap.ReplaceAttribute, d.state, d.locked)
			return
		}
		if err := d.admin.Del(ldap.NewDelRequest(dn, nil)); err != nil {
			t.Errorf("delete %s: %v", dn, err)
		}
	}
	return s
}

func (d directory) add(t testing.TB, dn string, attributes map[string][]string) {
	t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		request.Attribute(name, values)
	}
	if err := d.admin.Add(request); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
}

func (d directory) modify(t testing.TB, dn string, operation uint, attribute, value string) {
	t.Helper()
	change := ldap.Change{Operation: operation, Modification: ldap.PartialAttribute{Type: attribute, Vals: []string{value}}}
	if err := d.admin.Modify(&ldap.ModifyRequest{DN: dn, Changes: []ldap.Change{change}}); err != nil {
		t.Errorf("modify %s: %v", dn, err)
	}
}

func (d directory) accounts(t testing.TB) []connector.Object {
	t.Helper()
	accounts, err := d.Accounts(d.admin, d.people, d.groups, "title")
	if err != nil {
		t.Fatal(err)
	}
	return accounts
}

// below is the name of what is immediately below base; empty: the DN is elsewhere.
func below(dn, base string) string {
	rdn, parent, _ := strings.Cut(dn, ",")
	_, name, _ := strings.Cut(rdn, "=")
	if !strings.EqualFold(parent, base) {
		return ""
	}
	return name
}

// journalSlapd is slapd's accesslog, in which is nothing but what succeeded.
func journalSlapd(t testing.TB, d directory) (journal []entry) {
	t.Helper()
	found, err := d.admin.SearchWithPaging(ldap.NewSearchRequest(ldaptest.Accesslog, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=auditWriteObject)", []string{"reqType", "reqDN", "reqMod", "reqStart"}, nil), 500)
	if err != nil {
		t.Fatalf("read the journal: %v", err)
	}
	for _, e := range found.Entries {
		at, err := time.Parse("20060102150405.000000Z", e.GetAttributeValue("reqStart"))
		if err != nil {
			t.Fatal(err)
		}
		dn, mods := e.GetAttributeValue("reqDN"), e.GetAttributeValues("reqMod")
		if account := below(dn, d.people); account != "" {
			verb := map[string]string{"add": "create", "modify": "update", "delete": "delete", "modrdn": "rename"}[e.GetAttributeValue("reqType")]
			switch {
			case verb == "update" && slices.Contains(mods, d.state+":= "+d.locked):
				verb = "disable"
			case verb == "update" && slices.Contains(mods, d.state+":="):
				verb = "enable"
			}
			journal = append(journal, entry{change{account, verb, ""}, at})
		}
		group := below(dn, d.groups)
		for _, mod := range mods {
			member, granted := strings.CutPrefix(mod, "member:+ ")
			member, revoked := strings.CutPrefix(member, "member:- ")
			if account := below(member, d.people); account != "" && group != "" && granted != revoked {
				journal = append(journal, entry{change{account, map[bool]string{true: "grant", false: "revoke"}[granted], "group/" + group}, at})
			}
		}
	}
	return journal
}

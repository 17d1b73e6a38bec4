package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector/ldap/ldaptest"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/intaketest"
)

const sources = `
apiVersion: joinery/v1
kind: Source
metadata: {name: directory}
spec:
  authority: profile
  intake: {ldap: {url: "ldap://x", base: "dc=x"}}
  map: {source_key: record.employeeNumber, person: {employee_number: record.employeeNumber, given_name: record.givenName, title: record.title}}
---
apiVersion: joinery/v1
kind: Source
metadata: {name: ad}
spec:
  authority: profile
  intake: {ldap: {url: "ldap://x", base: "dc=x"}}
  map: {source_key: record.sAMAccountName, person: {given_name: record.givenName, title: record.title}}
`

func mapper(t testing.TB, source string) *intake.Mapper {
	t.Helper()
	m, err := intake.NewMapper(intaketest.Bundle(t, sources), source)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// following is a follower of a server, polled by the test.
type following struct {
	t      *testing.T
	w      *intaketest.World
	server *ldaptest.Server
	admin  *ldap.Conn
	src    intake.Source
	c      config.LDAPIntake
	seen   int
}

func follow(t *testing.T, server *ldaptest.Server, source string) *following {
	t.Helper()
	t.Setenv("LDAP_TEST_PASSWORD", server.Admin.Password)
	w := intaketest.New(t)
	return &following{t: t, w: w, server: server, admin: server.AdminConn(),
		c:   config.LDAPIntake{URL: server.TLSURL, Base: server.People, BindDN: server.Admin.DN, Password: config.Secret{Reference: "env:LDAP_TEST_PASSWORD"}, CA: server.CAFile},
		src: intake.Source{Mapper: mapper(t, source), Stream: w.Options, Meter: intake.NewMeter(nil, source, 0), Log: slog.New(slog.DiscardHandler)}}
}

// open starts a follower, as a new process would.
func (f *following) open() *follower {
	f.t.Helper()
	out, err := open(f.t.Context(), f.src, f.c)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(out.close)
	return out
}

// polled is what one poll said that was not said before.
func (f *following) polled(r *follower) string {
	f.t.Helper()
	if err := r.poll(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	all := f.w.Records(0)
	slices.SortFunc(all, func(a, b event.SourceRecord) int { return int(*a.Sequence - *b.Sequence) })
	words := make([]string, 0, len(all)-f.seen)
	for _, r := range all[f.seen:] {
		title := ""
		if r.Person != nil {
			title = " " + r.Person.Title
		}
		words = append(words, string(r.Kind)+" "+r.SourceKey+title)
	}
	f.seen = len(all)
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func (f *following) expect(r *follower, want string) {
	f.t.Helper()
	if got := f.polled(r); got != want {
		f.t.Errorf("said %q, want %q", got, want)
	}
}

func (f *following) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *following) title(dn, title string) {
	f.t.Helper()
	change := ldap.NewModifyRequest(dn, nil)
	change.Replace("title", []string{title})
	f.must(f.admin.Modify(change))
}

func (f *following) hire(number string) string {
	f.t.Helper()
	dn := "uid=" + number + "," + f.server.People
	add := ldap.NewAddRequest(dn, nil)
	for name, value := range map[string]string{"objectClass": "inetOrgPerson", "uid": number, "cn": number, "sn": "Hall", "givenName": "Ann", "employeeNumber": number, "userPassword": "s3cret-s3cret"} {
		add.Attribute(name, []string{value})
	}
	f.must(f.admin.Add(add))
	return dn
}

func TestSlapdTellsWhoChangedAndWhoIsGone(t *testing.T) {
	f := follow(t, ldaptest.StartSlapd(t), "directory")
	one, two := f.hire("1"), f.hire("2")
	f.hire("3")
	r := f.open()
	f.expect(r, "upsert 1 , upsert 2 , upsert 3 ")
	f.expect(r, "")
	f.title(one, "Lead")
	f.must(f.admin.Del(ldap.NewDelRequest(two, nil)))
	f.hire("4")
	f.expect(r, "absent 2, upsert 1 Lead, upsert 4 ")
	f.must(f.admin.ModifyDN(ldap.NewModifyDNRequest(one, "uid=one", true, "ou=groups,"+f.server.Base)))
	f.expect(r, "absent 1")
	f.must(f.admin.ModifyDN(ldap.NewModifyDNRequest("uid=one,ou=groups,"+f.server.Base, "uid=1", true, f.server.People)))
	f.expect(f.open(), "upsert 1 Lead") // the cookie is kept elsewhere
	for _, r := range f.w.Rejects(0) {
		t.Errorf("%+v", r)
	}
}

func TestACookieThatSlapdNoLongerTakesRepeatsNothingAndMissesNobodyWhoWent(t *testing.T) {
	f := follow(t, ldaptest.StartSlapd(t), "directory")
	for n := range 30 {
		f.hire(fmt.Sprint(100 + n))
	}
	r := f.open()
	f.polled(r)
	f.must(f.admin.Del(ldap.NewDelRequest("uid=105,"+f.server.People, nil)))
	f.title("uid=106,"+f.server.People, "Lead")
	for _, cookie := range []string{"", "rid=000,csn=20000101000000.000000Z#000000#000#000000"} {
		f.must(r.ledger.Commit(t.Context(), intake.Batch{Marks: map[string][]byte{cookieMark: map[bool][]byte{false: []byte(cookie)}[cookie == ""]}}))
		f.expect(r, map[bool]string{true: "absent 105, upsert 106 Lead"}[cookie == ""])
	}
	f.server.Kill9() // in the middle of following
	if err := r.poll(t.Context()); err == nil {
		t.Error("a server that is down says nothing, not that nobody is there")
	}
	f.server.Restart()
	f.admin = f.server.AdminConn()
	f.title("uid=107,"+f.server.People, "Lead")
	f.expect(f.open(), "upsert 107 Lead")
}

func TestAnEntryThatTheMapCannotTakeIsRejectedOnceAndWithoutItsPassword(t *testing.T) {
	f := follow(t, ldaptest.StartSlapd(t), "directory")
	f.hire("1")
	add := ldap.NewAddRequest("uid=x,"+f.server.People, nil)
	for name, value := range map[string]string{"objectClass": "inetOrgPerson", "uid": "x", "cn": "x", "sn": "Hall", "userPassword": "s3cret-s3cret"} {
		add.Attribute(name, []string{value})
	}
	f.must(f.admin.Add(add))
	r := f.open()
	f.expect(r, "upsert 1 ")
	f.must(r.ledger.Commit(t.Context(), intake.Batch{Marks: map[string][]byte{cookieMark: nil}}))
	f.expect(r, "")
	rejects := f.w.Rejects(1)
	if len(rejects) != 1 || !strings.HasPrefix(rejects[0].Place, "entry ") || rejects[0].Class != intake.Invalid || strings.Contains(string(rejects[0].Value), "s3cret") {
		t.Errorf("%+v", rejects)
	}
}

func TestADomainControllerTellsWhoChangedAndWhoIsGone(t *testing.T) {
	f := follow(t, ldaptest.StartSamba(t), "ad")
	hire := func(name string) string {
		dn := "CN=" + name + "," + f.server.People
		add := ldap.NewAddRequest(dn, nil)
		add.Attribute("objectClass", []string{"user"})
		add.Attribute("sAMAccountName", []string{name})
		add.Attribute("givenName", []string{"Ann"})
		f.must(f.admin.Add(add))
		return dn
	}
	one, two := hire("one"), hire("two")
	r := f.open()
	f.expect(r, "upsert one , upsert two ")
	f.expect(r, "")
	f.title(one, "Lead")
	f.must(f.admin.Del(ldap.NewDelRequest(two, nil)))
	hire("three")
	f.expect(r, "absent two, upsert one Lead, upsert three ")
	f.must(f.admin.ModifyDN(ldap.NewModifyDNRequest(one, "CN=one", true, f.server.Groups)))
	f.expect(f.open(), "absent one")
	r = f.open()
	f.must(f.admin.Del(ldap.NewDelRequest("CN=three,"+f.server.People, nil)))
	f.must(r.ledger.Commit(t.Context(), intake.Batch{Marks: map[string][]byte{cookieMark: nil}}))
	f.expect(r, "absent three")
}

func TestAFaultyPasswordOrServerIsSaid(t *testing.T) {
	f := follow(t, ldaptest.StartSlapd(t), "directory")
	for name, change := range map[string]func(*config.LDAPIntake){
		"password":  func(c *config.LDAPIntake) { t.Setenv("WRONG", "x"); c.Password.Reference = "env:WRONG" },
		"authority": func(c *config.LDAPIntake) { c.CA = "" },
		"StartTLS":  func(c *config.LDAPIntake) { c.CA, c.URL = "", f.server.URL },
		"server":    func(c *config.LDAPIntake) { c.URL = "ldap://127.0.0.1:1" },
	} {
		c := f.c
		change(&c)
		if _, err := open(t.Context(), f.src, c); err == nil || !strings.Contains(err.Error(), c.URL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOverAnOpenPortThePasswordWaitsForTLS(t *testing.T) {
	f := follow(t, ldaptest.StartSlapd(t), "directory")
	f.hire("1")
	f.c.URL = f.server.URL
	r := f.open()
	if _, ok := r.conn.TLSConnectionState(); !ok {
		t.Error("the connection is not encrypted")
	}
	f.expect(r, "upsert 1 ")
}

func TestHalfAnAnswerIsNone(t *testing.T) {
	f := follow(t, ldaptest.StartSlapd(t), "directory")
	for n := range 200 {
		f.hire(fmt.Sprint(n))
	}
	r := f.open()
	f.polled(r)
	f.must(r.ledger.Commit(t.Context(), intake.Batch{Marks: map[string][]byte{cookieMark: nil}}))
	r.ask = func(ctx context.Context, cookie []byte) (changes, error) {
		ctx, cancel := context.WithCancel(ctx)
		cancel() // the answer ends without an error of its own
		return syncrepl(ctx, r.conn, f.c.Base, "(objectClass=person)", cookie)
	}
	if err := r.poll(t.Context()); err == nil {
		t.Error("half an answer was taken for a whole one")
	}
	if got := f.w.Records(200); len(got) != 200 {
		t.Errorf("%d records: somebody is missing for an answer that was cut off", len(got))
	}
}

func FuzzAnEntryIsARecordOrAFault(f *testing.F) {
	f.Add("uid=1,dc=acme", "employeeNumber", []byte("7"), []byte("0123456789abcdef"))
	f.Add("CN=x\xff", "values", []byte("\xff"), []byte{})
	f.Add("", "dn", []byte(""), []byte("x"))
	m := mapper(f, "directory")
	base, err := ldap.ParseDN("dc=acme")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, dn, name string, value, id []byte) {
		e := &ldap.Entry{DN: dn, Attributes: []*ldap.EntryAttribute{{Name: name, Values: []string{string(value)}, ByteValues: [][]byte{value}},
			{Name: "objectGUID", ByteValues: [][]byte{id}}, {Name: "modifyTimestamp", Values: []string{string(value)}, ByteValues: [][]byte{value}}}}
		below(base, dn)
		steps := changes{entries: []entry{{id: "x", at: modified(e), Entry: e}}}.fold(m, nil, 1, time.UnixMilli(1))
		if len(steps) != 1 || len(steps[0].records)+len(steps[0].rejects) != 1 {
			t.Fatalf("%+v", steps)
		}
		if _, err := mapped(m, document(e)); err != nil {
			if _, ok := errors.AsType[*intake.Fault](err); !ok {
				t.Fatal(err)
			}
		}
	})
}

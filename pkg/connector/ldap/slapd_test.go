package ldap_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/ldap"
	"joinery.internal/pkg/connector/ldap/ldaptest"
)

// directory is a server as the conformance kit wants it.
type directory struct {
	*ldaptest.Server
	admin      *goldap.Conn
	connector  string
	attributes [2]string
	extra      map[string]string // connection keys beside the usual
}

func newSlapd(t *testing.T) directory {
	s := ldaptest.StartSlapd(t)
	return directory{Server: s, admin: s.AdminConn(), connector: "ldap", attributes: [2]string{"title", "roomNumber"}}
}

// newPosixGroup is a server whose groups hold uids, which no overlay looks after: it has the group engineering.
func newPosixGroup(t *testing.T) (d directory, members func() []string) {
	t.Helper()
	d = newSlapd(t)
	d.extra = map[string]string{"member": "memberUid"}
	d.Empty(d.admin)
	dn := "cn=engineering," + d.Groups
	add := goldap.NewAddRequest(dn, nil)
	add.Attribute("objectClass", []string{"posixGroup"})
	add.Attribute("gidNumber", []string{"7"})
	if err := d.admin.Add(add); err != nil {
		t.Fatal(err)
	}
	return d, func() []string {
		return d.search(t, dn, "(objectClass=*)", "memberUid")[0].GetAttributeValues("memberUid")
	}
}

func (d directory) settings(url string) connector.Settings {
	s := connector.Settings{
		Name: "directory", Connector: d.connector, Entitlements: []string{"group"}, Attributes: d.attributes[:],
		Connection: map[string]string{"url": url, "user": d.Service.DN, "password": d.Service.Password,
			"base": d.People, "groupBase": d.Groups, "ca": d.CAFile},
	}
	maps.Copy(s.Connection, d.extra)
	return s
}

func open(t *testing.T, s connector.Settings) *ldap.Client {
	t.Helper()
	opened := ldap.Open
	if s.Connector == "ad" {
		opened = ldap.OpenAD
	}
	c, err := opened(s)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// reset empties the directory and makes the groups of the kit; a groupOfNames must have a member.
func (d directory) reset(t *testing.T) {
	t.Helper()
	d.Empty(d.admin)
	for _, name := range connectortest.Names() {
		add := goldap.NewAddRequest("cn="+goldap.EscapeDN(name)+","+d.Groups, nil)
		if d.connector == "ad" {
			add.Attribute("objectClass", []string{"group"})
		} else {
			add.Attribute("objectClass", []string{"groupOfNames"})
			add.Attribute("member", []string{""})
		}
		if err := d.admin.Add(add); err != nil {
			t.Fatalf("add group %s: %v", name, err)
		}
	}
}

// objects reads the directory as its administrator, and groups from the groups.
func (d directory) objects(t *testing.T) []connector.Object {
	t.Helper()
	out, err := d.Accounts(d.admin, d.People, d.Groups, d.attributes[:]...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (d directory) search(t *testing.T, base, filter string, attributes ...string) []*goldap.Entry {
	t.Helper()
	found, err := d.admin.SearchWithPaging(goldap.NewSearchRequest(base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil), 500)
	if err != nil {
		t.Fatalf("search %s: %v", base, err)
	}
	return found.Entries
}

func (d directory) harness(url string) connectortest.Harness {
	return connectortest.Harness{
		New:        func(t *testing.T) connector.Connector { return open(t, d.settings(url)) },
		Reset:      d.reset,
		Inspect:    d.objects,
		Attributes: d.attributes,
		Kind:       "group",
	}
}

func TestLDAPConformsAgainstSlapd(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	h := d.harness(d.URL)
	h.HTTP = &connectortest.HTTP{
		URL: d.URL, Secret: d.Service.Password, Proxy: newProxy,
		Open: func(t *testing.T, url string, timeout time.Duration) connector.Connector {
			s := d.settings(url)
			s.Timeout = timeout
			return open(t, s)
		},
	}
	connectortest.Run(t, h)
}

func TestLDAPConformsOverTLSWithMemberOf(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.extra = map[string]string{"memberOf": "true", "startTLS": "true"}
	connectortest.Run(t, d.harness(d.URL))
	d.extra = nil
	if _, err := open(t, d.settings(d.TLSURL)).Describe(t.Context()); err != nil {
		t.Errorf("over ldaps: %v", err)
	}
	s := d.settings(d.TLSURL)
	delete(s.Connection, "ca")
	_, err := open(t, s).Describe(t.Context())
	if connector.ClassOf(err) != connector.Transient || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody we trust: %v", err)
	}
}

func TestEachRequestWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.reset(t)
	c := open(t, d.settings(d.URL))
	turns := 0
	ctx := connector.WithPace(t.Context(), func(context.Context) error { turns++; return nil })
	refused := connector.Errorf(connector.Throttled, "wait", "not now")
	for _, step := range []struct {
		say string
		do  func(ctx context.Context) error
		n   int
	}{
		{"describe", func(ctx context.Context) error { _, err := c.Describe(ctx); return err }, 1},
		{"create: find, add, find", func(ctx context.Context) error {
			_, err := c.Apply(ctx, connector.Op{Verb: connector.Create, Want: connector.Object{Ref: connector.Ref{Account: "ana.berg"}, Enabled: true}})
			return err
		}, 3},
		{"get: find, groups", func(ctx context.Context) error {
			_, err := c.Get(ctx, connector.Ref{Account: "ana.berg"})
			return err
		}, 2},
		{"grant: find, group, modify", func(ctx context.Context) error {
			_, err := c.Apply(ctx, connector.Op{Verb: connector.Grant, Ref: connector.Ref{Account: "ana.berg"}, Want: connector.Object{Entitlements: []string{"group/engineering"}}})
			return err
		}, 3},
		{"list: page, groups of one", func(ctx context.Context) error { _, err := c.List(ctx, connector.ListRequest{}); return err }, 2},
	} {
		turns = 0
		if err := step.do(ctx); err != nil || turns != step.n {
			t.Errorf("%s: %d turns, %v; want %d", step.say, turns, err, step.n)
		}
		if step.say == "describe" { // it is known by now
			continue
		}
		err := step.do(connector.WithPace(t.Context(), func(context.Context) error { return refused }))
		if connector.ClassOf(err) != connector.Throttled {
			t.Errorf("%s out of turn: %v, want throttled", step.say, err)
		}
	}
}

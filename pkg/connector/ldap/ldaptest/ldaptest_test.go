package ldaptest_test

import (
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector/ldap/ldaptest"
)

func TestSlapdServesOverEachWayIn(t *testing.T) {
	t.Parallel()
	s := ldaptest.StartSlapd(t)
	plain := bind(t, s, s.URL)
	if err := plain.Add(person("uid=ana,"+s.People, "inetOrgPerson")); err != nil {
		t.Fatalf("add a person: %v", err)
	}
	starts := dial(t, s, s.URL)
	if err := starts.StartTLS(s.TLS()); err != nil {
		t.Errorf("start TLS: %v", err)
	}
	groups := person("cn=staff,"+s.Groups, "groupOfNames")
	groups.Attributes = []ldap.Attribute{{Type: "objectClass", Vals: []string{"groupOfNames"}}, {Type: "member", Vals: []string{"uid=ana," + s.People}}}
	if err := plain.Add(groups); err != nil {
		t.Fatalf("add a group: %v", err)
	}
	if got := read(t, bind(t, s, s.TLSURL), "uid=ana,"+s.People, "memberOf"); got != "cn=staff,"+s.Groups {
		t.Errorf("memberOf is %q", got)
	}
	s.Kill9()
	s.Restart()
	if got := read(t, bind(t, s, s.URL), "uid=ana,"+s.People, "uid"); got != "ana" {
		t.Errorf("after a restart uid is %q", got)
	}
	admin := s.AdminConn()
	s.Empty(admin)
	if err := admin.Add(person("uid=ana,"+s.People, "inetOrgPerson")); err != nil {
		t.Errorf("it is not empty: %v", err)
	}
}

func TestSambaIsADomainController(t *testing.T) {
	t.Parallel()
	s := ldaptest.StartSamba(t)
	conn := bind(t, s, s.TLSURL)
	if err := conn.Add(person("CN=ana,"+s.People, "user")); err != nil {
		t.Fatalf("add a user: %v", err)
	}
	if got := read(t, conn, "CN=ana,"+s.People, "userAccountControl"); got == "" {
		t.Error("a user has no userAccountControl")
	}
	s.Kill9()
	s.Restart()
	admin := s.AdminConn()
	s.Empty(admin)
	if err := admin.Add(person("CN=ana,"+s.People, "user")); err != nil {
		t.Errorf("it is not empty: %v", err)
	}
}

func dial(t *testing.T, s *ldaptest.Server, url string) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(url, ldap.DialWithTLSConfig(s.TLS()))
	if err != nil {
		t.Fatalf("dial %s: %v", url, err)
	}
	conn.SetTimeout(time.Minute)
	t.Cleanup(func() { _ = conn.Close() }) // the server may have ended it
	return conn
}

func bind(t *testing.T, s *ldaptest.Server, url string) *ldap.Conn {
	t.Helper()
	conn := dial(t, s, url)
	if err := conn.Bind(s.Service.DN, s.Service.Password); err != nil {
		t.Fatalf("bind: %v", err)
	}
	return conn
}

func person(dn, class string) *ldap.AddRequest {
	r := ldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{class})
	if class == "inetOrgPerson" {
		r.Attribute("sn", []string{"Berg"})
		r.Attribute("cn", []string{"Ana Berg"})
	}
	return r
}

func read(t *testing.T, conn *ldap.Conn, dn, attribute string) string {
	t.Helper()
	found, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{attribute}, nil))
	if err != nil {
		t.Fatalf("read %s: %v", dn, err)
	}
	return found.Entries[0].GetAttributeValue(attribute)
}

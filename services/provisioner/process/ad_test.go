package process_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector/ldap/ldaptest"
)

// adSubjects are organizational units of one domain, each with an administrator of its own. Gate and front are within TLS:
// the gate has the domain controller's certificate, and the front speaks TLS to it.
func adSubjects(t testing.TB) func(testing.TB, string) *subject {
	t.Helper()
	s := ldaptest.StartSamba(t)
	admin := s.AdminConn()
	u, err := url.Parse(s.TLSURL)
	if err != nil {
		t.Fatal(err)
	}
	var number atomic.Int64
	return func(t testing.TB, dir string) *subject {
		t.Helper()
		n := number.Add(1)
		base := fmt.Sprintf("OU=app%d,%s", n, s.Base)
		d := directory{Server: s, admin: admin, service: ldaptest.Login{DN: fmt.Sprintf("CN=service%d,%s", n, base)}, people: "OU=People," + base, groups: "OU=Groups," + base,
			rdn: "CN", state: "userAccountControl", locked: "514", group: map[string][]string{"objectClass": {"group"}},
			password: func(password string) (string, string) { return "unicodePwd", utf16le(`"` + password + `"`) }, journal: journalSamba}
		for _, dn := range []string{base, d.people, d.groups} {
			d.add(t, dn, map[string][]string{"objectClass": {"organizationalUnit"}})
		}
		d.add(t, d.service.DN, map[string][]string{"objectClass": {"user"}, "sAMAccountName": {fmt.Sprint("service", n)}})
		d.modify(t, "CN=Domain Admins,CN=Users,"+s.Base, ldap.AddAttribute, "member", d.service.DN)
		front := newLDAPFront(t, d.people, func() (net.Conn, error) { return tls.Dial("tcp", net.JoinHostPort(u.Hostname(), "636"), s.TLS()) })
		made := d.subject(t, dir, front, newTLSGate(t, "tcp", front.address, ldapWrites, u.Hostname(), s.Door()))
		d.modify(t, d.service.DN, ldap.ReplaceAttribute, d.state, "512") // once it has a password
		made.mark, made.cascades = fmt.Sprint(n, "."), true
		return made
	}
}

func utf16le(text string) string {
	var out bytes.Buffer
	for _, unit := range utf16.Encode([]rune(text)) {
		out.Write([]byte{byte(unit), byte(unit >> 8)})
	}
	return out.String()
}

// sambaLine is one change as Samba notes it.
type sambaLine struct {
	Timestamp  string
	DSDBChange struct {
		StatusCode int
		Operation  string
		DN         string
		Attributes map[string]struct {
			Actions []struct{ Values []struct{ Value string } }
		}
	}
	GroupChange struct {
		StatusCode          int
		Action, Group, User string
	}
}

// journalSamba is what Samba says of changes that it has made.
func journalSamba(t testing.TB, d directory) (journal []entry) {
	t.Helper()
	log, err := os.ReadFile(d.Log)
	if err != nil {
		t.Fatal(err)
	}
	people := bytes.ToLower([]byte(d.people))
	for text := range bytes.Lines(log) {
		if !bytes.HasPrefix(text, []byte("{")) || !bytes.Contains(bytes.ToLower(text), people) {
			continue
		}
		var line sambaLine
		if err := json.Unmarshal(text, &line); err != nil {
			continue // it is being written, or is none of ours
		}
		at, err := time.Parse("2006-01-02T15:04:05.000000-0700", line.Timestamp)
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := d.noted(line); ok {
			journal = append(journal, entry{c, at})
		}
	}
	return journal
}

func (d directory) noted(line sambaLine) (change, bool) {
	account, group := below(line.GroupChange.User, d.people), below(line.GroupChange.Group, d.groups)
	if verb := map[string]string{"Added": "grant", "Removed": "revoke"}[line.GroupChange.Action]; verb != "" && account != "" && group != "" {
		return change{account, verb, "group/" + group}, line.GroupChange.StatusCode == 0
	}
	account = below(line.DSDBChange.DN, d.people)
	verb := map[string]string{"Add": "create", "Modify": "update", "Delete": "delete", "Rename": "rename"}[line.DSDBChange.Operation]
	if state, ok := line.DSDBChange.Attributes[d.state]; ok && verb == "update" {
		flags, err := strconv.Atoi(state.Actions[len(state.Actions)-1].Values[0].Value)
		verb = map[bool]string{true: "disable", false: "enable"}[err != nil || flags&2 != 0]
	}
	return change{account, verb, ""}, account != "" && line.DSDBChange.StatusCode == 0
}

package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
)

func drive(t *testing.T, c connector.Connector, want connector.Desired) connector.Outcome {
	t.Helper()
	out, err := connector.Drive(t.Context(), c, "k", want)
	if err != nil {
		t.Fatalf("drive: %v", err)
	}
	return out
}

func ana(attributes map[string]string) connector.Desired {
	return connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active, Attributes: attributes,
		Entitlements: []string{"group/engineering"}, ManagedKinds: []string{"group"}}
}

// one returns the only account, as the administrator sees it.
func (d directory) one(t *testing.T) *goldap.Entry {
	t.Helper()
	filter := "(objectClass=inetOrgPerson)"
	if d.connector == "ad" {
		filter = "(objectClass=user)"
	}
	found := d.search(t, d.People, filter, "*", "pwdAccountLockedTime")
	if len(found) != 1 {
		t.Fatalf("%d accounts, want 1", len(found))
	}
	return found[0]
}

// container makes an organizational unit below people.
func (d directory) container(t *testing.T, name string) {
	t.Helper()
	add := goldap.NewAddRequest("ou="+name+","+d.People, nil)
	add.Attribute("objectClass", []string{"organizationalUnit"})
	if err := d.admin.Add(add); err != nil {
		t.Fatalf("add container %s: %v", name, err)
	}
}

// moves is the same for every directory: an account renamed and moved stays itself, with its groups.
func (d directory) moves(t *testing.T) {
	d.reset(t)
	d.container(t, "Finance")
	d.container(t, "Sales")
	s := d.settings(d.TLSURL)
	s.Attributes = append([]string{"parent"}, s.Attributes...)
	c := open(t, s)
	want := ana(map[string]string{"parent": "OU=Finance", "title": "Analyst"})
	first := drive(t, c, want)
	odd := "ana, née #berg+1"
	if d.connector == "ad" { // where , and + are forbidden
		odd = "#ana née (berg)"
	}
	for _, step := range []struct {
		say    string
		change func()
	}{
		{"moved", func() { want.Attributes["parent"] = "ou=sales" }},
		{"renamed", func() { want.Account = odd }},
		{"renamed, moved and changed", func() {
			want.Account, want.Attributes["parent"], want.Attributes["title"] = "ana.novak", "", "Lead"
		}},
	} {
		step.change()
		want.RemoteID = first.RemoteID
		out := drive(t, c, want)
		if out.RemoteID != first.RemoteID {
			t.Errorf("%s: remote id %s, was %s", step.say, out.RemoteID, first.RemoteID)
		}
		if again := drive(t, open(t, s), want); !again.Unchanged() {
			t.Errorf("%s: the second drive changed %+v", step.say, again.Changes)
		}
		all := d.objects(t)
		if len(all) != 1 || all[0].Account != want.Account || fmt.Sprint(all[0].Entitlements) != "[group/engineering]" {
			t.Errorf("%s: the directory has %+v", step.say, all)
		}
	}
	want.Attributes["parent"] = "ou=nowhere"
	_, err := connector.Drive(t.Context(), c, "k", want)
	if connector.ClassOf(err) != connector.Invalid || !strings.Contains(err.Error(), "no container ou=nowhere") {
		t.Errorf("a container that is missing: %v, want invalid that names it", err)
	}
}

func TestAnAccountIsMovedAndRenamedAndStaysItself(t *testing.T) {
	t.Parallel()
	newSlapd(t).moves(t)
}

func TestTheLastMemberOfAGroupCanLeaveIt(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.reset(t)
	c := open(t, d.settings(d.URL))
	want := ana(nil)
	drive(t, c, want)
	group := "cn=engineering," + d.Groups
	remove := goldap.NewModifyRequest(group, nil)
	remove.Delete("member", []string{""})
	if err := d.admin.Modify(remove); err != nil {
		t.Fatal(err)
	}
	want.Entitlements = nil
	drive(t, c, want)
	got := d.search(t, group, "(objectClass=*)", "member")[0].GetAttributeValues("member")
	if len(got) != 1 || got[0] != "" {
		t.Errorf("the group has the members %q, want nobody", got)
	}
}

func TestGroupsFollowARenameAndADeletionWhereTheServerDoesNot(t *testing.T) {
	t.Parallel()
	d, uids := newPosixGroup(t)
	members := func() string { return strings.Join(uids(), " ") }
	c := open(t, d.settings(d.URL))
	want := ana(nil)
	want.RemoteID = drive(t, c, want).RemoteID
	if got := members(); got != "ana.berg" {
		t.Errorf("the group has %q", got)
	}
	want.Account = "ana.novak"
	drive(t, c, want)
	if got := members(); got != "ana.novak" {
		t.Errorf("after the rename the group has %q", got)
	}
	want.State = connector.Absent
	drive(t, c, want)
	if got := members(); got != "" {
		t.Errorf("after the deletion the group has %q", got)
	}
}

func TestADisabledAccountCannotBind(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.reset(t)
	c := open(t, d.settings(d.URL))
	want := ana(nil)
	drive(t, c, want)
	e := d.one(t)
	set := goldap.NewModifyRequest(e.DN, nil)
	set.Replace("userPassword", []string{"hunter2"})
	if err := d.admin.Modify(set); err != nil {
		t.Fatal(err)
	}
	for _, state := range []connector.State{connector.Active, connector.Disabled, connector.Active} {
		want.State = state
		drive(t, c, want)
		conn, err := goldap.DialURL(d.URL)
		if err != nil {
			t.Fatal(err)
		}
		err = conn.Bind(e.DN, "hunter2")
		if (err == nil) != (state == connector.Active) {
			t.Errorf("%s: the bind says %v", state, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnAttributeOfSeveralValuesIsComparedAsASet(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.attributes[0] = "mail"
	d.reset(t)
	c := open(t, d.settings(d.URL))
	want := ana(map[string]string{"mail": "b@acme.example\na@acme.example"})
	drive(t, c, want)
	if got := d.one(t).GetAttributeValues("mail"); len(got) != 2 {
		t.Errorf("mail is %q", got)
	}
	if again := drive(t, c, want); !again.Unchanged() {
		t.Errorf("the second drive changed %+v", again.Changes)
	}
}

func TestWhatTheServerRefusesHasItsClassAndIsNotQuoted(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.attributes[0] = "mail"
	d.reset(t)
	c := open(t, d.settings(d.URL))
	secret := "nothing like ascii: žluťoučký"
	_, err := connector.Drive(t.Context(), c, "k", ana(map[string]string{"mail": secret}))
	if connector.ClassOf(err) != connector.Invalid || strings.Contains(err.Error(), secret) {
		t.Errorf("a value of the wrong syntax: %v, want invalid, not quoted", err)
	}
	drive(t, c, ana(nil))
	for say, row := range map[string]struct {
		change func(*connector.Settings)
		want   connector.Class
	}{
		"a wrong password":                {func(s *connector.Settings) { s.Connection["password"] = "wr0ng" }, connector.Denied},
		"a base that is not there":        {func(s *connector.Settings) { s.Connection["base"] = "ou=nobody,dc=acme,dc=example" }, connector.Invalid},
		"groups that are not there":       {func(s *connector.Settings) { s.Connection["groupBase"] = "ou=none,dc=acme,dc=example" }, connector.Invalid},
		"a server that is not there":      {func(s *connector.Settings) { s.Connection["url"] = "ldap://127.0.0.1:1" }, connector.Transient},
		"an account that reads, no group": {func(s *connector.Settings) { s.Connection["member"] = "uniqueMember" }, connector.Invalid},
	} {
		s := d.settings(d.URL)
		row.change(&s)
		want := ana(nil)
		_, err := connector.Drive(t.Context(), open(t, s), "k", want)
		if connector.ClassOf(err) != row.want || strings.Contains(err.Error(), s.Connection["password"]) {
			t.Errorf("%s: %v, want %s and no password", say, err, row.want)
		}
	}
}

func TestTheCheckNamesARightThatIsMissing(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.reset(t)
	drive(t, open(t, d.settings(d.URL)), ana(nil))
	reader := "cn=reader,ou=services," + d.Base
	add := goldap.NewAddRequest(reader, nil)
	add.Attribute("objectClass", []string{"organizationalRole", "simpleSecurityObject"})
	add.Attribute("userPassword", []string{"r3ader"})
	if err := d.admin.Add(add); err != nil {
		t.Fatal(err)
	}
	levels := func(s connector.Settings) map[string]connector.Finding {
		findings, err := open(t, s).Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]connector.Finding{}
		for _, f := range findings {
			out[f.Subject] = f
		}
		return out
	}
	s := d.settings(d.URL)
	good := levels(s)
	s.Connection["user"], s.Connection["password"] = reader, "r3ader"
	bad := levels(s)
	for _, subject := range []string{"right to change title of accounts", "right to change pwdAccountLockedTime of accounts",
		"right to change employeeNumber of accounts", "right to change member of groups"} {
		if good[subject].Level != connector.OK || bad[subject].Level != connector.Fault {
			t.Errorf("%s: %+v with the right, %+v without", subject, good[subject], bad[subject])
		}
	}
	if e := d.one(t); e.GetAttributeValue("title") != "" || e.GetAttributeValue("employeeNumber") != "id-1" {
		t.Error("the check has changed the account")
	}
}

func TestAServerThatHangsOrDiesIsTransientAndTheNextDriveGoesOn(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.reset(t)
	s := d.settings(d.URL)
	s.Timeout = 300 * time.Millisecond
	c := open(t, s)
	want := ana(nil)
	drive(t, c, want)
	d.Pause()
	_, err := c.Get(t.Context(), want.Ref())
	d.Resume()
	if connector.ClassOf(err) != connector.Transient || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that hangs: %v, want transient with a deadline inside", err)
	}
	d.Kill9()
	if _, err = c.Get(t.Context(), want.Ref()); connector.ClassOf(err) != connector.Transient {
		t.Errorf("a server that is gone: %v, want transient", err)
	}
	d.Restart()
	s.Timeout = 0
	if out := drive(t, open(t, s), want); !out.Unchanged() {
		t.Errorf("afterwards the drive changed %+v", out.Changes)
	}
}

// The server gives at most ten entries to whoever does not page.
func TestAListingSurvivesOthersAndItsOwnEnd(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.reset(t)
	c := open(t, d.settings(d.URL))
	for i := range 30 {
		drive(t, c, connector.Desired{Account: fmt.Sprint("user", i), State: connector.Active})
	}
	var tokens []string
	for range 6 {
		page, err := c.List(t.Context(), connector.ListRequest{Limit: 20})
		if err != nil || len(page.Objects) != 20 {
			t.Fatalf("list: %d accounts, %v", len(page.Objects), err)
		}
		tokens = append(tokens, page.Next)
	}
	for i, token := range tokens {
		page, err := c.List(t.Context(), connector.ListRequest{Token: token, Limit: 20})
		if i < 2 { // there may be four at once
			if connector.ClassOf(err) != connector.Transient {
				t.Errorf("listing %d, which had to make room: %v, want transient", i, err)
			}
			continue
		}
		if err != nil || len(page.Objects) != 10 || page.Next != "" {
			t.Errorf("listing %d goes on with %d accounts, %v", i, len(page.Objects), err)
		}
	}
}

func TestSettingsThatCannotWorkAreRefusedAtOpen(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	for say, change := range map[string]func(map[string]string){
		"in the clear":           func(c map[string]string) { c["url"] = "ldap://ldap.acme.example" },
		"ldap or ldaps address":  func(c map[string]string) { c["url"] = "https://ldap.acme.example" },
		"belong together":        func(c map[string]string) { delete(c, "password") },
		"connection.base":        func(c map[string]string) { c["base"] = "people" },
		"connection.filter":      func(c map[string]string) { c["filter"] = "(uid=*" },
		"connection.disable":     func(c map[string]string) { c["disable"] = "locked" },
		"connection.member must": func(c map[string]string) { c["member"] = "owner" },
		"startTLS must":          func(c map[string]string) { c["startTLS"] = "yes" },
		"is not known":           func(c map[string]string) { c["bass"] = "x" },
		"uid is set from":        func(c map[string]string) { c["attributes"] = "uid" },
	} {
		s := d.settings(d.URL)
		change(s.Connection)
		if mapped, ok := s.Connection["attributes"]; ok {
			delete(s.Connection, "attributes")
			s.Attributes = []string{mapped}
		}
		c, err := openAny(s)
		if err == nil {
			t.Errorf("%s: it opened", say)
			_ = c.Close()
			continue
		}
		if connector.ClassOf(err) != connector.Invalid || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), d.Service.Password) {
			t.Errorf("%v, want invalid that says %q", err, say)
		}
	}
}

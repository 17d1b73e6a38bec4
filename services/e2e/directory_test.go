package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/ldap/ldaptest"
	"joinery.internal/pkg/connector/rest/resttest"
	"joinery.internal/pkg/event"
)

// ofDirectories is a company whose accounts are in an LDAP directory, in Active Directory, and in an application with an API.
const ofDirectories = `
sources/people.yaml: |
  {apiVersion: joinery/v1, kind: Source, metadata: {name: people}, spec: {authority: employment, intake: {records: {}}, correlate: [employee_number], timezone: Europe/Prague}}
targets/directory.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: directory}
  spec:
    connector: ldap
    connection: {url: "SLAPD_URL", user: "SLAPD_USER", password: "env:E2E_SLAPD", base: "SLAPD_PEOPLE", groupBase: "SLAPD_GROUPS"}
    account: {name: 'slug(person.given_name)', attributes: {title: person.title}}
    entitlements: [group]
    lifecycle: {ended: disabled, deleteAfter: 90d}
    reconcile: {every: 1h, missing: repair, reenabled: repair, attribute: repair, extra: remove, orphan: report}
targets/windows.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: windows}
  spec:
    connector: ad
    connection: {url: "SAMBA_URL", ca: "SAMBA_CA", user: "SAMBA_USER", password: "env:E2E_SAMBA", base: "SAMBA_PEOPLE", groupBase: "SAMBA_GROUPS"}
    account: {name: 'slug(person.given_name)', attributes: {title: person.title, parent: '"OU=" + rdn(person.department)'}}
    entitlements: [group]
    lifecycle: {ended: disabled, deleteAfter: 90d}
    reconcile: {every: 1h, missing: repair, reenabled: repair, attribute: repair, extra: remove, orphan: report}
targets/desk.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: desk}
  spec:
    connector: rest
    connection: {url: "DESK_URL", token: "env:E2E_DESK"}
    rest:
      account: {id: item.id, account: item.login, external_id: item.externalId, enabled: item.active, attributes: {title: item.title}}
      calls:
        get: {path: "users/{id}"}
        find: {path: users, query: {login: account, externalId: external_id}}
        list: {path: users}
        create: {path: users, body: '{"login": account, "externalId": external_id, "active": enabled, "title": attributes.title}'}
        update: {path: "users/{id}", body: '{"login": account, "externalId": external_id, "active": enabled, "title": attributes.title}'}
        enable: {path: "users/{id}", body: '{"active": true}'}
        disable: {path: "users/{id}", body: '{"active": false}'}
        delete: {path: "users/{id}"}
      entitlements:
        group:
          list: {path: memberships, query: {userId: id}}
          grant: {method: POST, path: memberships, body: '{"id": id + "-" + name, "userId": int(id), "group": name}'}
          revoke: {path: "memberships/{id}-{name}"}
          name: item.group
    account: {name: 'slug(person.given_name)', attributes: {title: person.title}}
    entitlements: [group]
    lifecycle: {ended: disabled, deleteAfter: 90d}
    reconcile: {every: 1h, missing: repair, reenabled: repair, attribute: repair, extra: remove, orphan: report}
policy/rules.yaml: |
  apiVersion: joinery/v1
  kind: Policy
  metadata: {name: rules}
  spec:
    roles:
      staff: {birthright: "true", grants: ["directory:group/staff", "windows:group/staff", "desk:group/staff"]}
      sales: {birthright: 'person.department == "Sales"', grants: ["directory:group/sales", "windows:group/sales", "desk:group/sales"]}
`

// halls are the three systems, read and changed beside the pipeline.
type halls struct {
	t              *testing.T
	slapd, samba   *ldaptest.Server
	linux, windows *ldap.Conn
	desk           resttest.Peer
}

func openHalls(t *testing.T) halls {
	t.Helper()
	h := halls{t: t, slapd: ldaptest.StartSlapd(t), samba: ldaptest.StartSamba(t), desk: resttest.Start(t)}
	h.linux, h.windows = h.slapd.AdminConn(), h.samba.AdminConn()
	for _, group := range []string{"staff", "sales"} {
		h.add(h.linux, "cn="+group+","+h.slapd.Groups, map[string][]string{"objectClass": {"groupOfNames"}, "member": {""}})
		h.add(h.windows, "CN="+group+","+h.samba.Groups, map[string][]string{"objectClass": {"group"}})
	}
	for _, department := range []string{"Finance", "Sales"} {
		h.add(h.windows, "OU="+department+","+h.samba.People, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	return h
}

func (h halls) add(admin *ldap.Conn, dn string, attributes map[string][]string) {
	h.t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		request.Attribute(name, values)
	}
	if err := admin.Add(request); err != nil {
		h.t.Fatalf("add %s: %v", dn, err)
	}
}

// accounts are those of each target, in one form.
func (h halls) accounts() map[string][]connector.Object {
	h.t.Helper()
	of := map[string][]connector.Object{"desk": h.desk.Objects(h.t)}
	var err error
	if of["directory"], err = h.slapd.Accounts(h.linux, h.slapd.People, h.slapd.Groups, "title"); err != nil {
		h.t.Fatal(err)
	}
	if of["windows"], err = h.samba.Accounts(h.windows, h.samba.People, h.samba.Groups, "title"); err != nil {
		h.t.Fatal(err)
	}
	return of
}

// differ compares what everybody has with what is wanted: "on Agent staff sales", by name. Empty: it is so in every target.
func (h halls) differ(want map[string]string) string {
	h.t.Helper()
	for target, accounts := range h.accounts() {
		has := map[string]string{}
		for _, o := range accounts {
			state := map[bool]string{true: "on", false: "off"}[o.Enabled]
			has[o.Account] = strings.Join(slices.Concat([]string{state, o.Attributes["title"]}, o.Entitlements), " ")
		}
		for name, wanted := range want {
			if has[name] != wanted {
				return fmt.Sprintf("%s in %s is %q, want %q", name, target, has[name], wanted)
			}
		}
		if len(has) != len(want) {
			return fmt.Sprintf("%d accounts in %s, want %d", len(has), target, len(want))
		}
	}
	return ""
}

func TestACompanyLivesInLDAPActiveDirectoryAndBehindAnAPI(t *testing.T) {
	h := openHalls(t)
	t.Setenv("E2E_SLAPD", h.slapd.Service.Password)
	t.Setenv("E2E_SAMBA", h.samba.Service.Password)
	t.Setenv("E2E_DESK", resttest.Token)
	dir := write(t, strings.NewReplacer("SLAPD_URL", h.slapd.URL, "SLAPD_USER", h.slapd.Service.DN, "SLAPD_PEOPLE", h.slapd.People, "SLAPD_GROUPS", h.slapd.Groups,
		"SAMBA_URL", h.samba.TLSURL, "SAMBA_CA", h.samba.CAFile, "SAMBA_USER", h.samba.Service.DN, "SAMBA_PEOPLE", h.samba.People, "SAMBA_GROUPS", h.samba.Groups,
		"DESK_URL", h.desk.Base()).Replace(ofDirectories))
	p := boot(t, "--config", dir, "--demo-targets=false", "--clock", time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC).Format(time.RFC3339))
	want := map[string]string{}
	people := map[string]*worker{}
	for i, name := range []string{"ada", "ben", "cleo", "dora", "emil", "fritz", "gina", "hugo", "ines", "jan"} {
		people[name] = &worker{p: p, profile: event.Profile{EmployeeNumber: fmt.Sprint(51 + i), GivenName: name, FamilyName: "Kraus", Email: name + "@acme.example",
			Department: "Finance", Title: "Clerk", WorkerType: "employee", StartDate: "2026-02-02", Timezone: "Europe/Prague"}}
		people[name].says(event.Upsert, "")
		want[name] = "on Clerk group/staff"
	}
	p.eventually("ten are hired", func() string { return h.differ(want) })

	ada := people["ada"]
	ada.profile.Department, ada.profile.Title = "Sales", "Agent"
	ada.says(event.Upsert, "")
	people["ben"].says(event.Terminate, "2026-03-01")
	if out, errs, code := p.joinery("emergency", "terminate", "53", "--reason", "laptop stolen"); code != 0 {
		t.Fatalf("emergency terminate: exit %d\n%s%s", code, out, errs)
	}
	want["ada"], want["ben"], want["cleo"] = "on Agent group/sales group/staff", "off Clerk", "off Clerk"
	p.eventually("one has moved, one has left, one is stopped", func() string { return h.differ(want) })
	if _, err := h.windows.Search(ldap.NewSearchRequest("CN=ada,OU=Sales,"+h.samba.People, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=user)", nil, nil)); err != nil {
		t.Errorf("the mover is not in the organizational unit of the new department: %v", err)
	}

	h.damage()
	for _, target := range []string{"directory", "windows", "desk"} {
		if out, errs, code := p.joinery("target", "reconcile", target, "--reason", "somebody was in there"); code != 0 && code != 3 {
			t.Errorf("target reconcile %s: exit %d\n%s%s", target, code, out, errs)
		}
	}
	p.eventually("the damage is mended", func() string { return h.differ(want) })
	p.eventually("every case is closed", func() string {
		if rows := p.sql("select trigger, outcome, count() from joinery.cases where closed_at is null or outcome != 'succeeded' group by 1, 2"); len(rows) > 0 {
			return fmt.Sprint(rows)
		}
		return ""
	})
	p.evidenceIsWhole()
}

// damage deletes somebody's account, enables the leaver's, and puts somebody into a group and another's title wrong.
func (h halls) damage() {
	h.t.Helper()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	must(h.linux.Del(ldap.NewDelRequest("uid=dora,"+h.slapd.People, nil)))
	enable := ldap.NewModifyRequest("CN=ben,OU=Finance,"+h.samba.People, nil)
	enable.Replace("userAccountControl", []string{"512"})
	must(h.windows.Modify(enable))
	member := ldap.NewModifyRequest("CN=sales,"+h.samba.Groups, nil)
	member.Add("member", []string{"CN=emil,OU=Finance," + h.samba.People})
	must(h.windows.Modify(member))
	title := ldap.NewModifyRequest("uid=fritz,"+h.slapd.People, nil)
	title.Replace("title", []string{"King"})
	must(h.linux.Modify(title))
	h.desk.Call(h.t, "PATCH", "users/1", map[string]any{"title": "King"})
}

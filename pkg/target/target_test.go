package target_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/open"
	"joinery.internal/pkg/target"
)

const shop = `apiVersion: joinery/v1
kind: Target
metadata: {name: shop}
spec:
  connector: sql
  connection: {url: "postgres://db.acme.example/shop", password: "file:secret"}
  account:
    name: person.username
    attributes: {title: person.title}
  entitlements: [role]
  limits: {timeout: 3s}
  sql:
    account: {get: g, list: l, create: c, update: u, enable: e, disable: d, delete: x}
    entitlements: {role: {list: rl, grant: rg, revoke: rr}}
`

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, files map[string]string) *config.Target {
	t.Helper()
	targets, err := target.Load(folder(t, files))
	if err != nil || len(targets) != 1 {
		t.Fatalf("load: %v, %d targets", err, len(targets))
	}
	return targets[0]
}

func TestATargetFileBecomesSettingsWithItsSecretsRead(t *testing.T) {
	t.Parallel()
	s, err := target.Settings(load(t, map[string]string{"targets/shop.yaml": shop, "secret": "hunter2\n", "targets/secret": "hunter2\n"}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "shop" || s.Timeout != 3*time.Second || s.Connection["password"] != "hunter2" ||
		s.SQL.Entitlements["role"].Grant != "rg" || s.SQL.Account.Delete != "x" || s.Entitlements[0] != "role" || s.Attributes[0] != "title" {
		t.Errorf("settings: %+v", s)
	}
}

func TestASecretThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	_, err := target.Settings(load(t, map[string]string{"targets/shop.yaml": shop}), nil)
	if connector.ClassOf(err) != connector.Invalid || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "connection.password of target shop") {
		t.Errorf("error: %v", err)
	}
}

func TestAConnectionCanBeCompletedFromOutside(t *testing.T) {
	t.Parallel()
	file := "apiVersion: joinery/v1\nkind: Target\nmetadata: {name: chat}\nspec: {connector: scim, connection: {url: 'demo:'}, account: {name: person.username}}\n"
	_, err := target.Open(open.Factory{}, load(t, map[string]string{"targets/chat.yaml": file}), func(name string, c map[string]string) map[string]string {
		c["url"] = "http://127.0.0.1:1/" + name
		return c
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAFolderWithAFaultIsRefused(t *testing.T) {
	t.Parallel()
	_, err := target.Load(folder(t, map[string]string{"targets/shop.yaml": "kind: Targt\n"}))
	if _, ok := errors.AsType[config.Faults](err); !ok {
		t.Errorf("error: %v", err)
	}
}

func TestCheckNamesEveryFileThatIsWrong(t *testing.T) {
	t.Parallel()
	file := func(name, connector string) string {
		return "apiVersion: joinery/v1\nkind: Target\nmetadata: {name: " + name + "}\nspec: {connector: " + connector +
			", connection: {url: 'http://127.0.0.1:1', colour: red}, account: {name: person.username}}\n"
	}
	targets, err := target.Load(folder(t, map[string]string{"targets/a.yaml": file("a", "scim"), "targets/b.yaml": file("b", "ldap")}))
	if err != nil {
		t.Fatal(err)
	}
	err = target.Check(open.Factory{}, targets, nil)
	for _, want := range []string{"a.yaml:3:", "connection.colour", "b.yaml:3:", "it takes url, startTLS"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}

func TestFaultsOfAConnectionHaveTheirPlaceAndNeedNoSecret(t *testing.T) {
	t.Parallel()
	file := func(name, connector, connection string) string {
		return "apiVersion: joinery/v1\nkind: Target\nmetadata: {name: " + name + "}\nspec:\n  connector: " + connector +
			"\n  connection: {" + connection + "}\n  account: {name: person.username}\n"
	}
	targets, err := target.Load(folder(t, map[string]string{
		"targets/a.yaml": file("a", "ldap", "url: 'ldaps://ldap.acme.example', bass: 'ou=people,dc=acme,dc=example'"),
		"targets/b.yaml": file("b", "ad", "url: 'ldap://dc1.acme.example', base: 'dc=acme,dc=example'"),
		"targets/c.yaml": file("c", "ldap", "url: 'ldaps://ldap.acme.example', user: 'cn=x', password: 'file:not/there', base: 'ou=people,dc=acme,dc=example'"),
		"targets/d.yaml": file("d", "scim", "url: 'demo:chat'"),
		"targets/e.yaml": file("e", "scim", "url: 'demo:chat', tokem: x"),
		"targets/f.yaml": file("f", "ticket", "queue: basement"),
		"targets/g.yaml": file("g", "ticket", "queue: console"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := target.Faults(targets).Err().Error()
	for _, want := range []string{
		`a.yaml:6:56: unknown key "bass" in spec.connection; did you mean "base"?`,
		"b.yaml:6:21: connection.url would send the password in the clear",
		`e.yaml:6:41: unknown key "tokem" in spec.connection; did you mean "token"?`,
		`f.yaml:6:23: connection.queue is "basement"; there is only "console"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the faults lack %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "c.yaml") || strings.Contains(got, "d.yaml") || strings.Contains(got, "g.yaml") {
		t.Errorf("what is right is found fault with:\n%s", got)
	}
}

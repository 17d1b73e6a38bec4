package open_test

import (
	"strings"
	"testing"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/connector/open"
)

func TestEveryNamedConnectorOpensWithoutACall(t *testing.T) {
	t.Parallel()
	fleet := memory.NewFleet()
	statements := connector.Statements{Account: connector.AccountStatements{
		Get:     "select account, external_id, enabled from t where account = :account",
		Create:  "insert into t values (:account, :external_id, :enabled)",
		Update:  "update t set external_id = :external_id where account = :account",
		Enable:  "update t set enabled = true where account = :account",
		Disable: "update t set enabled = false where account = :account",
	}}
	settings := map[string]connector.Settings{
		"memory": {},
		"rest": {Connection: map[string]string{"url": "https://desk.example/api"}, REST: &connector.REST{
			Account: connector.RESTAccount{ID: "item.id", Account: "item.login", Enabled: "item.active"},
			Calls: map[string]connector.RESTCall{"get": {Path: "u/{id}"}, "find": {Path: "u"}, "create": {Path: "u"}, "update": {Path: "u/{id}"},
				"enable": {Path: "u/{id}"}, "disable": {Path: "u/{id}"}}}},
		"ticket": {Connection: map[string]string{"url": "https://itsm.example/api"}, Ticket: &connector.Ticket{
			ID: "item.id", State: "item.state", Payload: "item.payload", Find: connector.RESTCall{Path: "t"}, Open: connector.RESTCall{Path: "t"}}},
		"ldap": {Connection: map[string]string{"url": "ldaps://ldap.acme.example", "base": "ou=people,dc=acme,dc=example"}},
		"ad":   {Connection: map[string]string{"url": "ldaps://dc1.acme.example", "base": "ou=people,dc=acme,dc=example"}},
		"scim": {Connection: map[string]string{"url": "https://chat.example/scim/v2", "token": "t"}, Entitlements: []string{"group"}},
		"sql":  {Connection: map[string]string{"url": "postgres://erp.example/erp"}, SQL: &statements},
	}
	for _, name := range open.Names() {
		s := settings[name]
		s.Name, s.Connector = "target-"+name, name
		c, err := open.Factory{Memory: fleet}.Open(s)
		if err != nil {
			t.Fatalf("open %s: %v", name, err)
		}
		if err := connector.Close(c); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
		if name == "memory" && c != connector.Connector(fleet.Target("target-memory")) {
			t.Error("the memory target is not the fleet's")
		}
	}
}

func TestWrongSettingsAreRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		settings connector.Settings
		say      string
	}{
		{connector.Settings{Connector: "smoke-signals"}, "it is one of ad, ldap, memory, rest, scim, sql, ticket"},
		{connector.Settings{Connector: "memory"}, "this process has no memory targets"},
		{connector.Settings{Connector: "memory", Connection: map[string]string{"url": "x"}}, "it takes none"},
		{connector.Settings{Connector: "scim"}, "connection.url must be the http or https address"},
		{connector.Settings{Connector: "scim", Connection: map[string]string{"uri": "x"}}, "connection.uri is not known to connector scim; it takes url, token"},
		{connector.Settings{Connector: "scim", Connection: map[string]string{"url": "https://a:b@chat.example"}}, "use connection.username"},
		{connector.Settings{Connector: "scim", Connection: map[string]string{"url": "https://chat.example"}, Entitlements: []string{"role"}}, `SCIM has the kind "group" only`},
		{connector.Settings{Connector: "scim", Connection: map[string]string{"url": "https://chat.example"}, Attributes: []string{"emails"}}, "write emails.work"},
		{connector.Settings{Connector: "scim", SQL: &connector.Statements{}}, "the sql section is for connector sql"},
		{connector.Settings{Connector: "sql", Connection: map[string]string{"url": "postgres://erp.example/erp"}}, "has no sql section"},
		{connector.Settings{Connector: "ad", Connection: map[string]string{"url": "ldap://127.0.0.1", "base": "dc=acme,dc=example"}}, "passwords over TLS only"},
		{connector.Settings{Connector: "scim", Entitlements: []string{"account"}}, `"account" is no kind`},
	} {
		_, err := open.Factory{}.Open(row.settings)
		if err == nil || !strings.Contains(err.Error(), row.say) || connector.ClassOf(err).Retryable() {
			t.Errorf("%+v: %v, want a final error that says %q", row.settings, err, row.say)
		}
	}
}

package sqldb_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/sqldb"
)

// schema suits both databases.
const schema = `
create table accounts (
	account text primary key check (account <> 'refused'), external_id text unique, enabled boolean not null,
	title text, office text check (length(office) < 40));
create table roles (name text primary key);
create table account_roles (
	account text not null references accounts on delete cascade,
	role text not null references roles,
	primary key (account, role));`

// statements are what a target file would have for that schema.
func statements() connector.Statements {
	columns := "select account, external_id, enabled, title, office from accounts "
	return connector.Statements{
		Account: connector.AccountStatements{
			Get:     columns + "where account = :account or external_id = :external_id",
			List:    columns + "where account > :after order by account limit :limit",
			Create:  "insert into accounts (account, external_id, enabled, title, office) values (:account, :external_id, :enabled, :title, :office)",
			Update:  "update accounts set external_id = :external_id, title = :title, office = :office where account = :account",
			Enable:  "update accounts set enabled = true where account = :account",
			Disable: "update accounts set enabled = false where account = :account",
			Delete:  "delete from accounts where account = :account;",
		},
		Entitlements: map[string]connector.EntitlementStatements{"role": {
			List:   "select role from account_roles where account = :account",
			Grant:  "insert into account_roles (account, role) values (:account, :name) -- :not a parameter",
			Revoke: "delete from account_roles where account = :account and role = :name",
		}},
	}
}

// database is a target: the URL for the connector, and a pool for everything beside it.
type database struct {
	url   string
	admin *sql.DB
}

func openAdmin(t *testing.T, driver, source string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatalf("open %s: %v", driver, err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close %s: %v", driver, err)
		}
	})
	return db
}

func newSQLite(t *testing.T) database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.db")
	d := database{url: "sqlite://" + path + "?_pragma=foreign_keys(1)&_pragma=busy_timeout(2000)&_pragma=synchronous(off)",
		admin: openAdmin(t, "sqlite", path+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(2000)&_pragma=synchronous(off)")}
	d.exec(t, schema)
	return d
}

func (d database) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := d.admin.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func (d database) settings() connector.Settings {
	st := statements()
	return connector.Settings{Name: "erp", Connector: "sql", SQL: &st, Entitlements: []string{"role"},
		Connection: map[string]string{"url": d.url}}
}

func open(t *testing.T, s connector.Settings) *sqldb.DB {
	t.Helper()
	c, err := sqldb.Open(s)
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

func (d database) reset(t *testing.T) {
	t.Helper()
	d.exec(t, "delete from account_roles")
	d.exec(t, "delete from accounts")
	d.exec(t, "delete from roles")
	for _, name := range connectortest.Names() {
		d.exec(t, "insert into roles (name) values ($1)", name)
	}
}

func (d database) objects(t *testing.T) []connector.Object {
	t.Helper()
	rows, err := d.admin.QueryContext(context.Background(), `
		select a.account, coalesce(external_id, ''), enabled, coalesce(title, ''), coalesce(office, ''), coalesce(role, '')
		from accounts a left join account_roles r on r.account = a.account order by a.account, role`)
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	defer rows.Close()
	var out []connector.Object
	for rows.Next() {
		var o connector.Object
		var title, office, role string
		if err := rows.Scan(&o.Account, &o.ExternalID, &o.Enabled, &title, &office, &role); err != nil {
			t.Fatalf("inspect: %v", err)
		}
		if len(out) == 0 || out[len(out)-1].Account != o.Account {
			o.Attributes = map[string]string{"title": title, "office": office}
			out = append(out, o)
		}
		if role != "" {
			last := &out[len(out)-1]
			last.Entitlements = append(last.Entitlements, "role/"+role)
			slices.Sort(last.Entitlements)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("inspect: %v", err)
	}
	return out
}

func (d database) conforms(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{
		New:        func(t *testing.T) connector.Connector { return open(t, d.settings()) },
		Reset:      d.reset,
		Inspect:    d.objects,
		Attributes: [2]string{"title", "office"},
		Kind:       "role",
	})
}

// refusals are the same in both databases.
func (d database) refusals(t *testing.T) {
	d.reset(t)
	c := open(t, d.settings())
	create := func(account string, attributes map[string]string) error {
		o := connector.Object{Ref: connector.Ref{Account: account, ExternalID: "id " + account}, Enabled: true, Attributes: attributes}
		_, err := c.Apply(t.Context(), connector.Op{Verb: connector.Create, Ref: o.Ref, Want: o})
		return err
	}
	secret := strings.Repeat("much too long ", 5)
	for name, row := range map[string]struct {
		err  error
		want connector.Class
	}{
		"a check that fails is invalid":     {create("refused", nil), connector.Invalid},
		"a value that is too long":          {create("long", map[string]string{"office": secret}), connector.Invalid},
		"an attribute no statement writes":  {create("other", map[string]string{"shoe_size": "44"}), connector.Unsupported},
		"a good one is made":                {create("ana.berg", nil), ""},
		"and is there when made once again": {create("ana.berg", nil), connector.Conflict},
	} {
		if got := connector.ClassOf(row.err); got != row.want {
			t.Errorf("%s: class %q, want %q: %v", name, got, row.want, row.err)
		}
		if row.err != nil && strings.Contains(row.err.Error(), secret) {
			t.Errorf("%s: the error quotes the value: %v", name, row.err)
		}
	}
	_, err := c.Apply(t.Context(), connector.Op{Verb: connector.Grant, Ref: connector.Ref{Account: "ana.berg"},
		Want: connector.Object{Entitlements: []string{"role/none such"}}})
	if connector.ClassOf(err) != connector.Invalid {
		t.Errorf("a role that does not exist: %v, want invalid", err)
	}
	_, err = c.Apply(t.Context(), connector.Op{Verb: connector.Update, Ref: connector.Ref{Account: "ana.berg"},
		Want: connector.Object{Ref: connector.Ref{Account: "ana.novak"}}})
	if connector.ClassOf(err) != connector.Unsupported {
		t.Errorf("a rename: %v, want unsupported", err)
	}
	if all := d.objects(t); len(all) != 1 {
		t.Errorf("the target has %+v, want ana.berg only", all)
	}
}

func (d database) renamedOutside(t *testing.T) {
	d.reset(t)
	c := open(t, d.settings())
	want := connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active}
	out, err := connector.Drive(t.Context(), c, "k", want)
	if err != nil {
		t.Fatalf("drive: %v", err)
	}
	d.exec(t, "update accounts set account = 'ana.novak'")
	want.RemoteID, want.State = out.RemoteID, connector.Disabled
	if out, err = connector.Drive(t.Context(), c, "k", want); err != nil {
		t.Fatalf("drive: %v", err)
	}
	all := d.objects(t)
	if len(all) != 1 || all[0].Account != "ana.novak" || all[0].Enabled || out.RemoteID != "ana.novak" {
		t.Errorf("the target has %+v with remote id %s, want ana.novak disabled", all, out.RemoteID)
	}
}

func (d database) pagesWithoutLimit(t *testing.T) {
	d.reset(t)
	s := d.settings()
	s.SQL.Account.List = "select account, external_id, enabled from accounts"
	c := open(t, s)
	for i := range 7 {
		d.exec(t, "insert into accounts (account, enabled) values ($1, true)", fmt.Sprint("user", i))
	}
	var seen []string
	for token := ""; ; {
		page, err := c.List(t.Context(), connector.ListRequest{Token: token, Limit: 3})
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		for _, o := range page.Objects {
			seen = append(seen, o.Account)
		}
		if token = page.Next; token == "" {
			break
		}
	}
	if got := strings.Join(seen, " "); got != "user0 user1 user2 user3 user4 user5 user6" {
		t.Errorf("listed %s", got)
	}
}

func (d database) all(t *testing.T) {
	d.conforms(t)
	t.Run("what the database refuses has its class and is not quoted", d.refusals)
	t.Run("an account renamed outside is found by its external id", d.renamedOutside)
	t.Run("a list without paging is cut into pages", d.pagesWithoutLimit)
}

package process_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/sqldb/postgrestest"
)

// sqlSchema is an application's. Triggers keep its journal, and let it lie. A listing reads through a view that may be cut.
const sqlSchema = `
create table accounts (account text primary key, external_id text unique, enabled boolean not null, title text);
create table account_roles (account text not null references accounts on delete cascade, role text not null, primary key (account, role));
create table sessions (account text not null references accounts on delete cascade, token text primary key);
create table journal (seq bigserial primary key, account text, verb text, item text, at timestamptz not null default clock_timestamp());
create table misbehaves (how text);

create function note() returns trigger language plpgsql as $$ begin
	if tg_table_name = 'sessions' then insert into journal (account, verb, item) values (old.account, 'end_sessions', old.token);
	elsif tg_table_name = 'account_roles' then
		if tg_op = 'INSERT' then insert into journal (account, verb, item) values (new.account, 'grant', 'role/' || new.role);
		else insert into journal (account, verb, item) values (old.account, 'revoke', 'role/' || old.role); end if;
	elsif tg_op = 'INSERT' then insert into journal (account, verb) values (new.account, 'create');
	elsif tg_op = 'DELETE' then insert into journal (account, verb) values (old.account, 'delete');
	elsif old.enabled and not new.enabled then insert into journal (account, verb) values (new.account, 'disable');
	elsif new.enabled and not old.enabled then insert into journal (account, verb) values (new.account, 'enable');
	elsif old is distinct from new then insert into journal (account, verb) values (new.account, 'update');
	end if;
	return null; end $$;
create trigger noted after insert or update or delete on accounts for each row execute function note();
create trigger noted after insert or delete on account_roles for each row execute function note();

create trigger noted after delete on sessions for each row execute function note();

create function lie() returns trigger language plpgsql as $$ begin
	if exists (select 1 from misbehaves where how = 'lies') then return null; end if;
	if tg_op = 'DELETE' then return old; end if;
	return new; end $$;
create trigger lies before insert or update or delete on accounts for each row execute function lie();
create trigger lies before insert or delete on account_roles for each row execute function lie();

create view listed as select * from accounts
	where not exists (select 1 from misbehaves where how = 'short') or account < (select percentile_disc(0.5) within group (order by account) from accounts);`

// sqlFile is the target file's statements.
const sqlFile = `sql:
    account:
      get: "select account, external_id, enabled, title from accounts where account = :account or external_id = :external_id"
      list: "select account, external_id, enabled, title from listed where account > :after order by account limit :limit"
      create: "insert into accounts (account, external_id, enabled, title) values (:account, :external_id, :enabled, :title)"
      update: "update accounts set external_id = :external_id, title = :title where account = :account"
      enable: "update accounts set enabled = true where account = :account"
      disable: "update accounts set enabled = false where account = :account"
      delete: "delete from accounts where account = :account"
      endSessions: "delete from sessions where account = :account"
    entitlements:
      role:
        list: "select role from account_roles where account = :account"
        grant: "insert into account_roles (account, role) values (:account, :name)"
        revoke: "delete from account_roles where account = :account and role = :name"`

// sqlSubjects are databases of one PostgreSQL.
func sqlSubjects(t testing.TB) func(testing.TB, string) *subject {
	t.Helper()
	server := postgrestest.Start(t)
	admin := server.Admin(t)
	var number atomic.Int64
	return func(t testing.TB, dir string) *subject {
		t.Helper()
		name := fmt.Sprintf("app%d", number.Add(1))
		for _, statement := range []string{"create database " + name, "create role " + name + " login superuser password 'secret-0'"} {
			if _, err := admin.ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		return newSQL(t, dir, server, name)
	}
}

func newSQL(t testing.TB, dir string, server postgrestest.Server, name string) *subject {
	t.Helper()
	db, err := sql.Open("pgx", fmt.Sprintf("postgres://%s:%s@/%s?host=%s", postgrestest.Owner, postgrestest.Password, name, filepath.Dir(server.Socket)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(context.WithoutCancel(t.Context()), statement, args...); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	exec(sqlSchema)
	secret := filepath.Join(dir, "token")
	now, next := numbered()
	write(t, secret, now())
	s := &subject{kind: "role", cascades: true, exec: exec, gate: newGate(t, "unix", server.Socket, sqlWrites)}
	// Each statement travels with its text, so that the gate knows what it sees.
	s.file = fmt.Sprintf(`connection: {url: "postgres://%s/%s?sslmode=disable&default_query_exec_mode=exec", user: %s, password: "file:%s"}
  %s`, s.gate.listen, name, name, secret, sqlFile)
	s.accounts = func(t testing.TB) []connector.Object { return accountsSQL(t, db) }
	s.journal = func(t testing.TB) []entry { return journalSQL(t, db) }
	s.faults = []fault{
		{"lies: done, and did nothing", func() { exec("insert into misbehaves values ('lies')") }, func() { exec("delete from misbehaves") }, true},
		{name: rotated, begin: func() {
			exec("alter role " + name + " password '" + next() + "'")
			exec("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", name)
		}, end: func() { write(t, secret, now()) }},
	}
	s.short = fault{name: "listing cut short", begin: func() { exec("insert into misbehaves values ('short')") }, end: func() { exec("delete from misbehaves") }}
	s.alter = func(t testing.TB, account string, v connector.Verb) {
		switch v {
		case connector.Delete:
			exec("delete from accounts where account = $1", account)
		default:
			exec("update accounts set enabled = $2 where account = $1", account, v == connector.Enable)
		}
	}
	return s
}

// sqlWrites knows a commit of a transaction that changed something.
func sqlWrites() func([]byte) bool {
	dirty := false
	return func(chunk []byte) bool {
		for _, word := range []string{"insert into", "update accounts", "delete from"} {
			dirty = dirty || bytes.Contains(chunk, []byte(word))
		}
		if bytes.Contains(chunk, []byte("rollback")) {
			dirty = false
		}
		if write := dirty && bytes.Contains(chunk, []byte("commit")); write {
			dirty = false
			return true
		}
		return false
	}
}

func accountsSQL(t testing.TB, db *sql.DB) (accounts []connector.Object) {
	t.Helper()
	rows, err := db.QueryContext(context.WithoutCancel(t.Context()), `select a.account, coalesce(external_id, ''), enabled, coalesce(title, ''), coalesce(role, '')
		from accounts a left join account_roles r on r.account = a.account order by 1, 5`)
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	defer rows.Close()
	for rows.Next() {
		var o connector.Object
		var title, role string
		if err := rows.Scan(&o.Account, &o.ExternalID, &o.Enabled, &title, &role); err != nil {
			t.Fatalf("inspect: %v", err)
		}
		if len(accounts) == 0 || accounts[len(accounts)-1].Account != o.Account {
			o.Attributes = map[string]string{"title": title}
			accounts = append(accounts, o)
		}
		if last := &accounts[len(accounts)-1]; role != "" {
			last.Entitlements = append(last.Entitlements, "role/"+role)
			slices.Sort(last.Entitlements)
		}
	}
	return accounts
}

func journalSQL(t testing.TB, db *sql.DB) (journal []entry) {
	t.Helper()
	changes, err := db.QueryContext(context.WithoutCancel(t.Context()), "select account, verb, coalesce(item, ''), at from journal order by seq")
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	defer changes.Close()
	for changes.Next() {
		var c entry
		if err := changes.Scan(&c.account, &c.verb, &c.item, &c.at); err != nil {
			t.Fatalf("inspect: %v", err)
		}
		journal = append(journal, c)
	}
	return journal
}

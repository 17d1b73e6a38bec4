package sqldb_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/sqldb"
)

func TestSQLConformsAgainstSQLite(t *testing.T) {
	t.Parallel()
	newSQLite(t).all(t)
}

func TestALockedDatabaseIsTransientAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	s := d.settings()
	s.Connection["url"] = strings.Replace(d.url, "busy_timeout(2000)", "busy_timeout(1)", 1)
	c := open(t, s)
	conn, err := d.admin.Conn(t.Context())
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "begin exclusive"); err != nil {
		t.Fatalf("lock: %v", err)
	}
	want := connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active}
	for range 2 {
		if _, err := connector.Drive(t.Context(), c, "k", want); connector.ClassOf(err) != connector.Transient {
			t.Fatalf("drive of a locked database: %v, want transient", err)
		}
	}
	if _, err := conn.ExecContext(t.Context(), "commit"); err != nil {
		t.Fatalf("unlock: %v", err)
	}
	if out, err := connector.Drive(t.Context(), c, "k", want); err != nil || len(out.Changes) != 1 {
		t.Errorf("drive afterwards: %+v, %v", out.Changes, err)
	}
}

func TestAFileThatIsMissingIsNotCreated(t *testing.T) {
	t.Parallel()
	s := newSQLite(t).settings()
	s.Connection["url"] = "sqlite://" + filepath.Join(t.TempDir(), "typo.db")
	s.Timeout = time.Second
	findings, err := open(t, s).Check(t.Context())
	if err != nil || len(findings) != 1 || findings[0].Level != connector.Fault {
		t.Errorf("check: %+v, %v; want one fault", findings, err)
	}
}

func TestFaultsOfATargetFileAreAllNamedAtOpen(t *testing.T) {
	t.Parallel()
	s := newSQLite(t).settings()
	s.Attributes = []string{"title"}
	s.Entitlements = []string{"role", "licence"}
	s.SQL.Account.Get = ""
	s.SQL.Account.Enable = "update accounts set enabled = true"
	s.SQL.Account.Disable = "update accounts set enabled = false where account = :acount and :account <> ''"
	s.SQL.Account.Delete = "delete from accounts where account = ':account"
	_, err := sqldb.Open(s)
	if connector.ClassOf(err) != connector.Invalid {
		t.Fatalf("open: %v, want invalid", err)
	}
	for _, want := range []string{
		"sql.account.get is missing",
		"sql.account.enable does not name :account",
		"sql.account.disable names the unknown parameter :acount; it may name :account, :external_id",
		"sql.account.create names the unknown parameter :office",
		"sql.account.delete a string, name or comment is not closed",
		"sql.entitlements.licence is missing",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

func TestASecretInTheURLIsNotInTheError(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://app:hunter2@[::1/x", "mysql://app:hunter2@db.example/x", "postgres://app:hunter2@db.example:port/x", "sqlite://"} {
		s := newSQLite(t).settings()
		s.Connection["url"] = url
		_, err := sqldb.Open(s)
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "connection.url") {
			t.Errorf("%s: %v, want an error that names connection.url and no password", url, err)
		}
	}
}

func TestAGetThatLacksAColumnSaysWhich(t *testing.T) {
	t.Parallel()
	s := newSQLite(t).settings()
	s.SQL.Account.Get = "select account, external_id, enabled, title from accounts where account = :account"
	c := open(t, s)
	_, err := c.Get(t.Context(), connector.Ref{Account: "a"})
	if connector.ClassOf(err) != connector.Invalid || !strings.Contains(err.Error(), `"office"`) {
		t.Errorf("get: %v, want invalid that names office", err)
	}
	findings, err := c.Check(t.Context())
	if err != nil || findings[1].Level != connector.Fault || !strings.Contains(findings[1].Message, `"office"`) {
		t.Errorf("check: %+v, %v", findings, err)
	}
}

func TestSessionsAreEndedWithTheAccountDisabledAndWhoWasNotSignedInCountsAsUnchanged(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	if _, err := d.admin.ExecContext(t.Context(), "create table sessions (account text not null)"); err != nil {
		t.Fatal(err)
	}
	s := d.settings()
	s.SQL.Account.EndSessions = "delete from sessions where account = :account"
	c := open(t, s)
	want := connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active}
	if _, err := connector.Drive(t.Context(), c, "k1", want); err != nil {
		t.Fatal(err)
	}
	if _, err := d.admin.ExecContext(t.Context(), "insert into sessions values ('ana.berg'), ('ana.berg'), ('bob')"); err != nil {
		t.Fatal(err)
	}
	want.State, want.EndSessions = connector.Disabled, true
	for _, verbs := range [][]connector.Verb{{connector.Disable, connector.EndSessions}, nil} {
		out, err := connector.Drive(t.Context(), c, "k2", want)
		if err != nil || len(out.Changes) != len(verbs) {
			t.Fatalf("changes %+v, %v, want %v", out.Changes, err, verbs)
		}
		for i, verb := range verbs {
			if out.Changes[i].Verb != verb {
				t.Errorf("change %d is %s, want %s", i, out.Changes[i].Verb, verb)
			}
		}
	}
	var left string
	if err := d.admin.QueryRowContext(t.Context(), "select group_concat(account) from sessions").Scan(&left); err != nil || left != "bob" {
		t.Errorf("signed in: %s, %v", left, err)
	}
	if _, err := connector.Drive(t.Context(), open(t, d.settings()), "k3", want); err != nil {
		t.Errorf("a target that cannot end sessions: %v", err)
	}
}

func TestWhoGetsTheNameOfADeletedAccountInheritsNothing(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	for _, statement := range []string{"drop table account_roles", "create table account_roles (account text not null, role text not null)"} { // it does not cascade
		if _, err := d.admin.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	c := open(t, d.settings())
	want := connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active, ManagedKinds: []string{"role"}, Entitlements: []string{"role/engineering"}}
	if _, err := connector.Drive(t.Context(), c, "k1", want); err != nil {
		t.Fatal(err)
	}
	want.State, want.Entitlements = connector.Absent, nil
	if _, err := connector.Drive(t.Context(), c, "k2", want); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := d.admin.QueryRowContext(t.Context(), "select count(*) from account_roles").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d roles wait for the next of that name, %v", left, err)
	}
}

package sqldb_test

import (
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/sqldb/postgrestest"
)

func TestSQLConformsAgainstPostgreSQL(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	d.all(t)
	t.Run("missing rights are denied", d.denied)
	t.Run("a wrong password is denied and not told", d.wrongPassword)
	t.Run("a backend that is stopped is transient", d.terminated)
	t.Run("of two writers of one account the slower is told to try again", d.overtaken)
}

func newPostgres(t *testing.T) database {
	t.Helper()
	server := postgrestest.Start(t)
	d := database{url: server.URL, admin: server.Admin(t)}
	d.exec(t, schema)
	return d
}

func (d database) as(user, password string) connector.Settings {
	s := d.settings()
	s.Connection["user"], s.Connection["password"] = user, password
	return s
}

func (d database) denied(t *testing.T) {
	d.reset(t)
	d.exec(t, "create role reader login password 'r3ader'")
	d.exec(t, "grant select on accounts, account_roles to reader")
	c := open(t, d.as("reader", "r3ader"))
	_, err := connector.Drive(t.Context(), c, "k", connector.Desired{Account: "ana.berg", State: connector.Active})
	if connector.ClassOf(err) != connector.Denied {
		t.Errorf("drive: %v, want denied", err)
	}
}

func (d database) wrongPassword(t *testing.T) {
	findings, err := open(t, d.as("owner", "wr0ng-one")).Check(t.Context())
	if err != nil || len(findings) != 1 || findings[0].Level != connector.Fault {
		t.Fatalf("check: %+v, %v; want one fault", findings, err)
	}
	said := findings[0].Message
	if !strings.Contains(said, string(connector.Denied)) || strings.Contains(said, "wr0ng-one") || strings.Contains(said, "s3cret") {
		t.Errorf("the finding is %q; want denied, and no password", said)
	}
}

func (d database) terminated(t *testing.T) {
	d.reset(t)
	c := open(t, d.settings())
	if _, err := c.Get(t.Context(), connector.Ref{Account: "a"}); connector.ClassOf(err) != connector.NotFound {
		t.Fatalf("get: %v", err)
	}
	d.exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename = 'owner'")
	// The pool may notice by itself and connect anew; what must not happen is another class.
	_, err := c.Get(t.Context(), connector.Ref{Account: "a"})
	if class := connector.ClassOf(err); class != connector.Transient && class != connector.NotFound {
		t.Errorf("get on a stopped backend: %v", err)
	}
	if _, err = connector.Drive(t.Context(), c, "k", connector.Desired{Account: "ana.berg", State: connector.Active}); err != nil {
		t.Errorf("drive afterwards: %v", err)
	}
}

// overtaken holds the row's lock with a change of its own until the connector waits for it.
func (d database) overtaken(t *testing.T) {
	d.reset(t)
	c := open(t, d.settings())
	d.exec(t, "insert into accounts (account, enabled) values ('ana.berg', true)")
	tx, err := d.admin.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	if _, err := tx.ExecContext(t.Context(), "update accounts set title = 'theirs'"); err != nil {
		t.Fatalf("update: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := c.Apply(t.Context(), connector.Op{Verb: connector.Update, Ref: connector.Ref{Account: "ana.berg"},
			Want: connector.Object{Attributes: map[string]string{"title": "ours"}}})
		done <- err
	}()
	d.awaitWaiter(t)
	if err := tx.Commit(); err != nil {
		t.Fatalf("commit: %v", err)
	}
	if err := <-done; connector.ClassOf(err) != connector.Transient {
		t.Errorf("the slower writer got %v, want transient", err)
	}
	if got := d.objects(t)[0].Attributes["title"]; got != "theirs" {
		t.Errorf("title is %q, want what the faster one wrote", got)
	}
}

func (d database) awaitWaiter(t *testing.T) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		var waiting int
		if err := d.admin.QueryRowContext(t.Context(), "select count(*) from pg_stat_activity where wait_event_type = 'Lock'").Scan(&waiting); err != nil {
			t.Fatalf("look for the waiting one: %v", err)
		}
		if waiting > 0 {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("nobody waits for the lock")
		case <-poll.C:
		}
	}
}

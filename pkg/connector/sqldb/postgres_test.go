package sqldb_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"joinery.internal/pkg/connector"
)

// nobody is who PostgreSQL runs as when the tests run as root, which it refuses.
const nobody = 65534

func TestSQLConformsAgainstPostgreSQL(t *testing.T) {
	t.Parallel()
	d := newPostgres(t)
	d.all(t)
	t.Run("missing rights are denied", d.denied)
	t.Run("a wrong password is denied and not told", d.wrongPassword)
	t.Run("a backend that is stopped is transient", d.terminated)
	t.Run("of two writers of one account the slower is told to try again", d.overtaken)
}

// newPostgres starts a server of its own, on a socket only; it ends with the test.
func newPostgres(t *testing.T) database {
	t.Helper()
	bin := postgresBin(t)
	dir, err := os.MkdirTemp("", "pg") // short: the path of a socket is limited
	if err != nil {
		t.Fatalf("make a folder: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the database: %v", err)
		}
	})
	attributes := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		// In some containers /dev/null is root's alone, and initdb's shell needs it.
		attributes.AmbientCaps = []uintptr{unix.CAP_DAC_OVERRIDE}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatalf("give the folder away: %v", err)
		}
	}
	data := filepath.Join(dir, "data")
	passwords := filepath.Join(dir, "pw")
	if err := os.WriteFile(passwords, []byte("s3cret-owner\n"), 0o644); err != nil {
		t.Fatalf("write the password: %v", err)
	}
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "-D", data, "-U", "owner", "-A", "scram-sha-256",
		"--pwfile", passwords, "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attributes, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off")
	server.SysProcAttr, server.Dir = attributes, dir
	if err := server.Start(); err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(server.Process.Signal(syscall.SIGQUIT), ignoreExit(server.Wait())); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	d := database{url: "postgres://owner:s3cret-owner@/postgres?host=" + dir}
	d.admin = openAdmin(t, "pgx", d.url)
	awaitPing(t, d)
	d.exec(t, schema)
	return d
}

// ignoreExit drops the status of a process that was told to stop.
func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}

func postgresBin(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		t.Fatal("PostgreSQL is not installed; on Debian: apt-get install postgresql")
	}
	return filepath.Dir(found[len(found)-1])
}

func awaitPing(t *testing.T, d database) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		err := d.admin.PingContext(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("PostgreSQL does not answer: %v", err)
		case <-poll.C:
		}
	}
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

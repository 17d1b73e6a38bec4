// Package postgrestest starts a PostgreSQL of a test's own.
//
// It owns the server and its folder; both end with the test. It owns no schema. The server listens on a socket in that
// folder, and on loopback only if Port is set.
//
//	server := postgrestest.Start(t)
//	db, err := sql.Open("pgx", server.URL)
package postgrestest

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"golang.org/x/sys/unix"
)

// nobody is who PostgreSQL runs as when the tests run as root, which it refuses.
const nobody = 65534

// The superuser.
const (
	Owner    = "owner"
	Password = "s3cret-owner"
)

// Server is a running PostgreSQL.
type Server struct {
	URL    string // of database postgres, as the owner
	Socket string
}

// Options of a server.
type Options struct {
	Port     int      // on loopback, for clients that know no sockets; 0: none
	Settings []string // such as wal_level=logical
}

// Start starts a server and returns when it answers.
func Start(t testing.TB) Server { t.Helper(); return StartWith(t, Options{}) }

// StartWith is Start with options.
func StartWith(t testing.TB, o Options) Server {
	t.Helper()
	bin := binaries(t)
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
	if err := os.WriteFile(passwords, []byte(Password+"\n"), 0o644); err != nil {
		t.Fatalf("write the password: %v", err)
	}
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "-D", data, "-U", Owner, "-A", "scram-sha-256",
		"--pwfile", passwords, "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attributes, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	const port = 5432
	listen := "listen_addresses="
	if o.Port != 0 {
		listen = "listen_addresses=127.0.0.1"
	}
	args := []string{"-D", data, "-k", dir, "-c", listen, "-p", strconv.Itoa(cmp.Or(o.Port, port)), "-c", "fsync=off"}
	for _, setting := range o.Settings {
		args = append(args, "-c", setting)
	}
	server := exec.Command(filepath.Join(bin, "postgres"), args...)
	server.SysProcAttr, server.Dir = attributes, dir
	if err := server.Start(); err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(server.Process.Signal(syscall.SIGQUIT), ignoreExit(server.Wait())); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	s := Server{URL: "postgres://" + Owner + ":" + Password + "@/postgres?host=" + dir + "&port=" + strconv.Itoa(cmp.Or(o.Port, port)),
		Socket: filepath.Join(dir, ".s.PGSQL."+strconv.Itoa(cmp.Or(o.Port, port)))}
	s.await(t)
	return s
}

// ignoreExit drops the status of a process that was told to stop.
func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}

func binaries(t testing.TB) string {
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

// Admin opens a pool as the owner; it ends with the test.
func (s Server) Admin(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", s.URL)
	if err != nil {
		t.Fatalf("open PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close PostgreSQL: %v", err)
		}
	})
	return db
}

func (s Server) await(t testing.TB) {
	t.Helper()
	db, err := sql.Open("pgx", s.URL)
	if err != nil {
		t.Fatalf("open PostgreSQL: %v", err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Errorf("close PostgreSQL: %v", err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if err = db.PingContext(ctx); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("PostgreSQL does not answer: %v", err)
		case <-poll.C:
		}
	}
}

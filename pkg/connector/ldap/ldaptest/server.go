package ldaptest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/sys/unix"

	"joinery.internal/pkg/child"
	"joinery.internal/pkg/child/childtest"
)

const (
	patience = time.Minute // for a server to start, on a machine that does much else
	logShown = 4000        // bytes of a server's log that a failed test shows
)

// Login is a DN that can bind.
type Login struct{ DN, Password string }

// Server is a running directory.
type Server struct {
	URL     string // ldap://; takes StartTLS
	TLSURL  string // ldaps://
	CAFile  string // PEM of the authority that signed its certificate
	Base    string // DN of the whole directory
	People  string // DN below which accounts are
	Groups  string // DN below which groups are
	Service Login  // what a connector would bind as
	Admin   Login  // may do anything
	Log     string // file of what it says; Samba notes each change in it (dsdb_json_audit)

	t       testing.TB
	domain  bool // it is a domain controller
	args    []string
	ready   func() error // nil: it serves
	process *child.Process
	pid     int
}

// TLS trusts the server's authority, and nobody else.
func (s *Server) TLS() *tls.Config {
	s.t.Helper()
	pem, err := os.ReadFile(s.CAFile)
	s.must("read the authority's certificate", err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		s.t.Fatalf("ldaptest: %s holds no certificate", s.CAFile)
	}
	u, err := url.Parse(s.URL)
	s.must("parse the server's URL", err)
	return &tls.Config{RootCAs: roots, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
}

// Door is what another listener at the server's address needs to speak TLS in its place.
func (s *Server) Door() *tls.Config {
	s.t.Helper()
	dir := filepath.Dir(s.CAFile)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	s.must("read the server's certificate", err)
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// AdminConn is a connection that may do anything; it ends with the test.
func (s *Server) AdminConn() *ldap.Conn {
	s.t.Helper()
	conn, err := ldap.DialURL(s.TLSURL, ldap.DialWithTLSConfig(s.TLS()))
	s.must("connect as administrator", err)
	conn.SetTimeout(patience)
	s.t.Cleanup(func() { _ = conn.Close() }) // the server may have ended it
	s.must("bind as administrator", conn.Bind(s.Admin.DN, s.Admin.Password))
	return conn
}

// Empty deletes every entry below the containers of people and groups, over a connection of AdminConn.
func (s *Server) Empty(admin *ldap.Conn) {
	s.t.Helper()
	for _, base := range []string{s.Groups, s.People} {
		for { // leaves first: what has children is refused and goes in the next round
			found, err := admin.SearchWithPaging(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
				0, 0, false, "(objectClass=*)", []string{"1.1"}, nil), 500)
			s.must("list "+base, err)
			below := slices.DeleteFunc(found.Entries, func(e *ldap.Entry) bool { return strings.EqualFold(e.DN, base) })
			if len(below) == 0 {
				break
			}
			for _, e := range below {
				if err := admin.Del(ldap.NewDelRequest(e.DN, nil)); err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultNotAllowedOnNonLeaf) {
					s.must("delete "+e.DN, err)
				}
			}
		}
	}
}

// Kill9 kills the server and returns when it is gone.
func (s *Server) Kill9() {
	s.t.Helper()
	s.signal(unix.SIGKILL)
	<-s.process.Done()
}

// Restart starts a server that was killed, on its data and addresses.
func (s *Server) Restart() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	s.must("restart the server", s.start(ctx))
}

// Pause stops the server from running until Resume: its connections stay open and say nothing.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal(unix.SIGSTOP)
	for !childtest.Stopped(s.pid) { // a thread of it may still be answering
		runtime.Gosched()
	}
}

// Resume lets the server run again.
func (s *Server) Resume() { s.t.Helper(); s.signal(unix.SIGCONT) }

func (s *Server) signal(sig unix.Signal) {
	s.t.Helper()
	s.must("signal the server", unix.Kill(s.pid, sig))
}

func (s *Server) must(what string, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("ldaptest: %s: %v", what, err)
	}
}

// run starts the server for the test.
func (s *Server) run() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	err := s.start(ctx)
	s.t.Cleanup(s.close)
	s.must("start the server", err)
}

func (s *Server) start(ctx context.Context) error {
	process, err := child.Start(context.WithoutCancel(ctx), child.Spec{Args: child.Guarded(s.args...), Log: s.Log})
	if err != nil {
		return err
	}
	s.process = process
	line, err := process.Ready(ctx)
	if err != nil {
		return err
	}
	if s.pid, err = strconv.Atoi(line); err != nil {
		return err
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := s.ready()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-process.Done():
			return errors.Join(err, process.Err())
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// close ends the server, and shows what it had to say if the test has failed.
func (s *Server) close() {
	if s.process != nil {
		_ = unix.Kill(s.pid, unix.SIGKILL) // it may be gone already
		<-s.process.Done()
	}
	if b, err := os.ReadFile(s.Log); err == nil && s.t.Failed() {
		s.t.Logf("end of %s:\n%s", s.Log, b[max(0, len(b)-logShown):])
	}
}

// dials is the readiness of a server that takes connections and a bind.
func (s *Server) dials() error {
	conn, err := ldap.DialURL(s.URL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it has served
	conn.SetTimeout(time.Second)        // one that connects while the server starts may never hear from it
	_, err = conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 5, false, "(objectClass=*)", []string{"namingContexts"}, nil))
	return err
}

// fill adds entries as the administrator.
func (s *Server) fill(entries []*ldap.AddRequest) {
	s.t.Helper()
	conn := s.AdminConn()
	for _, e := range entries {
		if err := conn.Add(e); err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists) {
			s.must("add "+e.DN, err)
		}
	}
}

func entry(dn string, attributes map[string][]string) *ldap.AddRequest {
	r := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		r.Attribute(name, values)
	}
	return r
}

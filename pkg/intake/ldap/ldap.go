package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/intake"
)

const (
	pollEvery     = 2 * time.Second
	answerTimeout = 10 * time.Minute // of a listing of everybody
	dialTimeout   = 10 * time.Second
	maxSteps      = 1000 // of one transaction

	controlSyncrepl = "1.3.6.1.4.1.4203.1.9.1.1"
	controlDirSync  = "1.2.840.113556.1.4.841"
)

// follower follows one directory over one connection.
type follower struct {
	source intake.Source
	c      config.LDAPIntake
	conn   *ldap.Conn
	ledger *intake.Ledger
	ask    func(ctx context.Context, cookie []byte) (changes, error)
	count  int64
}

// Run follows the directory until ctx ends or something fails.
func Run(ctx context.Context, s intake.Source, c config.LDAPIntake) error {
	f, err := open(ctx, s, c)
	if err != nil {
		return err
	}
	defer f.close()
	stop := context.AfterFunc(ctx, func() { f.conn.Close() }) //nolint:errcheck // ends a question under way
	defer stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := f.poll(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func open(ctx context.Context, s intake.Source, c config.LDAPIntake) (*follower, error) {
	conn, err := dial(c)
	if err != nil {
		return nil, err
	}
	f := &follower{source: s, c: c, conn: conn}
	if f.ask, err = f.protocol(); err == nil {
		f.ledger, err = s.OpenLedger(ctx)
	}
	if err == nil {
		if b, ok := f.ledger.Marks()[countMark]; ok {
			f.count, err = strconv.ParseInt(string(b), 10, 64)
		}
	}
	if err != nil {
		f.close()
		return nil, fmt.Errorf("follow %s: %w", c.URL, err)
	}
	return f, nil
}

func (f *follower) close() {
	f.conn.Close() //nolint:errcheck // it may be closed
	if f.ledger != nil {
		f.ledger.Close()
	}
}

// poll asks once, and makes the answer durable.
func (f *follower) poll(ctx context.Context) error {
	c, err := f.ask(ctx, f.ledger.Marks()[cookieMark])
	if err != nil {
		return err
	}
	f.source.Meter.Heard(time.Now())
	steps := c.fold(f.source.Mapper, f.ledger.Marks(), f.count+1, time.Now().UTC())
	if len(steps) == 0 {
		return nil
	}
	f.count++
	for part := range slices.Chunk(steps, maxSteps) {
		if err := f.ledger.Commit(ctx, f.batch(part)); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) batch(steps []step) intake.Batch {
	b := intake.Batch{Marks: map[string][]byte{countMark: strconv.AppendInt(nil, f.count, 10)}}
	for _, s := range steps {
		b.Records, b.Rejects = append(b.Records, s.records...), append(b.Rejects, s.rejects...)
		b.Marks[s.mark] = s.value
	}
	return b
}

// dial connects and binds.
func dial(c config.LDAPIntake) (*ldap.Conn, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read the authority of %s: %w", c.URL, err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the authority of %s: %s holds no certificate", c.URL, c.CA)
		}
	}
	conn, err := ldap.DialURL(c.URL, ldap.DialWithTLSConfig(trust), ldap.DialWithDialer(&net.Dialer{Timeout: dialTimeout}))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.URL, err)
	}
	conn.SetTimeout(time.Minute)
	if c.BindDN == "" {
		return conn, nil
	}
	password, err := c.Password.Resolve()
	if err == nil {
		err = secure(conn, c.URL, trust)
	}
	if err == nil {
		err = conn.Bind(c.BindDN, password)
	}
	if err != nil {
		conn.Close() //nolint:errcheck // never used
		return nil, fmt.Errorf("bind to %s as %s: %w", c.URL, c.BindDN, err)
	}
	return conn, nil
}

// secure makes a connection one that a password may be sent over.
func secure(conn *ldap.Conn, address string, trust *tls.Config) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "ldap" {
		return err
	}
	trust = trust.Clone()
	trust.ServerName = u.Hostname()
	if err := conn.StartTLS(trust); err != nil {
		return fmt.Errorf("start TLS, for no password is sent without: %w", err)
	}
	return nil
}

// protocol chooses what the server speaks.
func (f *follower) protocol() (func(context.Context, []byte) (changes, error), error) {
	root, err := f.conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
		[]string{"supportedControl", "defaultNamingContext"}, nil))
	if err != nil || len(root.Entries) != 1 {
		return nil, fmt.Errorf("ask what the server speaks: %w", err)
	}
	e := root.Entries[0]
	controls, whole := e.GetAttributeValues("supportedControl"), e.GetAttributeValue("defaultNamingContext")
	switch {
	case slices.Contains(controls, controlDirSync):
		filter := cmp.Or(f.c.Filter, "(&(objectClass=user)(!(objectClass=computer)))")
		return func(ctx context.Context, cookie []byte) (changes, error) {
			return dirsync(ctx, f.conn, whole, f.c.Base, filter, cookie)
		}, nil
	case slices.Contains(controls, controlSyncrepl):
		filter := cmp.Or(f.c.Filter, "(objectClass=person)")
		return func(ctx context.Context, cookie []byte) (changes, error) {
			return syncrepl(ctx, f.conn, f.c.Base, filter, cookie)
		}, nil
	}
	return nil, fmt.Errorf("the server speaks neither Syncrepl (%s) nor DirSync (%s); slapd needs its overlay syncprov", controlSyncrepl, controlDirSync)
}

package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"joinery.internal/pkg/address"
	"joinery.internal/pkg/connector"
)

// maxConnections bounds the pool; the target file's limits.concurrency is what usually binds.
const maxConnections = 16

// DB is one database.
type DB struct {
	name    string
	db      *sql.DB
	set     set
	timeout time.Duration
	dialect dialect
}

// Keys are the connection keys.
func Keys() []string { return []string{"url", "user", "password"} }

// Open checks the settings and the statements; it does not connect, so that a target that is down can be opened.
func Open(s connector.Settings) (*DB, error) {
	op := "open target " + s.Name
	if err := s.CheckKeys(Keys()...); err != nil {
		return nil, err
	}
	db, d, err := dataSource(s.Connection)
	if err != nil {
		return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	if s.SQL == nil {
		return nil, connector.Errorf(connector.Invalid, op, "the target file has no sql section; connector sql needs its statements")
	}
	statements, err := parseSet(*s.SQL, s.Entitlements, s.Attributes, d)
	if err != nil {
		return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	db.SetMaxOpenConns(maxConnections)
	db.SetMaxIdleConns(maxConnections)
	return &DB{name: s.Name, db: db, set: statements, timeout: s.CallTimeout(), dialect: d}, nil
}

// dataSource turns connection keys into a pool that has not connected yet.
func dataSource(connection map[string]string) (*sql.DB, dialect, error) {
	u, err := url.Parse(connection["url"])
	if err != nil {
		return nil, 0, errURL // not the parser's own error: it quotes the URL, which may hold a password
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		config, err := postgres(connection)
		if err != nil {
			return nil, 0, err
		}
		return stdlib.OpenDB(*config), dollar, nil
	case "sqlite":
		path := u.Host + u.Path // sqlite://relative.db, sqlite:///absolute.db
		if path == "" {
			return nil, 0, errURL
		}
		options := u.RawQuery
		if options != "" {
			options += "&"
		}
		// A transaction takes the write lock when it begins: two that read first and write then would both fail.
		// A file that is missing stays missing.
		db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+options+"_txlock=immediate&mode=rw")
		if err != nil {
			return nil, 0, fmt.Errorf("connection.url: %w", err)
		}
		return db, question, nil
	default:
		return nil, 0, errURL
	}
}

// postgres reads the connection keys of a PostgreSQL server.
func postgres(connection map[string]string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(connection["url"])
	if err != nil {
		return nil, errURL
	}
	if user := connection["user"]; user != "" {
		u.User = url.UserPassword(user, connection["password"])
	}
	// Without a word on it the driver would take any certificate, or none. A socket's folder is no host.
	q := u.Query()
	host := cmp.Or(u.Hostname(), q.Get("host"), "/")
	if q.Get("sslmode") == "" && !strings.HasPrefix(host, "/") && !address.Loopback(host) {
		q.Set("sslmode", "verify-full")
		u.RawQuery = q.Encode()
	}
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("connection.url: %w", err)
	}
	return config, nil
}

// Close closes the pool.
func (c *DB) Close() error { return c.db.Close() }

// Describe says what the statements allow; it makes no call.
func (c *DB) Describe(context.Context) (connector.Descriptor, error) {
	kinds := slices.Sorted(maps.Keys(c.set.entitlements))
	if kinds == nil {
		kinds = []string{}
	}
	return connector.Descriptor{
		Connector: "sql", Kinds: kinds, Attributes: c.set.attributes(),
		ExternalID: true, Conditional: true, List: c.set.list.text != "", Sessions: c.set.endSessions.text != "",
	}, nil
}

// Check connects, and runs the statements that read. Rights to write show only in writing.
func (c *DB) Check(ctx context.Context) ([]connector.Finding, error) {
	var findings []connector.Finding
	found := func(subject string, err error, good string) bool {
		f := connector.Finding{Level: connector.OK, Subject: subject, Message: good}
		if err != nil {
			f.Level, f.Message = connector.Fault, err.Error()
		}
		findings = append(findings, f)
		return err == nil
	}
	pingCtx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.db.PingContext(pingCtx)
	if ctx.Err() != nil {
		return nil, connector.ContextError(ctx, "check target", false)
	}
	if err != nil {
		err = connector.Errorf(classOf(err), "connect", "%w; see connection.url, user and password", err)
	}
	if !found("reachable", err, "the database answers") {
		return findings, nil
	}
	err = c.tx(ctx, "read accounts", connector.Object{}, true, c.checkReads)
	if ctx.Err() != nil {
		return nil, connector.ContextError(ctx, "check target", false)
	}
	found("read accounts", err, "the statements that read work")
	if c.set.list.text == "" {
		findings = append(findings, connector.Finding{Level: connector.Warning, Subject: "list accounts",
			Message: "sql.account.list is missing: the target cannot be reconciled"})
	}
	return findings, nil
}

// checkReads runs every reading statement for an account that does not exist.
func (c *DB) checkReads(ctx context.Context, tx *sql.Tx) error {
	nobody := values{paramAccount: "", paramExternalID: nil, paramAfter: "", paramLimit: 1}
	columns, _, err := query(ctx, tx, c.set.get, nobody)
	if err != nil {
		return err
	}
	if err := c.checkColumns(columns); err != nil {
		return err
	}
	if c.set.list.text != "" {
		if columns, _, err = query(ctx, tx, c.set.list, nobody); err != nil {
			return err
		}
		if err := checkKeyColumns("list", columns); err != nil {
			return err
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(c.set.entitlements)) {
		if _, err := c.entitlementsOf(ctx, tx, kind, nobody); err != nil {
			return err
		}
	}
	return nil
}

// checkColumns compares the columns of get with what the target file writes: an attribute that is written and never
// read would be written for ever.
func (c *DB) checkColumns(columns []string) error {
	if err := checkKeyColumns("get", columns); err != nil {
		return err
	}
	for _, param := range c.set.attributes() {
		if !slices.Contains(columns, param) {
			return connector.Errorf(connector.Invalid, "run account.get", "it gives no column %q, which create and update write", param)
		}
	}
	return nil
}

func checkKeyColumns(statement string, columns []string) error {
	for _, must := range []string{paramAccount, paramExternalID, paramEnabled} {
		if !slices.Contains(columns, must) {
			return connector.Errorf(connector.Invalid, "run account."+statement, "it gives no column %q; it must give account, external_id, enabled and the attributes", must)
		}
	}
	return nil
}

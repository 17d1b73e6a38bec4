// Package clickhouse connects to a ClickHouse server by URL, with limits that suit a pipeline: it fails soon and
// says which address, never the password.
//
// It owns the client's options. It does not start servers (engine/ does) and knows no tables (pkg/evidence).
// A connection is a pool and may be used from many goroutines.
//
//	conn, err := clickhouse.Connect(ctx, "clickhouse://joinery:secret@127.0.0.1:9000")
//	defer conn.Close()
package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

const (
	dialTimeout = 5 * time.Second
	readTimeout = time.Minute // for one block of an answer; a context's deadline is shorter
	pingTimeout = 10 * time.Second
	connLife    = 10 * time.Minute // so that a pool follows a cluster whose addresses change
	maxOpen     = 8
	maxIdle     = 4
)

// Conn is a pool of connections.
type Conn = driver.Conn

// Options returns the client's options for a URL: http, https (HTTP interface), clickhouse or tcp (native).
// https and ?secure=true mean TLS with verification. Parameters of clickhouse-go in the query win over the defaults.
func Options(raw string) (*driver.Options, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("ClickHouse URL: it cannot be parsed; want http://user:password@host:8123 or clickhouse://user:password@host:9000, with special characters percent-encoded")
	}
	switch u.Scheme {
	case "http", "clickhouse", "tcp":
	case "https":
		q := u.Query()
		q.Set("secure", "true") // the driver wants it said twice
		u.RawQuery = q.Encode()
	default:
		return nil, fmt.Errorf("ClickHouse URL %s: scheme %q, want http, https or clickhouse", u.Redacted(), u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("ClickHouse URL %s: no host", u.Redacted())
	}
	if u.Port() == "" {
		u.Host += ":" + defaultPort(u)
	}
	o, err := driver.ParseDSN(u.String())
	if err != nil {
		return nil, fmt.Errorf("ClickHouse URL %s: %w", u.Redacted(), err)
	}
	setDefaults(o)
	return o, nil
}

func defaultPort(u *url.URL) string {
	secure := u.Query().Get("secure") == "true"
	switch {
	case u.Scheme == "https":
		return "8443"
	case u.Scheme == "http":
		return "8123"
	case secure:
		return "9440"
	default:
		return "9000"
	}
}

func setDefaults(o *driver.Options) {
	setDuration(&o.DialTimeout, dialTimeout)
	setDuration(&o.ReadTimeout, readTimeout)
	setDuration(&o.ConnMaxLifetime, connLife)
	if o.MaxOpenConns == 0 {
		o.MaxOpenConns = maxOpen
	}
	if o.MaxIdleConns == 0 {
		o.MaxIdleConns = maxIdle
	}
	if o.Compression == nil {
		o.Compression = &driver.Compression{Method: driver.CompressionLZ4}
	}
	o.ClientInfo.Products = append(o.ClientInfo.Products, struct{ Name, Version string }{"joinery", "1"})
}

func setDuration(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

// Connect opens a pool and makes sure that the server answers and lets the user in.
func Connect(ctx context.Context, raw string) (Conn, error) {
	o, err := Options(raw)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	conn, err := driver.Open(o)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse at %v: %w", o.Addr, err)
	}
	if err := conn.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reach ClickHouse at %v as user %q: %w", o.Addr, o.Auth.Username, err), conn.Close())
	}
	return conn, nil
}

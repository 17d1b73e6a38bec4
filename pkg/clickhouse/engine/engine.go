package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"joinery.internal/pkg/clickhouse"
)

// Settings besides a URL. The zero value means SettingEmbedded.
const (
	SettingEmbedded = "embedded" // the binary on PATH if there is one, else the library
	SettingBinary   = "binary"   // only `clickhouse` from PATH
	SettingLibrary  = "library"  // only the library
)

// ErrUnavailable is wrapped by the error of Open when no way to an engine is open; its text says what to do.
var ErrUnavailable = errors.New("no ClickHouse engine can be had")

// Options say which engine to open and where its data lies.
type Options struct {
	Setting string // SettingEmbedded, SettingBinary, SettingLibrary or a URL (http, https, clickhouse); "" is embedded
	Dir     string // data folder, created if missing; not used with a URL
	// SelfExe is the command line whose remaining arguments reach HostMain, e.g. {"/usr/bin/joinery", "engine-host"}.
	SelfExe  []string
	HTTPAddr string    // where the engine serves HTTP: loopback host and port; "" is 127.0.0.1:0, port 0 a free one
	Progress io.Writer // told about the one download, as a bar when it is a terminal; nil: silent
}

// Engine is an open ClickHouse: a child process of ours, or a server at a URL.
type Engine struct {
	url        *url.URL // http, with the owner's login
	native     *url.URL // clickhouse scheme, with the owner's login; nil: not known
	reader     *url.Userinfo
	child      *child // nil: not ours
	notRunning chan struct{}
}

// Open returns a running engine, or an error that says what to do. It returns within about a minute once
// nothing has to be downloaded.
func Open(ctx context.Context, o Options) (*Engine, error) {
	switch o.Setting {
	case "", SettingEmbedded, SettingBinary, SettingLibrary:
		return openEmbedded(ctx, o)
	}
	if strings.Contains(o.Setting, "://") {
		return openURL(ctx, o.Setting)
	}
	return nil, fmt.Errorf("clickhouse setting %q: use %q, %q, %q or a URL such as http://user:password@host:8123",
		o.Setting, SettingEmbedded, SettingBinary, SettingLibrary)
}

func openURL(ctx context.Context, raw string) (*Engine, error) {
	conn, err := clickhouse.Connect(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("open the ClickHouse server of the setting: %w", err)
	}
	if err := conn.Close(); err != nil {
		return nil, fmt.Errorf("close the trial connection: %w", err)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("parse the ClickHouse URL: %w", err)
	}
	e := &Engine{reader: u.User, notRunning: make(chan struct{})}
	if u.Scheme == "http" || u.Scheme == "https" {
		e.url = u
	} else {
		e.native = u
	}
	return e, nil
}

func openEmbedded(ctx context.Context, o Options) (*Engine, error) {
	if o.Dir == "" || len(o.SelfExe) == 0 {
		return nil, errors.New("open embedded engine: Options.Dir and Options.SelfExe must be set")
	}
	addr := o.HTTPAddr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve data folder: %w", err)
	}
	how, err := chooseWay(ctx, o)
	if err != nil {
		return nil, err
	}
	logins, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	args := append(append([]string(nil), o.SelfExe...), "--dir", dir, "--http", addr)
	c, up, err := startChild(ctx, dir, append(args, how...))
	if err != nil {
		return nil, fmt.Errorf("start ClickHouse on %s: %w", dir, err)
	}
	owner := url.UserPassword(ownerUser, logins.Owner)
	return &Engine{
		url:    &url.URL{Scheme: "http", User: owner, Host: up.HTTP},
		native: &url.URL{Scheme: "clickhouse", User: owner, Host: up.Native},
		reader: url.UserPassword(readerUser, logins.Reader),
		child:  c,
	}, nil
}

// HTTPURL is the address of the HTTP interface, without a login; empty when only a native address is known.
func (e *Engine) HTTPURL() string {
	if e.url == nil {
		return ""
	}
	bare := *e.url
	bare.User = nil
	return bare.String()
}

// NativeAddr is host:port of the native interface; empty when only HTTP is known.
func (e *Engine) NativeAddr() string {
	if e.native == nil {
		return ""
	}
	return e.native.Host
}

// URL is the HTTP interface with the owner's login, for clients that know nothing else of this engine;
// the native one where only that is known.
func (e *Engine) URL() string { return e.login(e.url, e.native, nil) }

// NativeURL is the native interface with the owner's login, the fastest for clickhouse.Connect; HTTP where only that is known.
func (e *Engine) NativeURL() string { return e.login(e.native, e.url, nil) }

// ReaderURL is URL with the login of the user that may only read.
func (e *Engine) ReaderURL() string { return e.login(e.url, e.native, e.reader) }

// User is the owner: it may do everything in databases whose name begins with joinery, and nothing elsewhere.
func (e *Engine) User() string { return e.owner().Username() }

// Password is the owner's password; it is random per data folder.
func (e *Engine) Password() string {
	p, _ := e.owner().Password() // none is the empty one
	return p
}

// Done is closed when an engine of ours has ended, whether asked to or not. It never is for a URL.
func (e *Engine) Done() <-chan struct{} {
	if e.child == nil {
		return e.notRunning
	}
	return e.child.done
}

// Err says, after Done, why the engine ended: nil if Close asked it to.
func (e *Engine) Err() error {
	if e.child == nil {
		return nil
	}
	return e.child.ended()
}

// PID is the process id of the host; 0 for a URL.
func (e *Engine) PID() int {
	if e.child == nil {
		return 0
	}
	return e.child.cmd.Process.Pid
}

// Close stops an engine of ours and waits until it has ended, its data on disk. It may be called more than once.
func (e *Engine) Close() error {
	if e.child == nil {
		return nil
	}
	return e.child.stop()
}

func (e *Engine) owner() *url.Userinfo {
	if e.url != nil {
		return e.url.User
	}
	return e.native.User
}

func (e *Engine) login(first, second *url.URL, as *url.Userinfo) string {
	if first == nil {
		first = second
	}
	u := *first
	if as != nil {
		u.User = as
	}
	return u.String()
}

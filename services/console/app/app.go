// Package app is the console: the JSON API, the pages, and the live views they read.
//
// It owns how the parts are put together, and what guards them from the network. Topics read: the directory, membership,
// approval requests and events, policy bundles and activations; the evidence is read from ClickHouse. Topics written:
// requests, votes, commands to sweep, source records and policy, each because a person asked.
//
//	                      +-- directory, inbox, published policy   (follow topics)
//	browser, tool -> guard -> api, pages -> desk --+-- archive     (ClickHouse)
//	                      +-- journal, bundle                      (write topics)
//	sources -------> guard -> intake, under /in/                    (write topics)
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/console/internal/api"
	"joinery.internal/services/console/internal/archive"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/journal"
	"joinery.internal/services/console/internal/pages"
	"joinery.internal/services/console/internal/remedy"
	"joinery.internal/services/console/internal/session"
)

// Name is the service's.
const Name = "console"

const (
	stopTimeout   = 5 * time.Second // for requests under way
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	votePatience  = 3 * time.Second
)

// Options is what a console of `joinery dev` needs besides its Env.
type Options struct {
	// Listener is where the console answers. It must be on loopback: demo logins let anybody act as anybody.
	Listener net.Listener
	// Clock moves the pipeline's clock ahead; nil: it runs on real time.
	Clock Advancer
	// Reader is the ClickHouse URL of a user who can only read, for queries of people; empty: Env.ClickHouse.
	Reader string
	// Endpoints is where the parts of the pipeline listen, by name; shown to people. The one of "registry" is used to
	// compare and register schemas.
	Endpoints map[string]string
}

// Advancer moves a clock ahead and returns its new time; clock.Movable is one.
type Advancer interface {
	Advance(time.Duration) (time.Time, error)
}

// ErrNoLogin is why a console does not start outside of development.
var ErrNoLogin = errors.New("there is no way to sign in to a console outside of `joinery dev` yet, and none runs unprotected; " +
	"to try this binary alone on loopback, set demo-logins: true under services.console in joinery.yaml, or JOINERY_DEMO_LOGINS=true")

// Run serves the console where its settings say, until ctx ends.
func Run(ctx context.Context, env service.Env) error {
	s, err := readSettings(env.ConfigDir, os.LookupEnv)
	if err != nil {
		return fmt.Errorf("start console: %w", err)
	}
	if !s.demoLogins {
		return fmt.Errorf("start console: %w", ErrNoLogin)
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("start console: listen on %q (set http in joinery.yaml, or JOINERY_HTTP): %w", s.addr, err)
	}
	return RunDev(ctx, env, Options{Listener: l, Reader: s.reader, Endpoints: map[string]string{"registry": s.registry, "kafka": strings.Join(env.Kafka, ",")}})
}

// RunDev serves a console with demo logins until ctx ends. It closes the listener.
func RunDev(ctx context.Context, env service.Env, o Options) error {
	if err := serveConsole(ctx, env, o); err != nil {
		return fmt.Errorf("console: %w", errors.Join(err, closed(o.Listener.Close())))
	}
	return nil
}

func serveConsole(ctx context.Context, env service.Env, o Options) (err error) {
	if !loopback(o.Listener.Addr().String()) {
		return fmt.Errorf("demo logins are for loopback only, and %s is not: listen on 127.0.0.1 or ::1", o.Listener.Addr())
	}
	if env.ClickHouse == "" {
		return errors.New("no address of ClickHouse, where the evidence is: set clickhouse in joinery.yaml, or JOINERY_CLICKHOUSE")
	}
	store, err := archive.Open(ctx, env.ClickHouse, o.Reader)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	topics, err := journal.Open(journal.Options{Seeds: env.Kafka, Dialer: env.KafkaOpts, ID: "joinery-console-" + env.Instance})
	if err != nil {
		return err
	}
	defer topics.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	live, err := follow(ctx, group, env)
	if err != nil {
		cancel()
		return errors.Join(err, group.Wait())
	}
	env.Log.Warn("demo logins are on: anybody on this machine can act as anybody", "console", "http://"+o.Listener.Addr().String())
	in, err := openIntake(ctx, env)
	if err != nil {
		cancel()
		return errors.Join(err, group.Wait())
	}
	defer in.Close()
	d := assemble(env, o, live, store, topics)
	figures := newGauges(d, env.Log)
	if err := env.Metrics.Register(figures); err != nil {
		cancel()
		return errors.Join(fmt.Errorf("register figures: %w", err), group.Wait())
	}
	defer env.Metrics.Unregister(figures)
	server := &http.Server{Handler: Handler(d, in, true, env.Log), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}
	group.Go(func() error { return serve(ctx, server, o.Listener) })
	group.Go(func() error { return stream.Run(ctx, remedy.Topology(), remedyOptions(env)) })
	if env.Ready != nil {
		env.Ready()
	}
	return group.Wait()
}

// remedyOptions are those of the topology in the console, which is ready without it. Its state is too small for a cache.
func remedyOptions(env service.Env) stream.Options {
	o := env.Stream()
	o.OnReady, o.CacheDir = nil, ""
	return o
}

func serve(ctx context.Context, server *http.Server, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stop); err != nil { // somebody waits for a long answer: cut it
		return errors.Join(server.Close(), closed(<-failed))
	}
	return closed(<-failed)
}

// closed forgets that what was to be closed is.
func closed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// people adapts the desk to what sessions ask of it.
type people struct{ *desk.Desk }

// Handler is the whole console behind its guard. What sources push goes to in.
func Handler(d *desk.Desk, in http.Handler, demo bool, log *slog.Logger) http.Handler {
	sessions := session.New(people{d}, demo)
	site := pages.New(d, sessions, log)
	program := api.New(d, sessions, log)
	mux := http.NewServeMux()
	mux.Handle(api.Prefix+"/", program)
	mux.Handle("/in/", in)
	mux.Handle("/", site)
	refuse := func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, api.Prefix+"/") {
			api.WriteProblem(w, r, log, &desk.Fault{Kind: desk.Forbidden, Detail: "a page of another site sent this; programs send no Origin, and browsers use the console itself"})
			return
		}
		site.Refuse(w, r)
	}
	return guard(mux, demo, http.HandlerFunc(refuse))
}

func newID() string { return "act-" + strings.ToLower(rand.Text()) }

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"joinery.internal/pkg/broker"
	"joinery.internal/pkg/clickhouse/engine"
	"joinery.internal/services/joinery/internal/bench"
	"joinery.internal/services/joinery/internal/demo"
	"joinery.internal/services/joinery/internal/dev"
)

// hosts are the hidden commands that embedded parts run in: child processes of `joinery dev`.
func hosts() []*cobra.Command {
	host := func(name string, run func([]string) int) *cobra.Command {
		return &cobra.Command{Use: name, Hidden: true, DisableFlagParsing: true, Run: func(_ *cobra.Command, args []string) { os.Exit(run(args)) }}
	}
	return []*cobra.Command{host("broker-host", broker.HostMain), host("engine-host", engine.HostMain), benchCommand()}
}

// benchCommand is what `make bench` runs for the whole pipeline.
func benchCommand() *cobra.Command {
	o := bench.Options{Out: os.Stdout}
	cmd := &cobra.Command{Use: "bench", Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) (err error) {
		o.Log = logger(slog.LevelError)
		if o.SelfExe, err = self(); err != nil {
			return err
		}
		return bench.Run(cmd.Context(), o)
	}}
	cmd.Flags().IntVar(&o.Drain, "drain", 10_000, "hires to drain")
	cmd.Flags().IntVar(&o.Rate, "rate", 500, "hires a second, for latency")
	cmd.Flags().DurationVar(&o.Steady, "steady", 10*time.Second, "how long at that rate")
	return cmd
}

func devCommand() *cobra.Command {
	var o dev.Options
	var at string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run the whole pipeline on this machine",
		Long: `Run the whole pipeline on this machine: broker, schema registry, evidence engine, every service, the console,
and three targets to provision. The first line on stdout says, as JSON, where each can be reached, once all is ready.

Everything lasts in --data: stopped or killed and started again, the pipeline goes on where it was. Logins are for
development only, and everything listens on loopback.`,
		Example: "  joinery dev\n  joinery dev --data ./acme-data --config deploy/examples/acme --http 127.0.0.1:8080\n  joinery dev --clock 2026-06-01 --kafka broker.acme.example:9092",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Clock, err = parseClock(at); err != nil {
				return err
			}
			if o.SelfExe, err = self(); err != nil {
				return err
			}
			o.Progress, o.Log = os.Stderr, logger(level(verbose, slog.LevelWarn))
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			fmt.Fprintln(os.Stderr, "joinery dev: development logins, no TLS, loopback only. Not for real people's access.")
			err = dev.Run(ctx, o, func(r dev.Ready) { fmt.Println(r.Line()) })
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				return nil
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Data, "data", defaultData(), "`DIR` of everything that lasts")
	f.StringVar(&o.ConfigDir, "config", "", "`DIR` with sources, targets and policy (default: the example company's)")
	f.StringVar(&o.HTTP, "http", "", "`ADDR` of the console; port 0 takes a free one (default 127.0.0.1:8080, or a free port if that is taken)")
	f.StringVar(&o.Kafka, "kafka", dev.Embedded, "embedded, or `HOST:PORT` of a cluster, several with commas between")
	f.StringVar(&o.Registry, "registry", dev.Embedded, "embedded, or the `URL` of a registry with the Confluent API")
	f.StringVar(&o.ClickHouse, "clickhouse", dev.Embedded, "embedded, or the `URL` of a server")
	f.BoolVar(&o.DemoTargets, "demo-targets", true, "bring the bundled targets chat, wiki and erp")
	f.StringVar(&at, "clock", "", "date or instant `T` at which the pipeline's clock starts, the first time (default: now)")
	f.BoolVar(&verbose, "verbose", false, "log more to stderr")
	return cmd
}

func demoCommand() *cobra.Command {
	var o demo.Options
	var verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a month of the example company and check every end state in the targets",
		Long: `Play a scripted month of the example company through the whole pipeline, in a temporary folder: hires, a department
change, a transfer, a contractor's end, a privileged request with two approvals, a rehire, a termination, an emergency,
an outage of a target and a poison record. Exit code 0 only if every expected end state was read back from the targets.`,
		Example: "  joinery demo\n  joinery demo --keep ./demo-data",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.SelfExe, err = self(); err != nil {
				return err
			}
			o.Out, o.Progress, o.Log = os.Stdout, os.Stderr, logger(level(verbose, slog.LevelError))
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return demo.Run(ctx, o)
		},
	}
	cmd.Flags().StringVar(&o.Keep, "keep", "", "`DIR` to keep the pipeline's data in (default: a temporary folder, removed at the end)")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 0, "another company of the same kind")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log to stderr")
	return cmd
}

func self() ([]string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's file, which runs the embedded parts: %w", err)
	}
	return []string{exe}, nil
}

func level(verbose bool, quiet slog.Level) slog.Level {
	if verbose {
		return slog.LevelInfo
	}
	return quiet
}

func logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// defaultData is where this user's development pipeline lives.
func defaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "joinery")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "share", "joinery")
	}
	return "joinery-data"
}

func parseClock(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--clock: %q is neither a date (2026-06-01) nor an instant (2026-06-01T08:00:00Z)", s)
}

// Command worker runs the provisioner or the reconciler as one instance, until its parent is gone. The tests of package
// process start it; -at names the place where it ends itself, at the -nth time there (package failpoint).
//
//	worker -service provisioner -brokers 127.0.0.1:9092 -config DIR -at "sent EndTxn" -nth 2
//
// It owns its process only.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"joinery.internal/pkg/child"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream/process/failpoint"
	"joinery.internal/pkg/wire"
	provisioner "joinery.internal/services/provisioner/app"
	reconciler "joinery.internal/services/reconciler/app"
)

type clock struct{}

func (clock) Now() time.Time { return time.Now().UTC() }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run() error {
	name := flag.String("service", "provisioner", "provisioner or reconciler")
	brokers := flag.String("brokers", "", "addresses, with commas between")
	config := flag.String("config", "", "folder of targets")
	instance := flag.String("instance", "0", "name of the instance")
	at := flag.String("at", "", "where to end; empty: nowhere")
	nth := flag.Int64("nth", 1, "at which time there")
	profile := flag.String("profile", "", "file for a CPU profile; empty: none")
	flag.Parse()

	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return fmt.Errorf("write a profile: %w", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("write a profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := child.ParentGone()
	go func() { <-gone; cancel() }()
	env := service.Env{Name: *name, Instance: *instance, Kafka: strings.Split(*brokers, ","), Registry: wire.Static(), ConfigDir: *config, DataDir: *config,
		Clock: clock{}, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
		KafkaOpts: failpoint.New(*at, *nth, unix.SIGKILL).Options(nil)}
	serve := map[string]func(context.Context, service.Env) error{"provisioner": provisioner.Run, "reconciler": reconciler.Run}[*name]
	if serve == nil {
		return fmt.Errorf("there is no service %q", *name)
	}
	return serve(ctx, env)
}

// Command worker runs the reconciler over an in-memory target with the company of package process, until its parent is
// gone.
//
//	worker -brokers 127.0.0.1:9092 -config DIR
//
// It owns its process only.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"joinery.internal/pkg/child"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/connector/open"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/reconciler/app"
	"joinery.internal/services/reconciler/process"
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
	brokers := flag.String("brokers", "", "addresses, with commas between")
	config := flag.String("config", "", "folder of targets, and of the service's own files")
	flag.Parse()
	app.SaveMemory()

	fleet := memory.NewFleet()
	for n := range process.Accounts {
		if !process.Gone(n) {
			fleet.Target(process.Target).Put(process.Have(n))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := child.ParentGone()
	go func() { <-gone; cancel() }()
	env := service.Env{Name: "reconciler", Kafka: strings.Split(*brokers, ","), Registry: wire.Static(), ConfigDir: *config, DataDir: *config,
		Clock: clock{}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	return app.RunWith(ctx, env, open.Factory{Memory: fleet})
}

// Joinery is the command-line tool: the whole pipeline on one machine (dev, demo), and every verb that works on a
// running one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"joinery.internal/services/joinery/internal/cli"
)

func main() { os.Exit(run()) }

// run adds the verbs that own processes, and ends them on SIGINT and SIGTERM.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return cli.Execute(ctx, cli.Root(append(hosts(), devCommand(), demoCommand())...), os.Args[1:])
}

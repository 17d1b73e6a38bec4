package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"joinery.internal/pkg/child"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/stream/process"
	"joinery.internal/pkg/stream/process/failpoint"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run() error {
	brokers := flag.String("brokers", "", "addresses, with commas between")
	instance := flag.String("instance", "0", "name of the instance")
	session := flag.Duration("session", 6*time.Second, "session timeout")
	cache := flag.String("cache", "", "folder of the state cache; empty: none")
	via := flag.String("via", "", "a proxy that is told host:port in a line, and connects there")
	at := flag.String("at", "", "where to end; empty: nowhere")
	nth := flag.Int64("nth", 1, "at which time there")
	stop := flag.Bool("stop", false, "stop there as SIGSTOP does, instead of ending as SIGKILL does")
	flag.Parse()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gone := child.ParentGone()
	go func() { <-gone; cancel() }()

	signal := unix.SIGKILL
	if *stop {
		signal = unix.SIGSTOP
	}
	p := failpoint.New(*at, *nth, signal)
	var dial failpoint.Dialer
	if *via != "" {
		dial = through(*via)
	}
	err := stream.Run(ctx, process.Topology(p.Reach), stream.Options{
		Seeds: strings.Split(*brokers, ","), Instance: *instance, Codec: process.Codec{}, SessionTimeout: *session, CacheDir: *cache,
		Log:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Dialer: append(p.Options(dial), kgo.HeartbeatInterval(*session/6)),
	})
	if err != nil {
		return fmt.Errorf("run the topology: %w", err)
	}
	return nil
}

// through reaches brokers by way of a proxy.
func through(proxy string) failpoint.Dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, proxy)
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Fprintln(c, address); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
}

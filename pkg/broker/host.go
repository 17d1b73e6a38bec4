package broker

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"joinery.internal/pkg/child"
	"joinery.internal/pkg/dirlock"
)

const (
	lockWait    = 30 * time.Second // for the last life, which may still be writing its data down
	retainEvery = time.Minute      // between looks for records past their retention
	years       = 10 * 365 * 24 * time.Hour
)

// HostMain is the child: it serves the folder until its parent is gone, writes its data down and returns the exit code. It is the body of a hidden
// command of the program that calls Open.
func HostMain(args []string) int {
	gone := child.ParentGone()
	if err := host(args, gone); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func host(args []string, gone <-chan struct{}) (err error) {
	flags := flag.NewFlagSet("broker-host", flag.ContinueOnError)
	dir := flags.String("dir", "", "data folder")
	port := flags.Int("port", 0, "port; 0: the last one, or a free one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	lock, err := dirlock.Acquire(ctx, *dir)
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	listener, err := listen(*dir, *port)
	if err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	cluster, err := newCluster(filepath.Join(*dir, "kafka"), listener)
	if err != nil {
		return fmt.Errorf("embedded broker: open its data: %w", err)
	}
	defer cluster.Close() // writes everything down; before the lock goes
	if err := child.SayReady(listener.Addr().String()); err != nil {
		return err
	}
	ticker := time.NewTicker(retainEvery)
	defer ticker.Stop()
	for {
		select {
		case <-gone:
			return nil
		case <-ticker.C:
			cluster.ApplyRetention()
		}
	}
}

func newCluster(dir string, listener net.Listener) (*kfake.Cluster, error) {
	millis := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return listener, nil }),
		kfake.DataDir(dir),
		kfake.WithLogger(kfake.BasicLogger(os.Stderr, kfake.LogLevelWarn)),
		kfake.BrokerConfigs(map[string]string{
			"log.cleaner.backoff.ms":         millis(years), // never: it loses committed records (see the package)
			"offsets.retention.minutes":      strconv.Itoa(int(years.Minutes())),
			"transactional.id.expiration.ms": millis(years),
			"default.replication.factor":     "1",
		}),
	)
}

// listen takes the wanted port; without one, the port of the last life where it is free, so that addresses in people's heads and files go on working.
func listen(dir string, port int) (net.Listener, error) {
	file := filepath.Join(dir, "port")
	l, err := listenOn(port)
	if port == 0 {
		if last, readErr := lastPort(file); readErr != nil {
			return nil, readErr
		} else if last != 0 {
			if again, lastErr := listenOn(last); lastErr == nil {
				err = errors.Join(err, l.Close())
				l = again
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w: choose another port, or none", err)
	}
	_, now, err := net.SplitHostPort(l.Addr().String())
	if err == nil {
		err = os.WriteFile(file, []byte(now+"\n"), 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("remember port: %w", err), l.Close())
	}
	return l, nil
}

func listenOn(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// lastPort reads the remembered port; 0 where there is none that could be one.
func lastPort(file string) (int, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read remembered port: %w", err)
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || port < 1 || port > 65535 {
		return 0, nil
	}
	return port, nil
}

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create data folder: %w", err)
	}
	return nil
}

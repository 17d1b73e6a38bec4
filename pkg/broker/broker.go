package broker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/child"
)

// stopTimeout is how long a broker may take to write its data down. A clean stop takes well under a second per gigabyte.
const stopTimeout = 30 * time.Second

// Options of an embedded broker.
type Options struct {
	Dir     string   // data folder, created where it is missing
	SelfExe []string // the program and arguments that run HostMain; --dir and so on are appended
	Port    int      // 0: the port of the last life if it is free, else any
}

// Broker is a running embedded broker.
type Broker struct {
	process *child.Process
	addr    string
}

// Open starts a broker and returns when it answers. When ctx ends later, the broker is stopped, cleanly, as by Close.
func Open(ctx context.Context, o Options) (*Broker, error) {
	if o.Dir == "" || len(o.SelfExe) == 0 {
		return nil, errors.New("open embedded broker: a data folder and the program to run are required")
	}
	args := append(slices.Clone(o.SelfExe), "--dir", o.Dir, "--port", strconv.Itoa(o.Port))
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open embedded broker: %w", err)
	}
	process, err := child.Start(ctx, child.Spec{Args: args, Log: filepath.Join(o.Dir, "broker.log")})
	if err != nil {
		return nil, fmt.Errorf("open embedded broker: %w", err)
	}
	b := &Broker{process: process}
	if b.addr, err = process.Ready(ctx); err == nil {
		err = ping(ctx, b.addr)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open embedded broker: %w", err), ignoreSame(err, process.Stop(stopTimeout)))
	}
	return b, nil
}

// Addr is host:port.
func (b *Broker) Addr() string { return b.addr }

// PID is the process id of the broker.
func (b *Broker) PID() int { return b.process.PID() }

// Done is closed when the broker has ended, whether or not somebody asked it to.
func (b *Broker) Done() <-chan struct{} { return b.process.Done() }

// Err is nil while the broker runs and after a clean end.
func (b *Broker) Err() error { return b.process.Err() }

// Close stops the broker and returns when its data is written down.
func (b *Broker) Close() error {
	if err := b.process.Stop(stopTimeout); err != nil {
		return fmt.Errorf("close embedded broker: %w", err)
	}
	return nil
}

// ping asks for metadata until it is answered.
func ping(ctx context.Context, addr string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("ask %s for metadata: %w", addr, err)
	}
	return nil
}

// ignoreSame drops an error that has been reported already.
func ignoreSame(reported, err error) error {
	if err != nil && errors.Is(reported, err) {
		return nil
	}
	return err
}

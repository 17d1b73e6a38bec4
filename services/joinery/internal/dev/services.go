package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"joinery.internal/pkg/clock"
	"joinery.internal/pkg/connector/open"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/wire"
	approval "joinery.internal/services/approval/app"
	console "joinery.internal/services/console/app"
	sink "joinery.internal/services/evidence-sink/app"
	ingest "joinery.internal/services/ingest/app"
	resolver "joinery.internal/services/policy-resolver/app"
	provisioner "joinery.internal/services/provisioner/app"
	reconciler "joinery.internal/services/reconciler/app"
)

// services is every service of the pipeline, running in this process.
type services struct {
	env     service.Env
	health  *service.Health
	console string
	metrics string

	group  sync.WaitGroup
	failed chan error    // the first service that ended while it should run
	count  int           // services that report ready
	up     chan struct{} // one message per service, when it is ready first
	parts  <-chan error
}

// startServices starts them all; each restores its state and begins as soon as it can.
func startServices(ctx context.Context, o Options, p *parts, clk *clock.Movable) (*services, error) {
	client, err := wire.NewClient(p.registryURL)
	if err != nil {
		return nil, err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s := &services{failed: make(chan error, 16), up: make(chan struct{}, 64), parts: p.lost(), env: service.Env{
		Instance: "dev", Kafka: strings.Split(p.kafka, ","), Registry: client, ClickHouse: p.ownerURL, ConfigDir: o.ConfigDir, DataDir: o.Data,
		Clock: clk, Metrics: reg, Log: o.Log}}
	if p.apps != nil {
		s.env.ResolveTarget = p.resolveTarget
	}
	if s.health, err = service.Serve("127.0.0.1:0", reg); err != nil {
		return nil, err
	}
	s.metrics = "http://" + s.health.Addr() + "/metrics"
	listener, err := listenConsole(o.HTTP)
	if err != nil {
		return nil, err
	}
	s.console = "http://" + listener.Addr().String()
	factory := open.Factory{Memory: o.Memory}
	for name, run := range map[string]func(context.Context, service.Env) error{
		"ingest": ingest.Run, "policy-resolver": resolver.Run, "approval": approval.Run, "evidence-sink": sink.Run,
		"provisioner": func(ctx context.Context, env service.Env) error { return provisioner.RunWith(ctx, env, factory) },
		"reconciler":  func(ctx context.Context, env service.Env) error { return reconciler.RunWith(ctx, env, factory) },
		"console": func(ctx context.Context, env service.Env) error {
			return console.RunDev(ctx, env, console.Options{Listener: listener, Clock: clk, Reader: p.readerURL,
				Endpoints: map[string]string{"kafka": p.kafka, "registry": p.registryURL, "clickhouse": p.readerURL, "metrics": s.metrics, "targets": p.targetsURL()}})
		},
	} {
		s.start(ctx, name, run)
	}
	return s, nil
}

func (s *services) start(ctx context.Context, name string, run func(context.Context, service.Env) error) {
	env := s.env
	env.Name = name
	env.Log = env.Log.With("service", name)
	var once sync.Once
	env.Ready = func() { once.Do(func() { env.Log.Info("ready"); s.up <- struct{}{} }) }
	s.count++
	s.group.Add(1)
	go func() {
		defer s.group.Done()
		err := run(ctx, env)
		if ctx.Err() == nil {
			s.failed <- fmt.Errorf("service %s ended: %w", name, err)
		}
	}()
}

// ready waits until every service can do its work.
func (s *services) ready(ctx context.Context, _ *parts) error {
	slow := time.NewTimer(2 * time.Minute)
	defer slow.Stop()
	for left := s.count; left > 0; left-- {
		select {
		case <-s.up:
		case err := <-s.failed:
			return err
		case err := <-s.parts:
			return err
		case <-slow.C:
			return fmt.Errorf("%d of %d services are not ready after two minutes; see the log above", left, s.count)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.health.Ready()
	return nil
}

// until waits for the end: asked for, or by a fault.
func (s *services) until(ctx context.Context, _ *parts) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	case err := <-s.parts:
		return err
	}
}

// wait waits until every service has stopped; the context they run in has ended.
func (s *services) wait() error {
	defer s.health.Close()
	done := make(chan struct{})
	go func() { s.group.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("services did not stop within 10 s")
	}
}

// defaultHTTP is where the console listens unless told otherwise.
const defaultHTTP = "127.0.0.1:8080"

func listenConsole(addr string) (net.Listener, error) {
	if addr != "" {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen for the console: %w (choose another address with --http)", err)
		}
		return l, nil
	}
	if l, err := net.Listen("tcp", defaultHTTP); err == nil {
		return l, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the console: %w", err)
	}
	return l, nil
}

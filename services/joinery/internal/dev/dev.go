// Package dev runs the whole pipeline on one machine: every service in this process, the broker and the evidence
// engine as child processes, the schema registry and the bundled targets beside them.
//
// It owns the order of starting and stopping, and nothing of what the services do. The children stop by themselves when
// this process is gone, so `kill -9` of it leaves their data whole, and a start on the same folder goes on.
//
//	broker, engine, registry, targets -> topics, schemas, tables -> services, console -> policy -> ready
package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"joinery.internal/pkg/bundle"
	"joinery.internal/pkg/clock"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/dirlock"
	"joinery.internal/pkg/policy"
	"joinery.internal/services/joinery/internal/running"
)

// Embedded is the setting that makes dev bring a part itself.
const Embedded = "embedded"

// Options of `joinery dev`.
type Options struct {
	Data        string // folder of everything that lasts
	ConfigDir   string // sources, targets, policy; empty: the example company's
	HTTP        string // address of the console; empty: 127.0.0.1:8080, or a free port if that is taken
	Kafka       string // Embedded or host:port of brokers with commas between
	Registry    string // Embedded or a URL
	ClickHouse  string // Embedded or a URL
	DemoTargets bool
	Clock       time.Time // where the pipeline's clock starts the first time; zero: now
	SelfExe     []string  // reaches the hidden host commands: SelfExe broker-host, SelfExe engine-host
	Log         *slog.Logger
	Progress    io.Writer     // told about downloads and slow steps
	Memory      *memory.Fleet // targets of connector memory; nil: there are none
}

// Ready is what the first line on stdout says.
type Ready struct {
	Ready      bool   `json:"ready"`
	Kafka      string `json:"kafka"`
	Registry   string `json:"registry"`
	ClickHouse string `json:"clickhouse"`
	Console    string `json:"console"`
	Metrics    string `json:"metrics"`
	Targets    string `json:"targets,omitempty"` // where the bundled targets can be looked into
	Data       string `json:"data"`
	PID        int    `json:"pid"`
}

// Line is the ready line as JSON.
func (r Ready) Line() string {
	b, err := json.Marshal(r)
	if err != nil {
		panic("dev: a struct of strings does not encode: " + err.Error())
	}
	return string(b)
}

// Run runs the pipeline until ctx ends, and then stops it cleanly. onReady is called once everything works.
func Run(ctx context.Context, o Options, onReady func(Ready)) (err error) {
	o, err = o.withDefaults()
	if err != nil {
		return err
	}
	lock, err := lockFolder(ctx, o.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	cfg, err := o.loadConfig()
	if err != nil {
		return err
	}
	clk, err := clock.Open(filepath.Join(o.Data, "clock.json"), o.Clock)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts, err := openOutliving(ctx, o)
	defer func() { err = errors.Join(err, parts.close()) }()
	if err != nil {
		return err
	}
	if err := prepare(ctx, parts); err != nil {
		return err
	}
	services, err := startServices(ctx, o, parts, clk)
	if err != nil {
		return err
	}
	defer func() { cancel(); err = errors.Join(err, services.wait()) }()
	if err := publish(ctx, services.env.Stream(), cfg, clk.Now()); err != nil {
		return err
	}
	if err := services.ready(ctx, parts); err != nil {
		return err
	}
	ready := Ready{Ready: true, Kafka: parts.kafka, Registry: parts.registryURL, ClickHouse: parts.readerURL, Console: services.console,
		Metrics: services.metrics, Targets: parts.targetsURL(), Data: o.Data, PID: os.Getpid()}
	if err := running.Write(running.Dev{Console: ready.Console, PID: ready.PID}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, running.Remove(ready.PID)) }()
	onReady(ready)
	return services.until(ctx, parts)
}

// openOutliving starts the parts. They outlive ctx once they run: the services that stop with it still write.
func openOutliving(ctx context.Context, o Options) (*parts, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	p, err := openParts(life, o)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	p.end = end
	return p, err
}

func (o Options) withDefaults() (Options, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	for _, s := range []*string{&o.Kafka, &o.Registry, &o.ClickHouse} {
		if *s == "" {
			*s = Embedded
		}
	}
	if o.Data == "" {
		return o, errors.New("no data folder given: use --data DIR")
	}
	abs, err := filepath.Abs(o.Data)
	if err != nil {
		return o, fmt.Errorf("data folder: %w", err)
	}
	o.Data = abs
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return o, fmt.Errorf("make data folder: %w", err)
	}
	return o, nil
}

func lockFolder(ctx context.Context, dir string) (*dirlock.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second) // a pipeline just killed or told to stop may still be ending
	defer cancel()
	lock, err := dirlock.Acquire(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w (is another `joinery dev` running on it?)", dir, err)
	}
	return lock, nil
}

// loadConfig reads and compiles the folder, so that a fault is told before anything is started.
func (o *Options) loadConfig() (*config.Config, error) {
	if o.ConfigDir == "" {
		dir, err := writeExample(o.Data)
		if err != nil {
			return nil, err
		}
		o.ConfigDir = dir
	}
	cfg, err := config.LoadDir(o.ConfigDir)
	if _, err := policy.Check(cfg, err); err != nil {
		return nil, fmt.Errorf("configuration %s:\n%w", o.ConfigDir, err)
	}
	for _, t := range cfg.Targets {
		if url := t.Connection["url"].Text; strings.HasPrefix(url, "demo:") && !o.DemoTargets {
			return nil, fmt.Errorf("target %s is the bundled %s, and --demo-targets=false leaves those out: give it a connection of its own", t.Name.Value, url)
		}
	}
	return cfg, nil
}

// publish activates the policy of the folder where it is not what every partition uses already.
func publish(ctx context.Context, s streamOptions, cfg *config.Config, now time.Time) error {
	n, err := bundle.Partitions(ctx, s)
	if err != nil {
		return err
	}
	active, err := bundle.IsActive(ctx, s, cfg.Hash, n)
	if err != nil || active {
		return err
	}
	return bundle.Publish(ctx, s, cfg, "joinery dev", "started with a policy folder that differs", now)
}

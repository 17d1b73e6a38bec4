// Package service is the shell every service of the pipeline has: settings, connections, metrics, health, signals.
//
// A service's main calls Main with its name and its Run; `joinery dev` calls the same Run with an Env of its own.
// It owns no domain knowledge. An Env is read-only once made and safe for concurrent use.
//
//	func main() { os.Exit(service.Main("approval", app.Run)) }
package service

import (
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/wire"
)

// Env is what the outside gives a service.
type Env struct {
	Name      string // the service
	Instance  string // among those of the service: stable over restarts, unique
	Kafka     []string
	KafkaOpts []kgo.Opt // TLS and SASL
	Registry  wire.Registry
	// ClickHouse is the URL of the evidence database with its login; only who reads or writes evidence uses it.
	ClickHouse string
	ConfigDir  string // the folder of sources, targets and policy
	DataDir    string // for the service's own files: keys, and the cache of its state; empty: no cache
	Clock      stream.Clock
	Metrics    prometheus.Registerer
	Log        *slog.Logger
	// ResolveTarget completes a target's connection; nil: as written. `joinery dev` uses it for its bundled targets.
	ResolveTarget func(name string, connection map[string]string) map[string]string
	// Ready is called when the service can do its work; nil is allowed.
	Ready func()
}

// Stream gives the options of the runtime for this service.
func (e Env) Stream() stream.Options {
	o := stream.Options{Seeds: e.Kafka, Dialer: e.KafkaOpts, Instance: e.Instance, Codec: wire.New(e.Registry), Clock: e.Clock,
		Log: e.Log, Metrics: e.Metrics, OnReady: e.Ready}
	if e.DataDir != "" {
		o.CacheDir = filepath.Join(e.DataDir, "cache")
	}
	return o
}

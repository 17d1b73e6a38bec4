package stream

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Options says where and how a topology runs.
type Options struct {
	Seeds    []string // brokers, host:port
	Instance string   // names this instance among those of the service: stable over restarts, unique. Default "0"
	Codec    Codec
	Clock    Clock                 // of ticks and entrances; default: the machine's
	Log      *slog.Logger          // default: discard
	Metrics  prometheus.Registerer // default: none
	OnReady  func()                // called whenever partitions were taken and restored

	// CacheDir is the folder where the instance keeps copies of its state, so that a restart reads only the end of each
	// changelog; empty: none. It may be lost, stale or damaged at any time, and is the instance's alone.
	CacheDir string

	// Yield is asked before every poll: while it says so, inputs that are not Urgent wait in their topics, for instance
	// because whoever reads the topology's output is behind. It must not block; nil: never.
	Yield func() bool

	MaxBatch       int           // input records a transaction takes at most, while a backlog is worked off. Default 20,000
	TickEvery      time.Duration // between ticks of an idle partition. Default 1 s
	MaxEffects     int           // effects running at a time; at this many the inputs wait until half have ended. Default 20,000
	SessionTimeout time.Duration // until the group gives up a silent instance. Default 20 s; the transaction timeout is half

	Dialer []kgo.Opt // extra client options: TLS, SASL, a test's network

	failpoint func(s *session, point string) error // of tests: ends the session where it returns an error
}

type machineClock struct{}

func (machineClock) Now() time.Time { return time.Now().UTC() }

func (o *Options) defaults() {
	if o.Instance == "" {
		o.Instance = "0"
	}
	if o.Clock == nil {
		o.Clock = machineClock{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = 20_000
	}
	if o.MaxEffects == 0 {
		o.MaxEffects = 20_000
	}
	if o.TickEvery == 0 {
		o.TickEvery = time.Second
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 20 * time.Second
	}
}

// Validate names every fault of a topology and its options at once.
func Validate(t Topology, o Options) error {
	var faults []error
	fault := func(bad bool, text string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(text, args...))
		}
	}
	fault(t.Name == "", "topology without a name")
	fault(len(t.Inputs) == 0, "topology %s without inputs", t.Name)
	for _, in := range t.Inputs {
		fault(in.Handle == nil, "input %s without a handler", in.Topic)
	}
	for _, out := range t.Outputs {
		fault(out.Rekey && out.Topic.Chained(), "output %s is an event topic: one writer per partition, it cannot be rekeyed", out.Topic)
	}
	fault((t.Perform == nil) != (t.Result == nil), "topology %s: Perform and Result come together", t.Name)
	fault(len(o.Seeds) == 0, "no brokers given")
	fault(o.Codec == nil, "no codec given")
	fault(o.MaxBatch < 0 || o.MaxEffects < 0 || o.TickEvery < 0 || o.SessionTimeout < 0, "MaxBatch, MaxEffects, TickEvery and SessionTimeout cannot be negative; 0 is the default")
	return errors.Join(faults...)
}

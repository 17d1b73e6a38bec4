package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/csv"
	"joinery.internal/pkg/intake/kafka"
	"joinery.internal/pkg/intake/ldap"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/wire"
)

// adapter is a source that this service goes and reads.
type adapter struct {
	source intake.Source
	run    func(context.Context) error
}

// meters makes the metrics of every source, pulled or not.
func meters(cfg *config.Config, env service.Env) map[string]*intake.Meter {
	out := map[string]*intake.Meter{}
	for _, c := range cfg.Sources {
		out[c.Name.Value] = intake.NewMeter(env.Metrics, c.Name.Value, c.ExpectEvery)
	}
	return out
}

// hearing notes, whatever way a record came, that its source is not silent.
func hearing(t stream.Topology, heard map[string]*intake.Meter) stream.Topology {
	for i, in := range t.Inputs {
		if in.Topic != event.SourceRecords && in.Topic != event.UrgentRecords {
			continue
		}
		t.Inputs[i].Handle = func(tx *stream.Tx, r stream.Record) error {
			source, _, _ := strings.Cut(r.Key, "/")
			if m, ok := heard[source]; ok {
				m.Heard(time.Now())
			}
			return in.Handle(tx, r)
		}
	}
	return t
}

// adapters makes one for each pulled source. Pushed ones come in at the console's address.
func adapters(cfg *config.Config, env service.Env, heard map[string]*intake.Meter) ([]adapter, error) {
	var out []adapter
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	bundle, err := policy.Compile(cfg)
	if err != nil {
		return nil, fmt.Errorf("compile the maps of the sources: %w", err)
	}
	for _, c := range cfg.Sources {
		s := intake.Source{Stream: env.Stream(), Meter: heard[c.Name.Value], Log: log}
		run := reads(c, env)
		if run == nil {
			continue
		}
		if s.Mapper, err = intake.NewMapper(bundle, c.Name.Value); err != nil {
			return nil, err
		}
		out = append(out, adapter{s, func(ctx context.Context) error { return run(ctx, s) }})
	}
	return out, nil
}

// reads is how a source is read; nil: it is not.
func reads(c *config.Source, env service.Env) func(context.Context, intake.Source) error {
	switch in := c.Intake; {
	case in.Kafka != nil:
		return func(ctx context.Context, s intake.Source) error {
			return kafka.Run(ctx, s, *in.Kafka, wire.New(env.Registry))
		}
	case in.CSV != nil:
		return func(ctx context.Context, s intake.Source) error {
			return csv.Run(ctx, s, *in.CSV, csv.ColumnsOf(c.Map))
		}
	case in.LDAP != nil:
		return func(ctx context.Context, s intake.Source) error { return ldap.Run(ctx, s, *in.LDAP) }
	}
	return nil
}

// Package app is the ingest service: two topologies and what they read.
//
//	jml.source.record.v1 --intake--> jml.identity.fact.v1 --ingest--> jml.identity.event.v1
//	  by source/source_key            by identity_id          \-----> jml.identity.directory.v1
//	                ^--------- who has which strong key --------------/
//
// Two, because a record is keyed by the worker of its source and all else by the person: the fact topic in between is
// where the key changes, and one partition of it has everything about one person in order.
//
// It owns wiring, storage and timers. The rules are in internal/intake and internal/lifecycle. Each topology runs on
// goroutines of its own; they share only the directory, which is safe for that.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/directory"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/ingest/internal/intake"
)

// Run runs both topologies until ctx ends. Sources are read once, from env.ConfigDir.
func Run(ctx context.Context, env service.Env) error {
	cfg, err := config.LoadDir(env.ConfigDir)
	if err != nil {
		return fmt.Errorf("read sources: %w", err)
	}
	sources := Sources(cfg, env.Log)
	if len(sources) == 0 && env.Log != nil {
		env.Log.Warn("no sources: every record will be a dead letter; write sources/*.yaml and start again", "folder", env.ConfigDir)
	}
	heard := meters(cfg, env)
	pulled, err := adapters(cfg, env, heard)
	if err != nil {
		return err
	}
	dir, err := directory.Open(ctx, env.Stream())
	if err != nil {
		return fmt.Errorf("look people up: %w", err)
	}
	defer dir.Close()
	topologies := []stream.Topology{hearing(Intake(sources, dir), heard), Ingest()}
	press := new(pressure)
	var waiting atomic.Int32
	waiting.Store(int32(len(topologies)))
	group, ctx := errgroup.WithContext(ctx)
	for _, t := range topologies {
		o := env.Stream()
		if t.Name == ingestName {
			o.Yield = press.behind.Load
		}
		var once atomic.Bool
		o.OnReady = func() {
			if once.CompareAndSwap(false, true) && waiting.Add(-1) == 0 && env.Ready != nil {
				env.Ready()
			}
		}
		group.Go(func() error { return stream.Run(ctx, t, o) })
	}
	group.Go(func() error { press.run(ctx, env.Stream(), env.Log); return nil })
	group.Go(func() error { scouting(ctx, env.Stream(), env.Log); return nil })
	for _, a := range pulled {
		group.Go(func() error { return a.source.Keep(ctx, a.run) })
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-dir.Done():
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("follow who is who: %w", dir.Err())
		}
	})
	return group.Wait()
}

// Sources is what intake needs of the configured sources. Only keys that name one person for certain correlate.
func Sources(cfg *config.Config, log *slog.Logger) []intake.Source {
	out := make([]intake.Source, 0, len(cfg.Sources))
	for _, s := range cfg.Sources {
		src := intake.Source{Name: s.Name.Value, Authority: intake.Authority(s.Authority), Timezone: string(s.Timezone)}
		for _, key := range s.Correlate {
			if slices.Contains([]string{intake.EmployeeNumber, intake.Email}, key.Value) {
				src.Correlate = append(src.Correlate, key.Value)
			} else if log != nil {
				log.Warn("not a strong key: it does not correlate; use employee_number or email", "source", src.Name, "key", key.Value, "at", key.Pos.String())
			}
		}
		out = append(out, src)
	}
	return out
}

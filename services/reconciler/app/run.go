package app

import (
	"context"
	"sync"

	"joinery.internal/pkg/bundle"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/open"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/target"
	"joinery.internal/services/reconciler/internal/drift"
	"joinery.internal/services/reconciler/internal/shell/listing"
)

// Run reconciles until ctx ends. It refuses to start with a target file that is wrong; a target that is down is no
// reason.
func Run(ctx context.Context, env service.Env) error { return RunWith(ctx, env, open.Factory{}) }

// RunWith is Run with connectors from the given factory, such as one that has memory targets.
func RunWith(ctx context.Context, env service.Env, factory open.Factory) error {
	files, err := target.Load(env.ConfigDir)
	if err != nil {
		return err
	}
	if err := target.Check(factory, files, env.ResolveTarget); err != nil {
		return err
	}
	options := env.Stream()
	book := listing.New(sourcesOf(files, factory, env.ResolveTarget), env.Clock, func(ctx context.Context) (int32, error) { return bundle.Partitions(ctx, options) }, env.DataDir)
	defer book.Close()
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { book.Watch(ctx) })
	err = stream.Run(ctx, Topology(targetsOf(files), book), options)
	cancel()
	watching.Wait()
	return err
}

func targetsOf(files []*config.Target) []Target {
	var out []Target
	for _, f := range files {
		r := f.Reconcile
		out = append(out, Target{Name: f.Name.Value, Every: r.Every, Rules: drift.Rules{
			drift.Missing: drift.Action(r.Missing), drift.Attribute: drift.Action(r.Attribute), drift.Extra: drift.Action(r.Extra),
			drift.Orphan: drift.Action(r.Orphan), drift.Reenabled: drift.Action(r.Reenabled),
		}})
	}
	return out
}

func sourcesOf(files []*config.Target, factory open.Factory, complete target.Complete) map[string]listing.Source {
	sources := map[string]listing.Source{}
	for _, f := range files {
		sources[f.Name.Value] = listing.Source{Timeout: f.Limits.Timeout,
			Open: func() (connector.Connector, error) { return target.Open(factory, f, complete) }}
	}
	return sources
}

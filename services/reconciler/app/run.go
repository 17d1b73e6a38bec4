package app

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/bundle"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/open"
	"joinery.internal/pkg/directory"
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
	people, err := directory.Open(ctx, options)
	if err != nil {
		return err
	}
	defer people.Close()
	book := listing.New(sourcesOf(files, factory, env.ResolveTarget), env.Clock, func(ctx context.Context) (int32, error) { return bundle.Partitions(ctx, options) }, env.DataDir)
	defer book.Close()
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { book.Watch(running); return nil })
	group.Go(func() error { return stream.Run(running, Topology(targetsOf(files), book, people), options) })
	group.Go(func() error { // without it, whose owner has left would be said of who was
		select {
		case <-people.Done():
			return fmt.Errorf("follow directory: %w", people.Err())
		case <-running.Done():
			return nil
		}
	})
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func targetsOf(files []*config.Target) []Target {
	var out []Target
	for _, f := range files {
		r := f.Reconcile
		if f.Connector == "ticket" { // people do not list accounts
			r.Every = 0
		}
		out = append(out, Target{Name: f.Name.Value, Every: r.Every, Services: servicesOf(r.Service), Rules: drift.Rules{
			drift.Missing: drift.Action(r.Missing), drift.Attribute: drift.Action(r.Attribute), drift.Extra: drift.Action(r.Extra),
			drift.Orphan: drift.Action(r.Orphan), drift.Reenabled: drift.Action(r.Reenabled),
		}})
	}
	return out
}

func servicesOf(files []config.Service) []drift.Service {
	var out []drift.Service
	for _, f := range files {
		v := drift.Service{Accounts: f.Accounts.Value, Owner: f.Owner.EmployeeNumber.Value}
		if f.Secondary != nil {
			v.Secondary = f.Secondary.EmployeeNumber.Value
		}
		out = append(out, v)
	}
	return out
}

// listingShare is what a listing takes of limits.rate: the rest is for changes.
const listingShare = 0.5

func sourcesOf(files []*config.Target, factory open.Factory, complete target.Complete) map[string]listing.Source {
	sources := map[string]listing.Source{}
	for _, f := range files {
		sources[f.Name.Value] = listing.Source{Timeout: f.Limits.Timeout, Rate: float64(f.Limits.Rate) * listingShare,
			Open: func() (connector.Connector, error) { return target.Open(factory, f, complete) }}
	}
	return sources
}

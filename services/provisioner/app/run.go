package app

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/bundle"
	"joinery.internal/pkg/bundle/compiled"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/open"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/signing"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/target"
	"joinery.internal/services/provisioner/internal/shell/desk"
	"joinery.internal/services/provisioner/internal/shell/rules"
)

// inFlight is how many calls wait or run at a time until inputs wait: so many that a leaver is seen although a whole company
// is being reorganised. Each costs a goroutine, some 10 kB.
const inFlight = 100_000

// settle is how long a target may be busy with a request whose sender has died.
const settle = time.Second

// Run provisions until ctx ends. It refuses to start with a target file that is wrong; a target that is down is no
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
	policies, err := compiled.Open(ctx, env.Stream())
	if err != nil {
		return err
	}
	defer policies.Close()
	partitions, err := bundle.Partitions(ctx, env.Stream())
	if err != nil {
		return err
	}
	proofs := approvalproof.NewVerifier(filepath.Join(env.DataDir, approvalproof.KeyFile+signing.PublicSuffix))
	d := desk.New(deskTargets(files, factory, env.ResolveTarget),
		desk.Options{Instance: env.Instance, Clock: env.Clock, Rules: rules.New(policies, proofs), Partitions: int(partitions), Settle: settle})
	defer d.Close()
	if env.Metrics != nil {
		if err := env.Metrics.Register(d); err != nil {
			return fmt.Errorf("register metrics of the provisioner: %w", err)
		}
		defer env.Metrics.Unregister(d)
	}
	group, running := errgroup.WithContext(ctx)
	options := env.Stream()
	options.MaxEffects = inFlight
	group.Go(func() error { return stream.Run(running, Topology(env.Instance, d), options) })
	group.Go(func() error { // without its view the service would decide on what was
		select {
		case <-policies.Done():
			return fmt.Errorf("follow policy bundles: %w", policies.Err())
		case <-running.Done():
			return nil
		}
	})
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func deskTargets(files []*config.Target, factory open.Factory, complete target.Complete) []desk.Target {
	targets := make([]desk.Target, len(files))
	for i, f := range files {
		targets[i] = desk.Target{Name: f.Name.Value, Concurrency: f.Limits.Concurrency, Rate: float64(f.Limits.Rate), Timeout: f.Limits.Timeout,
			Reserved: f.ServiceAccount, Owned: f.Account.Adopt == "never", Open: func() (connector.Connector, error) { return target.Open(factory, f, complete) }}
	}
	return targets
}

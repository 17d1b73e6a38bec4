package app

import (
	"context"
	"fmt"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/open"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/target"
	"joinery.internal/services/provisioner/internal/shell/desk"
)

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
	d := desk.New(deskTargets(files, factory, env.ResolveTarget), desk.Options{Instance: env.Instance, Clock: env.Clock, Settle: settle})
	defer d.Close()
	if env.Metrics != nil {
		if err := env.Metrics.Register(d); err != nil {
			return fmt.Errorf("register metrics of the provisioner: %w", err)
		}
		defer env.Metrics.Unregister(d)
	}
	return stream.Run(ctx, Topology(env.Instance, d), env.Stream())
}

func deskTargets(files []*config.Target, factory open.Factory, complete target.Complete) []desk.Target {
	targets := make([]desk.Target, len(files))
	for i, f := range files {
		targets[i] = desk.Target{Name: f.Name.Value, Concurrency: f.Limits.Concurrency, Rate: float64(f.Limits.Rate), Timeout: f.Limits.Timeout,
			Open: func() (connector.Connector, error) { return target.Open(factory, f, complete) }}
	}
	return targets
}

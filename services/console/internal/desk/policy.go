package desk

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"joinery.internal/pkg/config"
)

// Policy shows the bundle in force.
func (d *Desk) Policy() (Policy, error) {
	b, ok, err := d.Policies.Current()
	if err != nil {
		return Policy{}, unavailable("read the policy in force", err)
	}
	if !ok {
		return Policy{}, fault(NotFound, "no policy is in force yet: `joinery policy publish DIR` puts one in force")
	}
	out := Policy{Hash: b.Hash, Actor: b.Actor, Reason: b.Reason, PublishedAt: b.PublishedAt, ActivatedAt: b.ActivatedAt,
		Partitions: b.Partitions, Files: []string{}, Roles: roles(b.Config)}
	for _, f := range b.Files {
		out.Files = append(out.Files, f.Name)
	}
	return out, nil
}

func roles(cfg *config.Config) []string {
	names := []string{}
	for _, p := range cfg.Policies {
		for name := range p.Roles.All() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// knownRole refuses a role that no policy has: a misspelt name should not take the way through the pipeline.
func (d *Desk) knownRole(role string) error {
	b, ok, err := d.Policies.Current()
	if err != nil {
		return unavailable("read the policy in force", err)
	}
	if !ok {
		return fault(Conflict, "no policy is in force yet, so there are no roles: publish one first")
	}
	known := roles(b.Config)
	if !slices.Contains(known, role) {
		return fault(NotFound, "the policy in force has no role %q%s", role, config.DidYouMean(role, known))
	}
	return nil
}

// Publishing asks to put a folder of policy in force.
type Publishing struct {
	Files  []config.File // without joinery.yaml
	Reason string
	DryRun bool // check, and write nothing
}

// Publish checks the files, runs their tests, and puts them in force. After a fault on the way it is safe to publish
// again: partitions that have switched stay where they are.
func (d *Desk) Publish(ctx context.Context, p Publishing, actor Actor) (Publication, error) {
	if strings.TrimSpace(p.Reason) == "" {
		return Publication{}, fault(Invalid, "give a reason: it becomes evidence")
	}
	cfg, findings, err := d.Check(p.Files)
	if err != nil {
		return Publication{}, unavailable("check the policy", err)
	}
	if len(findings) > 0 {
		return Publication{}, &Fault{Kind: Invalid, Detail: "the policy is not fit to be published; nothing was changed", Items: findings}
	}
	out := Publication{Hash: cfg.Hash, Changed: true, DryRun: p.DryRun}
	if current, ok, err := d.Policies.Current(); err == nil && ok && current.Hash == cfg.Hash && current.Everywhere {
		out.Changed = false // a bundle that cannot be read is replaced
	}
	if !out.Changed || p.DryRun {
		return out, nil
	}
	if err := d.Activate(ctx, cfg, actor.String(), p.Reason, d.Clock.Now()); err != nil {
		return Publication{}, unavailable("publish the policy", err)
	}
	return out, nil
}

// Targets lists the systems that the policy in force provisions.
func (d *Desk) Targets(ctx context.Context) ([]Target, error) {
	b, ok, err := d.Policies.Current()
	if err != nil {
		return nil, unavailable("read the policy in force", err)
	}
	if !ok {
		return []Target{}, nil
	}
	use, err := d.Archive.Targets(ctx, d.Clock.Now().UTC())
	if err != nil {
		return nil, unavailable("read the use of targets from the evidence", err)
	}
	out := make([]Target, len(b.Config.Targets))
	for i, t := range b.Config.Targets {
		out[i] = Target{ID: t.Name.Value, Connector: t.Connector, Entitlements: []string{}, TargetUse: use[t.Name.Value]}
		for _, kind := range t.Entitlements {
			out[i].Entitlements = append(out[i].Entitlements, kind.Value)
		}
		if t.Owner != nil {
			out[i].Owner = t.Owner.EmployeeNumber.Value
		}
	}
	return out, nil
}

func (d *Desk) target(name string) (*config.Target, error) {
	b, ok, err := d.Policies.Current()
	if err != nil {
		return nil, unavailable("read the policy in force", err)
	}
	if !ok {
		return nil, fault(Conflict, "no policy is in force yet, so there are no targets: publish one first")
	}
	t, ok := b.Config.Target(name)
	if !ok {
		var known []string
		for _, t := range b.Config.Targets {
			known = append(known, t.Name.Value)
		}
		return nil, fault(NotFound, "the configuration in force has no target %q%s", name, config.DidYouMean(name, known))
	}
	return t, nil
}

// CheckTarget tries a target's connection and rights. It changes nothing there.
func (d *Desk) CheckTarget(ctx context.Context, name string) ([]Finding, error) {
	t, err := d.target(name)
	if err != nil {
		return nil, err
	}
	found, err := d.Prober.Check(ctx, t)
	if err != nil {
		return nil, unavailable("check target "+name, err)
	}
	out := make([]Finding, len(found))
	for i, f := range found {
		out[i] = Finding{ID: cmp.Or(f.Subject, name), Level: string(f.Level), Message: f.Message}
	}
	return out, nil
}

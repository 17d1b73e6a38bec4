package app

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"joinery.internal/pkg/bundle"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/open"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/intake/push"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/registry"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/signing"
	"joinery.internal/pkg/target"
	"joinery.internal/pkg/topics"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/journal"
)

// assemble makes the desk of this console.
func assemble(env service.Env, o Options, live *views, store desk.Archive, j *journal.Journal) *desk.Desk {
	d := &desk.Desk{
		Directory: &live.directory, Archive: store, Journal: j, Codec: wire.New(env.Registry), Inbox: live.inbox, Queue: live.queue, Waiting: live.waiting, Policies: live.policies,
		Topics: topicCatalog{j}, Schemas: schemaCatalog(o.Endpoints["registry"]), Prober: prober{env.ResolveTarget},
		Check: checkPolicy(env.ConfigDir),
		Activate: func(ctx context.Context, cfg *config.Config, actor, reason string, at time.Time) error {
			return bundle.Publish(ctx, env.Stream(), cfg, actor, reason, at)
		},
		SealKey: func() (ed25519.PublicKey, error) {
			return signing.ReadPublic(filepath.Join(env.DataDir, evidence.KeyFile+signing.PublicSuffix))
		},
		Clock: env.Clock, NewID: newID, Endpoints: o.Endpoints, Patience: votePatience,
	}
	if o.Clock != nil {
		d.Advance = o.Clock.Advance
	}
	return d
}

// openIntake opens what sources push to, as the folder's files say now.
func openIntake(ctx context.Context, env service.Env) (*push.Mount, error) {
	cfg, err := config.LoadDir(env.ConfigDir)
	if err != nil {
		return nil, fmt.Errorf("read sources: %w", err)
	}
	return push.Open(ctx, push.Options{Config: cfg, Stream: env.Stream()})
}

// Name is how people are shown in sessions.
func (p people) Name(id event.IdentityID) string {
	if e, ok := p.Directory.Entry(id); ok && e.DisplayName != "" {
		return e.DisplayName
	}
	return string(id)
}

// checkPolicy compiles files and runs their tests. Secrets of targets are looked for relative to dir.
func checkPolicy(dir string) desk.PolicyCheck {
	return func(files []config.File) (*config.Config, []string, error) {
		cfg, loadErr := config.LoadIn(dir, files)
		compiled, err := policy.Check(cfg, loadErr)
		var faults config.Faults
		if errors.As(err, &faults) {
			findings := make([]string, len(faults))
			for i, f := range faults {
				findings[i] = f.Error()
			}
			return nil, findings, nil
		}
		if err != nil {
			return nil, nil, err
		}
		var findings []string
		for _, t := range compiled.Test() {
			for _, failure := range t.Failures {
				findings = append(findings, fmt.Sprintf("%s:%d:%d: test %q: %s", t.File, t.Line, t.Column, t.Name, failure))
			}
		}
		return cfg, findings, nil
	}
}

// prober opens a connector for one check.
type prober struct{ complete target.Complete }

func (p prober) Check(ctx context.Context, t *config.Target) (found []connector.Finding, err error) {
	c, err := target.Open(open.Factory{}, t, p.complete)
	if err != nil {
		return []connector.Finding{{Level: connector.Fault, Subject: "settings", Message: err.Error()}}, nil
	}
	defer func() { err = errors.Join(err, connector.Close(c)) }()
	return c.Check(ctx)
}

// topicCatalog is the cluster's topics against the list of this version.
type topicCatalog struct{ journal *journal.Journal }

func (c topicCatalog) Plan(ctx context.Context) ([]desk.Change, error) {
	specs, err := topics.Load()
	if err != nil {
		return nil, fmt.Errorf("read the list of topics: %w", err)
	}
	changes, err := topics.Plan(ctx, c.journal.Admin(), specs)
	return topicChanges(changes), kafkaFault(err)
}

func (c topicCatalog) Apply(ctx context.Context) ([]desk.Change, error) {
	specs, err := topics.Load()
	if err != nil {
		return nil, fmt.Errorf("read the list of topics: %w", err)
	}
	changes, err := topics.Apply(ctx, c.journal.Admin(), specs)
	return topicChanges(changes), kafkaFault(err)
}

func kafkaFault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, topics.ErrConflict):
		return &desk.Fault{Kind: desk.Conflict, Detail: err.Error()}
	}
	return &desk.Fault{Kind: desk.Unavailable, Detail: "compare the topics of the cluster", Err: err}
}

func topicChanges(changes []topics.Change) []desk.Change {
	out := make([]desk.Change, len(changes))
	for i, c := range changes {
		out[i] = desk.Change{ID: c.Topic, Action: string(c.Kind), Detail: c.Detail}
	}
	return out
}

// schemaCatalog is the registry at a URL against the schemas of this version.
type schemaCatalog string

func (c schemaCatalog) Plan(ctx context.Context) ([]desk.Change, error)  { return c.apply(ctx, true) }
func (c schemaCatalog) Apply(ctx context.Context) ([]desk.Change, error) { return c.apply(ctx, false) }

func (c schemaCatalog) apply(ctx context.Context, dryRun bool) ([]desk.Change, error) {
	if c == "" {
		return nil, &desk.Fault{Kind: desk.Unavailable, Detail: "this console was not told where the schema registry is: give the tool its address (--registry URL)"}
	}
	changes, err := registry.Apply(ctx, string(c), dryRun)
	if err != nil {
		return nil, &desk.Fault{Kind: desk.Unavailable, Detail: "compare the schemas of the registry", Err: err}
	}
	out := make([]desk.Change, len(changes))
	for i, ch := range changes {
		out[i] = desk.Change{ID: ch.Subject, Action: ch.Action, Detail: ch.Detail}
	}
	return out, nil
}

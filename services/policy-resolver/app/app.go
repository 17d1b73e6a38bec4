// Package app runs the policy resolver: the topology over the pure core in internal/access.
//
// It owns state tables, timers, which policy is in force in which partition, and the records that wait for one. It does
// not own any rule. Run blocks; handlers run on the runtime's goroutine.
package app

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/bundle/compiled"
	"joinery.internal/pkg/directory"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
)

// Name is the topology's.
const Name = "policy-resolver"

// Policies finds a compiled policy by the hash of its files.
type Policies interface {
	Bundle(hash string) (*policy.Bundle, error)
}

// Run runs the service until ctx ends.
func Run(ctx context.Context, env service.Env) error {
	policies, err := compiled.Open(ctx, env.Stream())
	if err != nil {
		return err
	}
	defer policies.Close()
	dir, err := directory.Open(ctx, env.Stream())
	if err != nil {
		return err
	}
	defer dir.Close()
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return stream.Run(running, Topology(policies, dir), env.Stream()) })
	group.Go(func() error { // without its views the service would decide on what was
		select {
		case <-policies.Done():
			return fmt.Errorf("follow policy bundles: %w", policies.Err())
		case <-dir.Done():
			return fmt.Errorf("follow directory: %w", dir.Err())
		case <-running.Done():
			return nil
		}
	})
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// Topology is the service's processing.
func Topology(policies Policies, dir policy.Directory) stream.Topology {
	r := &resolver{policies: policies, dir: dir, looked: map[int32]event.IdentityID{}}
	return stream.Topology{
		Name: Name,
		Inputs: []stream.Input{
			{Topic: event.PolicyActivations, Entrance: true, Handle: r.activated},
			{Topic: event.IdentityEvents, Handle: r.take},
			{Topic: event.AccessRequests, Handle: r.take, Entrance: true},
			{Topic: event.ApprovalEvents, Handle: r.take},
			{Topic: event.ProvisionEvents, Handle: r.take},
		},
		Outputs: []stream.Output{
			{Topic: event.AccessEvents}, {Topic: event.AccessDesired}, {Topic: event.AccessMembers},
			{Topic: event.CaseEvents}, {Topic: event.ApprovalRequests}, {Topic: event.UrgentFacts}, {Topic: event.AccessRequests, Rekey: true},
		},
		Timer: r.timer,
		Idle:  r.revisit,
	}
}

package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"joinery.internal/pkg/event"
)

// What the Drift of drift.reported says of a sweep as a whole: its end in one partition.
const (
	sweepDone   = "swept"
	sweepFailed = "failed"
)

// Reconcile compares a target with what it should be, now, and returns when every partition has been swept. What is
// mended, and how, is the target file's to say; the mending goes on after the sweep.
//
//	tail of jml.drift.event.v1 opened at its end
//	  -> one command in every partition
//	  -> drift events of this sweep are gathered ... until each partition has said swept or failed
func (d *Desk) Reconcile(ctx context.Context, name, reason string, dryRun bool, actor Actor) (Sweep, error) {
	if _, err := d.target(name); err != nil {
		return Sweep{}, err
	}
	sweep := Sweep{ID: d.NewID(), Target: name, Outcome: sweepDone, Findings: []Drift{}, Failures: []string{}}
	if dryRun {
		return sweep, nil
	}
	tail, err := d.Journal.Tail(ctx, event.DriftEvents)
	if err != nil {
		return Sweep{}, unavailable("read the findings of the sweep", err)
	}
	defer tail.Close()
	cause := "demand"
	if reason = strings.TrimSpace(reason); reason != "" {
		cause += ": " + reason
	}
	command, err := d.Codec.Encode(string(event.SweepCommands), event.SweepCommand{ID: sweep.ID, Target: name, Reason: cause, Actor: actor.String(), At: d.Clock.Now()})
	if err != nil {
		return Sweep{}, unavailable("encode the command to sweep", err)
	}
	if err := d.Journal.Append(ctx, Outgoing{Topic: event.SweepCommands, Key: name, Everywhere: true, Value: command}); err != nil {
		return Sweep{}, unavailable("ask the reconciler to sweep", err)
	}
	return sweep, d.gather(ctx, tail, &sweep)
}

// gather reads the tail until every partition has ended the sweep.
func (d *Desk) gather(ctx context.Context, tail Tail, sweep *Sweep) error {
	ended := map[int32]bool{}
	for len(ended) < tail.Partitions() {
		records, err := tail.Next(ctx)
		switch {
		case ctx.Err() != nil:
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fault(Timeout, "the sweep of %s goes on, but %d of %d partitions have not ended it in time: is the reconciler running, and does the target answer? Look at `joinery status` and at the target's check",
					sweep.Target, tail.Partitions()-len(ended), tail.Partitions())
			}
			return ctx.Err()
		case err != nil:
			return unavailable("read the findings of the sweep", err)
		}
		for _, r := range records {
			var e event.DriftEvent
			if err := d.Codec.Decode(r.Value, string(event.DriftEvents), &e); err != nil {
				return unavailable(fmt.Sprintf("decode a finding at %s/%d/%d", r.Topic, r.Partition, r.Offset), err)
			}
			if e.SweepID == sweep.ID && sweep.add(e) {
				ended[r.Partition] = true
			}
		}
	}
	sweep.Partitions = len(ended)
	slices.SortFunc(sweep.Findings, func(a, b Drift) int { return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.ID, b.ID)) })
	slices.Sort(sweep.Failures)
	sweep.Failures = slices.Compact(sweep.Failures) // each partition says the same of a target that is down
	return nil
}

// add takes one drift event of the sweep and says whether it was a partition's last. What follows from a finding, such as
// the exception it opens, is evidence too and no further finding.
func (s *Sweep) add(e event.DriftEvent) (last bool) {
	switch e.Kind {
	case event.DriftReported:
		if e.Drift == sweepFailed {
			s.Outcome = sweepFailed
			s.Failures = append(s.Failures, cmp.Or(e.Message, e.Reason))
		}
		s.Compared += e.Count
		return e.Drift == sweepDone || e.Drift == sweepFailed
	case event.DriftFound, event.DriftAdopted, event.GuardTripped:
		s.Findings = append(s.Findings, Drift{ID: string(e.EventID), Kind: string(e.Kind), Class: e.Drift, Action: e.Action,
			IdentityID: string(e.IdentityID), Account: e.Account, Items: append([]string{}, e.Items...), Message: e.Message})
	}
	return false
}

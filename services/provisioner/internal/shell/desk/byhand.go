package desk

import (
	"context"
	"errors"

	"joinery.internal/pkg/connector"
	"joinery.internal/services/provisioner/internal/account"
)

// askKind is the right to ask people.
const askKind = "ask"

// driveByHand makes the drive on paper, and has people asked for what was changed there. Nothing else was.
//
//	whose tickets     what the account is     who asks
//	an ITSM's         its closed tickets      the connector
//	our own queue     the account's state     the account's state: see account.Asked
//
// Where a guard holds a part of the plan, people are asked for what was let through before it.
func (g *guarded) driveByHand(ctx context.Context, people connector.ByHand, want connector.Desired, r *account.Result) error {
	have := g.call.Have
	asker, elsewhere := people.(connector.Asker)
	if elsewhere {
		said, err := g.Get(ctx, want.Ref())
		switch {
		case errors.Is(err, connector.ErrNotFound):
		case err != nil:
			return err
		default:
			have = &said
		}
	}
	paper := people.OnPaper(have)
	g.c, g.paper = paper, true
	out, err := connector.Drive(ctx, g, g.call.IdempotencyKey(), want)
	g.c, g.paper = people, false
	is := connector.Outcome{Before: have, After: have}
	if have != nil {
		is.RemoteID = have.RemoteID
	}
	fill(r, want, is, err)
	switch plan := out.Changes; {
	case len(plan) == 0 || g.wait > 0:
		return err
	case elsewhere:
		return g.askFor(ctx, asker, have, plan, r, err)
	default:
		r.Doubt, r.Asked = changes(plan), &account.Asked{Account: plan[0].Ref.Account, Steps: account.StepsOf(plan)}
		if after, gone := paper.Get(ctx, plan[0].Ref); gone == nil {
			r.Asked.After = &after
		}
	}
	if err != nil {
		return err
	}
	return &connector.Error{Class: connector.Waiting, Op: "drive account " + r.Asked.Account, Err: errors.New("a person is asked")}
}

// askFor has the target ask people. A part that a guard holds is tried again as long as they could not be asked for the rest.
func (g *guarded) askFor(ctx context.Context, asker connector.Asker, have *connector.Object, plan []connector.Op, r *account.Result, held error) error {
	err := g.request(ctx, askKind, "ask for changes to account "+plan[0].Ref.Account, true, func(ctx context.Context) error {
		return asker.Ask(ctx, g.call.IdempotencyKey(), have, plan)
	})
	switch class := connector.ClassOf(err); class {
	case connector.Waiting:
		r.Doubt = changes(plan)
		if held != nil {
			return held
		}
	case connector.Transient, connector.Ambiguous:
		r.Doubt = changes(plan)
		g.held = nil
	default:
		g.held = nil
	}
	return err
}

package desk

import (
	"context"
	"errors"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/guard"
)

// errHeld ends a drive; the call says why.
var errHeld = errors.New("held by a guard")

// guarded is the connector of a target during one call: every request is paced, bounded in time and noted. It is used
// by one goroutine.
type guarded struct {
	t       *target
	c       connector.Connector
	paper   bool // c is paper: people make the changes, and nothing is sent
	lease   *lease
	call    account.Call
	counted []guard.Count  // by guards that let changes of the call through
	held    *account.Held  // a guard holds a change, and with it the rest of the call
	wait    time.Duration  // the gate cannot tell yet
	doubt   []connector.Op // a change that got no answer, one that does not say whether it was made, or one left to a person
	failed  bool           // a request got no answer, or one that means "not now"
	denied  bool           // a request was denied by the target
	refused bool           // a request was not made, for want of a right
}

func (g *guarded) Describe(ctx context.Context) (d connector.Descriptor, err error) {
	err = g.request(ctx, readKind, "describe target", false, func(ctx context.Context) error {
		d, err = g.c.Describe(ctx)
		return err
	})
	return d, err
}

func (g *guarded) Check(ctx context.Context) ([]connector.Finding, error) { return g.c.Check(ctx) }

func (g *guarded) Normalize(want connector.Desired) connector.Desired {
	return connector.Normal(g.c, want)
}

func (g *guarded) Get(ctx context.Context, ref connector.Ref) (o connector.Object, err error) {
	err = g.request(ctx, readKind, "get account "+ref.Account, true, func(ctx context.Context) error {
		o, err = g.c.Get(ctx, ref)
		return err
	})
	return o, err
}

// Apply makes a change if no guard holds it. A held one ends the drive: the plan takes access away first, so what was done
// before leaves no more access than there was.
func (g *guarded) Apply(ctx context.Context, op connector.Op) (res connector.Result, err error) {
	if !g.call.Look { // what people were asked for has been counted
		v := g.t.gate.ask(g.call, op)
		g.counted, g.held, g.wait = append(g.counted, v.counted...), v.held, v.wait
		if v.held != nil || v.wait > 0 {
			return res, errHeld
		}
	}
	err = g.request(ctx, requestKind(op), string(op.Verb)+" account "+op.Ref.Account, true, func(ctx context.Context) error {
		res, err = g.c.Apply(ctx, op)
		if class := connector.ClassOf(err); class == connector.Transient || class == connector.Ambiguous || class == connector.Waiting {
			g.doubt = append(g.doubt, op)
		}
		return err
	})
	return res, err
}

// errQuiet is why a request was not sent.
var errQuiet = errors.New("not tried: the target asked us to wait")

// request makes one call of the connector, which may take several requests to the target. Describe is free after its
// first success, so it is not paced. A target that throttles has done nothing: the same is asked again when it allows.
func (g *guarded) request(ctx context.Context, kind, what string, paced bool, do func(context.Context) error) (err error) {
	if !g.t.rights.admit(kind, g.t.clock.Now()) {
		g.refused = true
		return connector.Errorf(connector.Denied, what, "not tried: the target denies us the right to %s", kind)
	}
	var class connector.Class
	for range throttleMost {
		if paced && !g.paper {
			if err := g.t.pace.wait(ctx, what); err != nil {
				return err
			}
		}
		err = g.once(ctx, what, do)
		if class = connector.ClassOf(err); class != connector.Throttled {
			break
		}
		g.t.pace.throttled(time.Now(), connector.RetryAfter(err))
	}
	switch class {
	case connector.Transient, connector.Ambiguous:
		g.failed = true
	case connector.Denied:
		g.denied = true
	case "", connector.NotFound, connector.Conflict, connector.Waiting:
		g.t.pace.answered(time.Now())
	}
	g.t.rights.note(kind, g.call.Key, class, g.t.clock.Now())
	return err
}

// once makes the call of the connector. Each request in it has the target's timeout; waiting for the next one's turn does
// not count.
func (g *guarded) once(ctx context.Context, what string, do func(context.Context) error) error {
	first := true
	timed, cancel := connector.WithTimeout(connector.WithPace(ctx, func(ctx context.Context) error {
		if first {
			first = false
			return nil
		}
		g.t.pace.answered(time.Now()) // the request before
		return g.t.pace.wait(ctx, what)
	}), g.t.Timeout)
	defer cancel()
	return do(timed)
}

package connector

import (
	"context"
	"time"
)

type paceKey struct{}

// WithPace has the requests of a call wait for pace. A caller that has paced the first itself lets that one pass.
func WithPace(ctx context.Context, pace func(context.Context) error) context.Context {
	return context.WithValue(ctx, paceKey{}, pace)
}

// Pace waits until the next request may be sent. A connector whose calls make several requests calls it before each of
// them, so that limits.rate of a target file counts what the target counts. The error is the context's, or Throttled.
func Pace(ctx context.Context) error {
	if pace, ok := ctx.Value(paceKey{}).(func(context.Context) error); ok {
		return pace(ctx)
	}
	return nil
}

// WithTimeout bounds each request of a call, and not the call: the context ends when one takes longer. What a request waits for its turn does
// not count.
func WithTimeout(ctx context.Context, each time.Duration) (context.Context, context.CancelFunc) {
	timed, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(each, func() { cancel(context.DeadlineExceeded) })
	return WithPace(timed, func(context.Context) error {
		timer.Stop()
		defer timer.Reset(each)
		return Pace(ctx)
	}), func() { timer.Stop(); cancel(nil) }
}

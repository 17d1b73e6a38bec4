package connector_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"joinery.internal/pkg/connector"
)

func TestATimeoutIsOfEachRequestAndNotOfWaitingForItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turn := func(ctx context.Context) error {
			select {
			case <-time.After(time.Minute):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		ctx, cancel := connector.WithTimeout(connector.WithPace(t.Context(), turn), time.Second)
		defer cancel()
		for range 3 {
			if err := connector.Pace(ctx); err != nil {
				t.Fatalf("wait for the turn: %v", err)
			}
			<-time.After(900 * time.Millisecond) // the request
		}
		if ctx.Err() != nil {
			t.Fatalf("after three requests: %v", context.Cause(ctx))
		}
		<-time.After(200 * time.Millisecond)
		if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			t.Errorf("a request of 1.1 s: %v, want a deadline", context.Cause(ctx))
		}
	})
}

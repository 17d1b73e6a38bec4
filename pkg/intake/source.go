package intake

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"joinery.internal/pkg/stream"
)

// Source is what the adapter of one source works with.
type Source struct {
	Mapper *Mapper
	Stream stream.Options
	Meter  *Meter
	Log    *slog.Logger
}

// Name is the source's name.
func (s Source) Name() string { return s.Mapper.Source() }

// transactionalID names the source's writer. Whoever opens it next fences the one before.
func (s Source) transactionalID() string { return "joinery-source-" + s.Name() }

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 10 * time.Second
)

// Keep runs an adapter until ctx ends: after a fault again, a little later each time. What it read and had not yet
// acknowledged, it reads again.
func (s Source) Keep(ctx context.Context, run func(context.Context) error) error {
	backoff := minBackoff
	for {
		began := time.Now()
		s.Meter.running(true)
		err := run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.Meter.running(false)
		if time.Since(began) > maxBackoff {
			backoff = minBackoff
		}
		if err == nil {
			err = fmt.Errorf("source %s ended by itself", s.Name())
		}
		s.Log.Warn("the source's adapter ended, starting again", "source", s.Name(), "after", backoff, "err", err)
		pause := time.NewTimer(backoff)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

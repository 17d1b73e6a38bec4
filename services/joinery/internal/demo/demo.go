// Package demo plays a month of the example company through the whole pipeline and checks every end state in the
// targets themselves.
//
// It is a user, not a part: it starts `joinery dev` in a temporary folder, speaks to the JSON API, and looks into the
// bundled targets by their own pages. Steps run one after another.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"joinery.internal/services/example"
	"joinery.internal/services/joinery/internal/dev"
)

// Options of `joinery demo`.
type Options struct {
	SelfExe  []string
	Out      io.Writer // the story
	Progress io.Writer // downloads
	Log      *slog.Logger
	Keep     string // folder to keep the data in; empty: a temporary one, removed at the end
	Seed     uint64
}

// ErrUnexpected says that some end state is not what it should be; the story told which.
var ErrUnexpected = errors.New("not every expected end state was there")

// Run plays the month. It returns ErrUnexpected if an end state read from a target differs from what is expected.
func Run(ctx context.Context, o Options) (err error) {
	dir := o.Keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "joinery-demo-"); err != nil {
			return fmt.Errorf("make folder for the demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, ended := make(chan dev.Ready, 1), make(chan error, 1)
	began := time.Now()
	go func() {
		ended <- dev.Run(ctx, dev.Options{Data: dir, HTTP: "127.0.0.1:0", DemoTargets: true, Clock: example.Start, SelfExe: o.SelfExe, Log: o.Log,
			Progress: o.Progress}, func(r dev.Ready) { ready <- r })
	}()
	select {
	case err := <-ended:
		return err
	case r := <-ready:
		s := newStory(r, o)
		s.say("The pipeline is up after %s: broker, registry, evidence engine, %d services, three targets.", time.Since(began).Round(100*time.Millisecond), 7)
		s.say("Console %s   targets %s\n", r.Console, r.Targets)
		played := s.play(ctx)
		cancel()
		if err := <-ended; err != nil {
			return errors.Join(played, err)
		}
		return played
	}
}

package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// What ingest emits is one queue per partition: there nothing overtakes. So the queue is kept short, and the backlog where
// it can be overtaken: while the reader of jml.identity.event.v1 is behind, facts that are not urgent wait in their topic.
// A reader that does not move at all is not waited for: it is down, and its queue is for it to work off.
const (
	reader   = "policy-resolver" // its consumer group
	tooMany  = 1000              // records behind, markers of transactions among them
	fewAgain = 500
	lookEach = 50 * time.Millisecond
	lookIdle = 250 * time.Millisecond // when there was nothing to read
	standing = 5 * time.Second        // without moving
)

// pressure says whether the reader is behind. It is safe for concurrent use once run.
type pressure struct {
	behind atomic.Bool

	read  int64     // by the reader, at the last look
	moved time.Time // when that was seen to grow
}

// look takes what the reader has read and still has to, at a moment.
func (p *pressure) look(read, left int64, now time.Time) {
	if read != p.read || p.moved.IsZero() || left == 0 {
		p.read, p.moved = read, now
	}
	switch {
	case left < fewAgain, now.Sub(p.moved) > standing:
		p.behind.Store(false)
	case left > tooMany:
		p.behind.Store(true)
	}
}

// run looks until ctx ends. Without it there is no pressure.
func (p *pressure) run(ctx context.Context, o stream.Options, log *slog.Logger) {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...)}, o.Dialer...)...)
	if err != nil {
		if log != nil {
			log.Warn("cannot look how far the policy has come; leavers may wait behind others", "err", err)
		}
		return
	}
	defer client.Close()
	admin, next := kadm.NewClient(client), time.NewTimer(lookIdle)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		read, left, err := progress(ctx, admin)
		switch {
		case err != nil:
			p.behind.Store(false) // a broker that does not say is no reason to wait
			next.Reset(lookIdle)
		case left == 0:
			p.look(read, left, time.Now())
			next.Reset(lookIdle)
		default:
			p.look(read, left, time.Now())
			next.Reset(lookEach)
		}
	}
}

// progress is how many records the reader has read, and how many it has not.
func progress(ctx context.Context, admin *kadm.Client) (read, left int64, err error) {
	taken, err := admin.FetchOffsetsForTopics(ctx, reader, string(event.IdentityEvents))
	if err != nil {
		return 0, 0, fmt.Errorf("look how far %s has come: %w", reader, err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, string(event.IdentityEvents))
	if err != nil {
		return 0, 0, fmt.Errorf("look how far %s has come: %w", reader, err)
	}
	ends.Each(func(end kadm.ListedOffset) {
		if at, ok := taken.Lookup(end.Topic, end.Partition); ok && at.At >= 0 {
			read += at.At
			left += max(0, end.Offset-at.At)
		}
	})
	return read, left, nil
}

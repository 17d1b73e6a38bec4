package stream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// view follows the input topic of a world and counts what it sees.
func view(ctx context.Context, t *testing.T, w *world, seen chan<- string, fault error) *Follower {
	t.Helper()
	f, err := Follow(ctx, Options{Seeds: w.broker.ListenAddrs(), Dialer: w.reach()}, func(r Record) error {
		seen <- r.Key
		if r.Key == "bad" {
			return fault
		}
		return nil
	}, "in")
	must(t, err)
	return f
}

func TestAFollowerHasSeenWhatWasThereAndGoesOn(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		w.feed("a", "1")
		w.feed("b", "1")
		seen := make(chan string, 10)
		f := view(t.Context(), t, w, seen, nil)
		if len(seen) != 2 {
			t.Errorf("saw %d of 2", len(seen))
		}
		w.feed("c", "1")
		<-seen
		<-seen
		if key := <-seen; key != "c" {
			t.Errorf("saw %s", key)
		}
		f.Close()
		if !errors.Is(f.Err(), kgo.ErrClientClosed) {
			t.Errorf("ended with %v", f.Err())
		}
	})
}

func TestAFollowerOutlivesFaultsOfTheBroker(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		seen := make(chan string, 10)
		f := view(t.Context(), t, w, seen, nil)
		defer f.Close()
		fault := w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "in", Err: kerr.UnknownServerError, Count: -1})
		time.Sleep(time.Minute)
		fault.Remove()
		w.feed("a", "1")
		select {
		case <-seen:
		case <-f.Done():
			t.Errorf("ended: %v", f.Err())
		}
	})
}

func TestAFollowerEndsWithItsContextAndLeavesNothingBehind(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		f := view(ctx, t, w, make(chan string, 1), nil)
		cancel()
		<-f.Done()
		if !errors.Is(f.Err(), context.Canceled) {
			t.Errorf("ended with %v", f.Err())
		}
	}) // a client left open would be a goroutine left in the bubble
}

func TestAFollowerEndsWithTheErrorOfItsView(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		fault := errors.New("cannot apply")
		f := view(t.Context(), t, w, make(chan string, 1), fault)
		w.feed("bad", "1")
		<-f.Done()
		if !errors.Is(f.Err(), fault) {
			t.Errorf("ended with %v", f.Err())
		}
		f.Close()
	})
}

func TestAFollowerReadsALogWhoseStartHasMoved(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		w.feed("a", "1")
		seen := make(chan string, 100)
		f := view(t.Context(), t, w, seen, nil)
		defer f.Close()
		<-seen
		w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "in", Err: kerr.OffsetOutOfRange, Count: 3})
		time.Sleep(time.Minute)
		w.feed("b", "2")
		for key := range seen {
			if key == "b" {
				return
			}
		}
	})
}

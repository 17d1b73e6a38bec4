package listing_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/reconciler/internal/shell/listing"
)

type machine struct{}

func (machine) Now() time.Time { return time.Now() }

func six(context.Context) (int32, error) { return 6, nil }

// counted counts the lists begun.
type counted struct {
	*memory.Target
	lists *atomic.Int32
}

func (c counted) List(ctx context.Context, req connector.ListRequest) (connector.Page, error) {
	if req.Token == "" {
		c.lists.Add(1)
	}
	return c.Target.List(ctx, req)
}

func newBook(t *memory.Target) (*listing.Book, *atomic.Int32) {
	lists := &atomic.Int32{}
	source := listing.Source{Open: func() (connector.Connector, error) { return counted{t, lists}, nil }, Timeout: time.Minute}
	return listing.New(map[string]listing.Source{"chat": source}, machine{}, six, ""), lists
}

func TestAllPartitionsShareOneListingAndEachAccountBelongsToOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		for i := range 500 {
			target.Put(connector.Object{Ref: connector.Ref{Account: fmt.Sprint("a", i), ExternalID: fmt.Sprint("id-", i%400)}})
		}
		target.SetLatency(time.Second)
		b, lists := newBook(target)
		defer b.Close()
		var wg sync.WaitGroup
		var total atomic.Int32
		for p := range int32(6) {
			wg.Go(func() {
				l, err := b.Take(t.Context(), "s1", "chat")
				if err != nil {
					t.Error(err)
					return
				}
				for range l.Accounts.Of(p) {
					total.Add(1)
				}
			})
		}
		wg.Wait()
		if lists.Load() != 1 || total.Load() != 500 {
			t.Errorf("%d listings, %d accounts", lists.Load(), total.Load())
		}
		if _, err := b.Take(t.Context(), "s2", "chat"); err != nil || lists.Load() != 2 {
			t.Errorf("another sweep: %v, %d listings", err, lists.Load())
		}
		time.Sleep(2 * time.Minute)
		if _, err := b.Take(t.Context(), "s1", "chat"); err != nil || lists.Load() != 3 {
			t.Errorf("the listing was kept: %v, %d listings", err, lists.Load())
		}
	})
}

func TestAListingCutOffWithItsPartitionIsMadeAgainForTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		target.SetLatency(10 * time.Second)
		b, _ := newBook(target)
		defer b.Close()
		ctx, lose := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Take(ctx, "s1", "chat"); err == nil {
				t.Error("a listing of a lost partition")
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := b.Take(t.Context(), "s1", "chat"); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		lose()
		wg.Wait()
	})
}

func TestWhatCannotBeListedSaysWhy(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	b, _ := newBook(target)
	defer b.Close()
	if _, err := b.Take(t.Context(), "s1", "crm"); connector.ClassOf(err) != connector.Invalid || !errors.Is(err, listing.ErrUnknown) {
		t.Errorf("unknown target: %v", err)
	}
	target.FailNext(1, memory.Fault{Class: connector.Denied})
	if _, err := b.Take(t.Context(), "s2", "chat"); connector.ClassOf(err) != connector.Denied {
		t.Errorf("denied: %v", err)
	}
	mute := listing.New(map[string]listing.Source{"chat": {Open: func() (connector.Connector, error) { return struct{ connector.Connector }{target}, nil }}}, machine{}, six, "")
	defer mute.Close()
	if _, err := mute.Take(t.Context(), "s3", "chat"); connector.ClassOf(err) != connector.Unsupported {
		t.Errorf("no lister: %v", err)
	}
}

func TestAPartitionHearsOfChangesOfItsOwnAndOfThoseNobodyOwns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		b, _ := newBook(target)
		ctx, end := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { b.Watch(ctx) })
		heard := make([]chan *listing.News, 6)
		for p := range int32(6) {
			heard[p] = make(chan *listing.News, 10)
			watching.Go(func() {
				for {
					news, err := b.Changed(ctx, "chat", p)
					if err != nil || news == nil {
						return
					}
					heard[p] <- news
				}
			})
		}
		synctest.Wait()
		mine := stream.Partition("id-1", 6)
		o := target.Put(connector.Object{Ref: connector.Ref{Account: "ann", ExternalID: "id-1"}})
		synctest.Wait()
		for p, ch := range heard {
			if want := int32(p) == mine; (len(ch) == 1) != want {
				t.Errorf("partition %d heard %d times", p, len(ch))
			}
		}
		if news := <-heard[mine]; news.Gap || len(news.Changes) != 1 || news.Changes[0].RemoteID != o.RemoteID || !news.Listing.Descriptor.Watch {
			t.Errorf("news: %+v", news)
		}
		target.Interrupt()
		target.Remove("ann") // while nobody listens
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for p, ch := range heard {
			if len(ch) != 1 {
				t.Fatalf("partition %d heard %d times of an account that is gone", p, len(ch))
			}
			if news := <-ch; news.Gap || !news.Changes[0].Gone {
				t.Errorf("news: %+v", news)
			}
		}
		end()
		watching.Wait()
	})
}

func TestATargetThatFailsBeforeItToldAnythingLeavesAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := memory.NewTarget()
		b, _ := newBook(target)
		ctx, end := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { b.Watch(ctx) })
		var news *listing.News
		watching.Go(func() { news, _ = b.Changed(ctx, "chat", 0) })
		synctest.Wait()
		target.Interrupt()
		synctest.Wait()
		if news == nil || !news.Gap {
			t.Errorf("news: %+v", news)
		}
		end()
		watching.Wait()
	})
}

func TestATargetThatCannotTellIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	mute := listing.New(map[string]listing.Source{"chat": {Open: func() (connector.Connector, error) { return struct{ connector.Connector }{memory.NewTarget()}, nil }}}, machine{}, six, "")
	defer mute.Close()
	mute.Watch(t.Context())
	if news, err := mute.Changed(t.Context(), "chat", 0); news != nil || err != nil {
		t.Errorf("news %+v, %v", news, err)
	}
}

// strange is a target whose list is as a test has it.
type strange struct {
	*memory.Target
	list func(context.Context, connector.ListRequest) (connector.Page, error)
}

func (s strange) List(ctx context.Context, req connector.ListRequest) (connector.Page, error) {
	return s.list(ctx, req)
}

func take(t *testing.T, list func(context.Context, connector.ListRequest) (connector.Page, error)) (accounts int, err error) {
	t.Helper()
	source := listing.Source{Open: func() (connector.Connector, error) { return strange{memory.NewTarget(), list}, nil }, Timeout: 10 * time.Second}
	b := listing.New(map[string]listing.Source{"chat": source}, machine{}, six, "")
	defer b.Close()
	l, err := b.Take(t.Context(), "s1", "chat")
	if err != nil {
		return 0, err
	}
	return l.Accounts.Len(), nil
}

func named(names ...string) (p connector.Page) {
	for _, n := range names {
		p.Objects = append(p.Objects, connector.Object{Ref: connector.Ref{Account: n, RemoteID: n}})
	}
	return p
}

func TestAListingThatGoesRoundInACircleEndsAndIsNotBelieved(t *testing.T) {
	t.Parallel()
	for name, names := range map[string][]string{"the same accounts": {"a", "b"}, "nothing": nil} {
		turn := 0
		_, err := take(t, func(context.Context, connector.ListRequest) (connector.Page, error) {
			turn++
			p := named(names...)
			p.Next = fmt.Sprint(turn)
			if turn > 10_000 {
				t.Fatal("it has no end")
			}
			return p, nil
		})
		if connector.ClassOf(err) != connector.Transient {
			t.Errorf("%s: %v, want transient", name, err)
		}
	}
}

func TestAListingWaitsForATargetThatAsksItTo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, asked := time.Now(), 0
		n, err := take(t, func(_ context.Context, req connector.ListRequest) (connector.Page, error) {
			if asked++; asked%2 == 1 {
				return connector.Page{}, &connector.Error{Class: connector.Throttled, RetryAfter: 30 * time.Second, Op: "list", Err: errors.New("429")}
			}
			p := named("a" + req.Token)
			if req.Token != "xxx" {
				p.Next = req.Token + "x"
			}
			return p, nil
		})
		if err != nil || n != 4 || time.Since(began) != 2*time.Minute {
			t.Errorf("%d accounts after %s: %v", n, time.Since(began), err)
		}
	})
}

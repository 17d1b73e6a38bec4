package memory_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/memory"
)

func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	target := memory.NewFleet().Target("chat")
	connectortest.Run(t, connectortest.Harness{
		New:        func(*testing.T) connector.Connector { return target },
		Reset:      func(*testing.T) { target.Reset() },
		Inspect:    func(*testing.T) []connector.Object { return target.Objects() },
		Attributes: [2]string{"title", "office"},
		Kind:       "group",
	})
}

func desired() connector.Desired {
	return connector.Desired{
		Account: "ana.berg", ExternalID: "id-1", State: connector.Active,
		Entitlements: []string{"group/engineering"}, ManagedKinds: []string{"group"},
	}
}

func TestAFailureAfterCommitIsFoundDoneByTheNextDrive(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	target.FailNext(1, memory.Fault{Class: connector.Ambiguous, AfterCommit: true})
	_, err := connector.Drive(t.Context(), target, "k", desired())
	if connector.ClassOf(err) != connector.Ambiguous {
		t.Fatalf("drive: %v, want ambiguous", err)
	}
	out, err := connector.Drive(t.Context(), target, "k", desired())
	if err != nil || len(out.Changes) != 1 || out.Changes[0].Verb != connector.Grant {
		t.Fatalf("second drive: changes %+v, %v; want the grant only", out.Changes, err)
	}
	journal := target.Journal()
	if len(journal) != 2 || journal[0].Key != "k/create" || journal[1].Key != "k/grant/group/engineering" {
		t.Errorf("journal %+v, want one create and one grant with derived keys", journal)
	}
}

func TestATargetThatLiesIsNotBelieved(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	target.FailNext(2, memory.Fault{Lie: true})
	_, err := connector.Drive(t.Context(), target, "k", desired())
	if connector.ClassOf(err) != connector.Transient || len(target.Journal()) != 0 {
		t.Errorf("drive: %v with journal %+v, want a transient error and no change", err, target.Journal())
	}
}

func TestFaultsAreMetInOrderAndHealed(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	target.FailNext(1, memory.Fault{Class: connector.Throttled, RetryAfter: time.Minute})
	target.FailNext(5, memory.Fault{})
	_, err := target.Get(t.Context(), connector.Ref{Account: "a"})
	if connector.ClassOf(err) != connector.Throttled || connector.RetryAfter(err) != time.Minute {
		t.Errorf("first: %v after %s, want throttled for a minute", err, connector.RetryAfter(err))
	}
	_, err = target.Get(t.Context(), connector.Ref{Account: "a"})
	if connector.ClassOf(err) != connector.Transient {
		t.Errorf("second: %v, want transient", err)
	}
	target.Heal()
	if _, err = target.Get(t.Context(), connector.Ref{Account: "a"}); !errors.Is(err, connector.ErrNotFound) {
		t.Errorf("healed: %v, want ErrNotFound", err)
	}
}

func TestACallThatEndsInItsLatencyHasNotActed(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	target.SetLatency(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := target.Apply(ctx, connector.Op{Verb: connector.Create, Want: connector.Object{Ref: connector.Ref{Account: "a"}}})
	if connector.ClassOf(err) != connector.Transient || len(target.Objects()) != 0 {
		t.Errorf("apply: %v with %d accounts, want transient and none", err, len(target.Objects()))
	}
}

func TestParallelDrivesOfDifferentAccountsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		wg.Go(func() {
			want := desired()
			want.Account, want.ExternalID = name, "id "+name
			for _, state := range []connector.State{connector.Active, connector.Disabled, connector.Active} {
				want.State = state
				if _, err := connector.Drive(t.Context(), target, name, want); err != nil {
					t.Errorf("drive %s: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(target.Journal()); got != 8*4 {
		t.Errorf("%d effective changes, want create, grant, disable and enable for each of 8", got)
	}
}

// changes is what a watcher is told from a token on, until it has had so many or is refused.
func changes(ctx context.Context, target *memory.Target, token string, most int) (tokens []string, err error) {
	for c, err := range target.Changes(ctx, token) {
		if err != nil {
			return tokens, err
		}
		if tokens = append(tokens, c.Token); len(tokens) == most {
			break
		}
	}
	return tokens, nil
}

func TestAWatcherGoesOnWhereItWasAndIsToldToListAgainWhereThatIsForgotten(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := changes(ended, target, "", 1); err != nil { // from now on changes are kept
		t.Fatal(err)
	}
	put := func(n int) {
		for range n {
			target.Put(connector.Object{Ref: connector.Ref{Account: "ann", RemoteID: "r1"}})
		}
	}
	put(3)
	if got, err := changes(t.Context(), target, "1", 2); err != nil || len(got) != 2 || got[0] != "2" || got[1] != "3" {
		t.Errorf("told %v, %v; want the second and third", got, err)
	}
	put(10_000) // the first three are forgotten
	if got, err := changes(t.Context(), target, "3", 10_000); err != nil || len(got) != 10_000 {
		t.Errorf("told %d, %v; want all that are kept", len(got), err)
	}
	for _, token := range []string{"2", "10004", "-1", "a cookie of another target"} {
		if got, err := changes(t.Context(), target, token, 1); connector.ClassOf(err) != connector.NotFound {
			t.Errorf("token %s: told %v, %v; want that it is not known", token, got, err)
		}
	}
}

func TestAWatcherThatFallsBehindIsToldToListAgain(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	put := func() { target.Put(connector.Object{Ref: connector.Ref{Account: "ann", RemoteID: "r1"}}) }
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := changes(ended, target, "", 1); err != nil { // from now on changes are kept
		t.Fatal(err)
	}
	put()
	told, refused := 0, error(nil)
	for _, err := range target.Changes(t.Context(), "0") {
		refused = err
		if told++; told > 3 {
			break
		}
		for range 10_001 { // meanwhile
			put()
		}
	}
	if told != 2 || connector.ClassOf(refused) != connector.NotFound {
		t.Errorf("told %d, then %v; want one change, and then that the rest is not known", told, refused)
	}
}

func BenchmarkDriveOneHire(b *testing.B) {
	target := memory.NewTarget()
	for i := 0; b.Loop(); i++ {
		want := desired()
		want.Account, want.ExternalID = "user"+strconv.Itoa(i), "id"+strconv.Itoa(i)
		if _, err := connector.Drive(b.Context(), target, "k", want); err != nil {
			b.Fatal(err)
		}
	}
}

package connector_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
)

func TestAWishThatCannotBeFulfilledIsRefusedBeforeAnyCall(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		want connector.Desired
		say  string
	}{
		{connector.Desired{State: connector.Active}, "the account name is empty"},
		{connector.Desired{Account: "ana", State: "asleep"}, "none of active, disabled, absent"},
		{connector.Desired{Account: "ana", State: connector.Active, Entitlements: []string{"engineering"}}, "is not kind/name"},
		{connector.Desired{Account: "ana", State: connector.Active, Entitlements: []string{"group/a"}}, "does not manage the kind"},
	} {
		target := memory.NewTarget()
		target.FailNext(9, memory.Fault{})
		_, err := connector.Drive(t.Context(), target, "k", row.want)
		if connector.ClassOf(err) != connector.Invalid || !strings.Contains(err.Error(), row.say) {
			t.Errorf("%+v: %v, want invalid and %q", row.want, err, row.say)
		}
	}
}

func TestARenamedAccountGetsItsNameBack(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	theirs := target.Put(connector.Object{Ref: connector.Ref{Account: "ana.novak", ExternalID: "id-1"}, Enabled: true})
	out, err := connector.Drive(t.Context(), target, "k", connector.Desired{
		Account: "ana.berg", RemoteID: theirs.RemoteID, ExternalID: "id-1", State: connector.Disabled,
	})
	if err != nil || out.After.Account != "ana.berg" || out.After.Enabled || len(target.Objects()) != 1 {
		t.Errorf("after the drive: %+v, %v", out.After, err)
	}
}

func TestAnIDThatTheTargetGaveToSomebodyElseIsNotOurs(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	theirs := target.Put(connector.Object{Ref: connector.Ref{Account: "ben.king", ExternalID: "id-2"}, Enabled: true})
	want := connector.Desired{Account: "ana.berg", RemoteID: theirs.RemoteID, ExternalID: "id-1", State: connector.Active}
	out, err := connector.Drive(t.Context(), target, "k1", want)
	if err != nil || len(out.Changes) != 1 || out.RemoteID == theirs.RemoteID {
		t.Fatalf("the drive: %+v, %v; want one create with an id of its own", out, err)
	}
	want.State = connector.Disabled
	if out, err = connector.Drive(t.Context(), target, "k2", want); err != nil || out.After.Account != "ana.berg" || out.After.Enabled {
		t.Errorf("with the old id: %+v, %v", out, err)
	}
	if got, err := target.Get(t.Context(), theirs.Ref); err != nil || !got.Enabled || got.ExternalID != "id-2" {
		t.Errorf("theirs is %+v, %v", got, err)
	}
}

func TestAnAccountDeletedOutsideIsMadeAnew(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	want := connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active}
	first, err := connector.Drive(t.Context(), target, "k1", want)
	if err != nil {
		t.Fatal(err)
	}
	target.Remove("ana.berg")
	want.RemoteID = first.RemoteID
	second, err := connector.Drive(t.Context(), target, "k2", want)
	if err != nil || len(second.Changes) != 1 || second.RemoteID == first.RemoteID {
		t.Errorf("second drive: %+v, %v; want one create with a new id", second, err)
	}
}

func TestAFailureInTheMiddleReportsWhatWasDone(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	target.Put(connector.Object{Ref: connector.Ref{Account: "ana", ExternalID: "id-1"}, Enabled: true, Entitlements: []string{"group/a"}})
	want := connector.Desired{Account: "ana", ExternalID: "id-1", State: connector.Disabled, ManagedKinds: []string{"group"}}
	target.FailNext(1, memory.Fault{Class: connector.Denied, AfterCommit: true}) // the disable: done, and yet refused
	out, err := connector.Drive(t.Context(), target, "k", want)
	if connector.ClassOf(err) != connector.Denied || len(out.Changes) != 0 || out.Before == nil || out.After != nil {
		t.Errorf("first drive: %+v, %v", out, err)
	}
	out, err = connector.Drive(t.Context(), target, "k", want)
	if err != nil || says(out.Changes) != "revoke group/a" || out.After == nil {
		t.Errorf("second drive: %+v, %v; want the revoke only", out, err)
	}
}

func TestErrorsKeepTheirClassAndCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := fmt.Errorf("drive: %w", &connector.Error{Class: connector.Throttled, RetryAfter: time.Minute, Op: "get account ana", Err: cause})
	if connector.ClassOf(err) != connector.Throttled || connector.RetryAfter(err) != time.Minute || !errors.Is(err, cause) {
		t.Errorf("lost in %v", err)
	}
	if got := err.Error(); got != "drive: get account ana: throttled: cause" {
		t.Errorf("it reads %q", got)
	}
	if !errors.Is(connector.Errorf(connector.NotFound, "get", "x"), connector.ErrNotFound) || errors.Is(err, connector.ErrNotFound) {
		t.Error("ErrNotFound is not the class NotFound")
	}
	if connector.ClassOf(nil) != "" || connector.ClassOf(cause) != connector.Transient {
		t.Error("no error has no class, an unknown one is transient")
	}
	for class, retry := range map[connector.Class]bool{
		connector.Transient: true, connector.Throttled: true, connector.Ambiguous: true, connector.Conflict: true,
		connector.NotFound: true, connector.Denied: false, connector.Invalid: false, connector.Unsupported: false,
	} {
		if class.Retryable() != retry {
			t.Errorf("%s is retryable: %v", class, !retry)
		}
	}
}

func TestRedactHidesTheLongestValueFirst(t *testing.T) {
	t.Parallel()
	want := connector.Object{Attributes: map[string]string{"name": "Ana", "mail": "Ana.Berg@acme.example", "floor": "2"}}
	if got := connector.Redact("2 values: Ana.Berg@acme.example of Ana", want); got != "2 values: [mail] of [name]" {
		t.Errorf("redacted to %q", got)
	}
}

func TestFindFreeGivesUpWhenEveryNameIsTaken(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	for i := range 1001 {
		name := "ana"
		if i > 1 {
			name = fmt.Sprint("ana", i)
		}
		target.Put(connector.Object{Ref: connector.Ref{Account: name, ExternalID: fmt.Sprint("id-", i)}})
	}
	if _, _, err := connector.FindFree(t.Context(), target, "ana", connector.Ours("me")); connector.ClassOf(err) != connector.Invalid {
		t.Errorf("find free: %v, want invalid", err)
	}
}

func TestAnAccountIsTakenOverOnlyFromTheIdentityItWasMergedFrom(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	target.Put(connector.Object{Ref: connector.Ref{Account: "ana.novak", ExternalID: "id-1"}, Enabled: true})
	want := connector.Desired{Account: "ana.novak", ExternalID: "id-2", State: connector.Active}
	if _, err := connector.Drive(t.Context(), target, "k1", want); connector.ClassOf(err) != connector.Conflict {
		t.Fatalf("without a word on whose it was: %v, want a conflict", err)
	}
	want.Formerly = "id-1"
	out, err := connector.Drive(t.Context(), target, "k2", want)
	if err != nil || !out.Adopted || out.After.ExternalID != "id-2" || len(target.Objects()) != 1 {
		t.Errorf("taken over: %+v, %v", out.After, err)
	}
}

// ownerless keeps no external ids.
type ownerless struct{ *memory.Target }

func (o ownerless) Describe(ctx context.Context) (connector.Descriptor, error) {
	d, err := o.Target.Describe(ctx)
	d.ExternalID = false
	return d, err
}

func TestAnAccountThatOnlyHasTheNameOfOneThatIsGoneIsNotDeleted(t *testing.T) {
	t.Parallel()
	target := memory.NewTarget()
	want := connector.Desired{Account: "ana.berg", State: connector.Active}
	out, err := connector.Drive(t.Context(), ownerless{target}, "k1", want)
	if err != nil {
		t.Fatal(err)
	}
	target.Remove("ana.berg")
	target.Put(connector.Object{Ref: connector.Ref{Account: "ana.berg"}, Enabled: true}) // another Ana Berg's
	want.RemoteID, want.State = out.RemoteID, connector.Absent
	out, err = connector.Drive(t.Context(), ownerless{target}, "k2", want)
	if err != nil || !out.Unchanged() || out.RemoteID != "" || len(target.Objects()) != 1 {
		t.Errorf("%+v, %v; %d accounts are left, want the other one", out, err, len(target.Objects()))
	}
}

// late shows what was made after some reads, and by its id alone.
type late struct {
	*memory.Target
	reads int
}

func (l *late) Get(ctx context.Context, ref connector.Ref) (connector.Object, error) {
	l.reads++
	if l.reads <= 2 || ref.RemoteID == "" {
		return connector.Object{}, &connector.Error{Class: connector.NotFound, Op: "get", Err: connector.ErrNotFound}
	}
	return l.Target.Get(ctx, connector.Ref{RemoteID: ref.RemoteID})
}

func TestWhatWasMadeAndIsNotShownYetIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	target := &late{Target: memory.NewTarget()}
	want := connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active}
	out, err := connector.Drive(t.Context(), target, "k1", want)
	if connector.ClassOf(err) != connector.Transient || out.RemoteID == "" {
		t.Fatalf("%+v, %v; want transient, and the id", out, err)
	}
	want.RemoteID = out.RemoteID
	if out, err = connector.Drive(t.Context(), target, "k2", want); err != nil || !out.Unchanged() {
		t.Errorf("then: %+v, %v", out, err)
	}
}

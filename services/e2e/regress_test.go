package e2e_test

import (
	"fmt"
	"testing"
)

func TestWhatATargetRefusedIsGivenByASweepOnceItIsWell(t *testing.T) {
	t.Parallel()
	p := boot(t)
	p.switchTo("chat", "reject")
	p.produce(joiner("7001"))
	p.eventually("refused", func() string {
		return differs(p.sql("select class, target, resolved_at is null from joinery.exceptions"), "[[invalid chat 1]]")
	})
	p.switchTo("chat", "up")
	if out, errs, code := p.joinery("target", "reconcile", "chat"); code != 3 {
		t.Fatalf("reconcile: exit %d, want 3\n%s%s", code, out, errs)
	}
	p.eventually("given", func() string {
		if held, _ := p.look("chat"); !held[identity("7001")].Enabled {
			return "7001 has no account"
		}
		return first(
			differs(p.sql("select class, target, resolution, resolved_at is null from joinery.exceptions"), "[[invalid chat reconcile 0]]"),
			differs(p.sql("select trigger, outcome, exceptions, remediated_at is not null from joinery.cases"), "[[identity.hire succeeded 1 1]]"))
	})
	p.evidenceIsWhole()
}

func TestARecordOfNobodyKnownIsAnExceptionUntilSomebodyIs(t *testing.T) {
	t.Parallel()
	p := boot(t)
	number := joiner("7002")
	number.ID, number.Source, number.SourceKey, number.Sequence = "phone", "phonebook", "x7", nil
	p.produce(number)
	p.eventually("waits", func() string {
		return differs(p.sql("select class, resolved_at is null from joinery.exceptions"), "[[quarantined 1]]")
	})
	p.produce(joiner("7002"))
	p.eventually("applied", func() string {
		return differs(p.sql("select class, resolution, resolved_at is null from joinery.exceptions"), "[[quarantined correlated 0]]")
	})
}

// differs says what rows are when they are not as wanted.
func differs(rows [][]string, want string) string {
	if got := fmt.Sprint(rows); got != want {
		return got
	}
	return ""
}

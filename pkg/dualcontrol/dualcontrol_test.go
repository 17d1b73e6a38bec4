package dualcontrol_test

import (
	"testing"

	"joinery.internal/pkg/dualcontrol"
	"joinery.internal/pkg/event"
)

func TestTwoDifferentPeopleHaveToSayTheSame(t *testing.T) {
	t.Parallel()
	var votes dualcontrol.Votes
	decided := false
	for i, step := range []struct {
		kind  event.GuardAct
		actor event.IdentityID
		want  string
	}{
		{event.GuardRelease, "ana", dualcontrol.Counted},
		{event.GuardRelease, "ana", dualcontrol.Repeated},
		{event.GuardCancel, "bo", dualcontrol.Counted},
		{event.GuardCancel, "bo", dualcontrol.Repeated},
		{event.GuardCancel, "ana", dualcontrol.Decisive}, // she has thought better of it
		{event.GuardRelease, "cyn", dualcontrol.Late},
	} {
		before := len(votes)
		next, outcome := votes.Take(decided, dualcontrol.Vote{Kind: step.kind, Actor: step.actor})
		counts := outcome == dualcontrol.Counted || outcome == dualcontrol.Decisive
		if outcome != step.want || len(votes) != before || (len(next) > before) != counts {
			t.Errorf("step %d: %s with %v after %v, want %s", i, outcome, next, votes, step.want)
		}
		votes, decided = next, decided || outcome == dualcontrol.Decisive
	}
}

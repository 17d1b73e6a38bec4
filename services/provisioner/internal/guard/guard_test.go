package guard_test

import (
	"maps"
	"math"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/dualcontrol"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/guard"
)

func TestALimitIsTheStricterBoundAndNeverAStop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		count    int
		percent  float64
		accounts int
		share    float64
		want     int
	}{
		{count: 25, share: 1, want: 25},
		{count: 25, share: 1. / 3, want: 9}, // rounded up
		{count: 1, share: 0, want: 1},
		{percent: 2, accounts: 1000, share: 0.5, want: 20}, // the accounts are the instance's own
		{percent: 2, accounts: 49, share: 1, want: 10},     // of a small population a percentage is no mass
		{count: 25, percent: 2, accounts: 1000, share: 1, want: 20},
		{count: 3, percent: 2, accounts: 49, share: 1, want: 3},
		{count: 25, percent: 2, accounts: 10_000, share: 1, want: 25},
		{share: 1, want: math.MaxInt},
	} {
		r := guard.Rule{Count: c.count, Percent: c.percent}
		if got := r.Limit(c.accounts, c.share); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestAPercentageIsOfTheAccountsTheGuardLooksOver(t *testing.T) {
	t.Parallel()
	there := maps.All(map[guard.Population]int{{"chat", "hr"}: 100, {"chat", "agency"}: 7, {"chat", ""}: 3, {"erp", "hr"}: 50})
	for _, c := range []struct {
		per            []string
		target, source string
		want           int
	}{
		{[]string{"source", "target"}, "chat", "agency", 7},
		{[]string{"source", "target"}, "chat", "hr", 100},
		{[]string{"source"}, "chat", "hr", 150},
		{[]string{"target"}, "chat", "hr", 110},
		{nil, "chat", "hr", 160},
		{[]string{"source", "target"}, "chat", "soc", 110}, // it employs nobody and may touch anybody
		{[]string{"source", "target"}, "chat", "", 110},    // a new policy, which comes of no source
		{[]string{"source", "target"}, "wiki", "hr", 0},
	} {
		if got := (guard.Rule{Per: c.per}).Base(there, c.target, c.source); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestAGuardCountsItsActionAndOnlyItsOwnLooksAtTheEmergencyLane(t *testing.T) {
	t.Parallel()
	disable, emergency := guard.Rule{Action: "disable"}, guard.Rule{Action: "emergency"}
	if !disable.Counts(event.LaneLeaver, connector.Disable) || disable.Counts(event.LaneJoiner, connector.Create) || disable.Counts(event.LaneEmergency, connector.Disable) {
		t.Error("a guard of disable")
	}
	if emergency.Counts(event.LaneLeaver, connector.Disable) || !emergency.Counts(event.LaneEmergency, connector.Disable) || !emergency.Counts(event.LaneEmergency, connector.Revoke) {
		t.Error("a guard of emergency")
	}
}

func TestATripNamesItsScope(t *testing.T) {
	t.Parallel()
	r := guard.Rule{Name: "mass-grant", Per: []string{"source", "target", "role"}}
	for item, want := range map[string]guard.Scope{"": "mass-grant:chat@hr", "group/v1.2": "mass-grant:chat:group/v1.2@hr"} {
		scope := r.Scope("chat", "hr", item)
		if got, ok := guard.ScopeOf(guard.TripID(scope, "pe-1")); scope != want || !ok || got != scope {
			t.Errorf("scope %q, read back as %q", scope, got)
		}
	}
	if guard.TripID("a", "pe-1") == guard.TripID("a", "pe-2") {
		t.Error("two trips have one id")
	}
	for _, text := range []string{"", "mass-grant", ".12345678"} {
		if _, ok := guard.ScopeOf(text); ok {
			t.Errorf("%q passes for a trip", text)
		}
	}
}

func TestTwoPeopleDecideAndOnePartitionTells(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	mine, other := guard.Trip{ID: "mass.12345678", Guard: "mass", Mine: true, At: now}, guard.Trip{ID: "mass.12345678"}
	for i, step := range []struct {
		kind    event.GuardAct
		actor   event.IdentityID
		outcome string
		decided event.GuardAct
	}{
		{event.GuardRelease, "ana", dualcontrol.Counted, ""},
		{event.GuardRelease, "ana", dualcontrol.Repeated, ""},
		{event.GuardCancel, "bo", dualcontrol.Counted, ""},
		{event.GuardCancel, "ana", dualcontrol.Decisive, event.GuardCancel}, // she has thought better of it
		{event.GuardRelease, "cyn", dualcontrol.Late, event.GuardCancel},
	} {
		c := event.GuardCommand{ID: "act", Kind: step.kind, Hold: mine.ID, Actor: step.actor, Reason: "x"}
		var told, silent []event.ProvisionEvent
		mine, told = mine.Take(c, "cause-"+string(rune('a'+i)), now)
		other, silent = other.Take(c, "cause", now)
		if told[0].Kind != event.GuardVoted || told[0].Outcome != step.outcome || mine.Decision != step.decided || other.Decision != step.decided || len(silent) != 0 {
			t.Errorf("step %d: %+v; decided %q and %q", i, told[0].Meta, mine.Decision, other.Decision)
		}
		if want := map[bool]int{true: 3, false: 1}[step.outcome == dualcontrol.Decisive]; len(told) != want {
			t.Errorf("step %d: %d events, want %d", i, len(told), want)
		}
		for _, e := range told {
			if err := e.Valid(); err != nil || e.ExceptionID != mine.ID {
				t.Errorf("step %d: %+v: %v", i, e, err)
			}
		}
	}
}

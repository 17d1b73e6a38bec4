package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/shell/desk"
)

// guarded is acme with guards.
func guarded(guards ...string) string {
	return acme + "  guards:\n    - " + strings.Join(guards, "\n    - ") + "\n"
}

const fewLeavers = "{name: mass-leaver, action: disable, window: 1h, count: 5, per: [target]}"

// staffed is a pipe with people who have accounts, under a policy with these guards.
func staffed(t *testing.T, people int, guards ...string) *pipe {
	t.Helper()
	p := newPipe(t)
	p.publish(guarded(guards...), start)
	for i := range people {
		p.want(desired(fmt.Sprintf("p%02d", i), 1))
	}
	p.Perform()
	p.Advance(time.Minute)
	return p
}

// leave has people disabled.
func (p *pipe) leave(from, to int, version int64) {
	p.t.Helper()
	for i := from; i < to; i++ {
		d := desired(fmt.Sprintf("p%02d", i), version)
		d.State, d.Lane, d.Entitlements = event.AccountDisabled, event.LaneLeaver, nil
		p.want(d)
	}
	p.Perform()
}

func (p *pipe) disabled() (n int) {
	for _, o := range p.target.Objects() {
		if !o.Enabled {
			n++
		}
	}
	return n
}

// trip is the id of the one guard that tripped.
func (p *pipe) trip() string {
	p.t.Helper()
	var ids []string
	for _, e := range p.all() {
		if e.Kind == event.GuardTripped {
			ids = append(ids, e.ExceptionID)
		}
	}
	if len(ids) != 1 {
		p.t.Fatalf("%d guards tripped, want one: %v", len(ids), p.kinds())
	}
	return ids[0]
}

func (p *pipe) decide(kind event.GuardAct, actor event.IdentityID, trip string) {
	p.t.Helper()
	c := event.GuardCommand{ID: fmt.Sprint("act-", kind, "-", actor), Kind: kind, Hold: trip, Actor: actor, Reason: "looked at it", At: p.Now()}
	p.FeedAll(event.GuardCommands, trip, &c)
	p.Perform()
	p.Advance(time.Second)
	p.Perform()
}

func TestAMassOfLeaversIsHeldAtTheLimitAndNothingOfItIsLost(t *testing.T) {
	t.Parallel()
	p := staffed(t, 12, fewLeavers)
	p.leave(0, 12, 2)
	if n := p.disabled(); n != 5 || p.count(event.ProvisionHeld) != 7 || p.count(event.GuardTripped) != 1 || p.count(event.ExceptionOpened) != 1 {
		t.Fatalf("%d disabled, events %v", n, p.kinds())
	}
	p.run(3*time.Hour, time.Minute) // the window ends, the hold does not
	if n := p.disabled(); n != 5 || len(p.Effects()) != 0 {
		t.Fatalf("%d disabled after the window", n)
	}
	trip := p.trip()
	p.decide(event.GuardRelease, "id-boss", trip)
	p.decide(event.GuardRelease, "id-boss", trip)
	if n := p.disabled(); n != 5 || p.count(event.GuardReleased) != 0 || p.count(event.GuardVoted) != 2 {
		t.Fatalf("one person alone released it: %d disabled, events %v", n, p.kinds())
	}
	p.decide(event.GuardRelease, "id-cyn", trip)
	if n := p.disabled(); n != 12 || p.count(event.GuardReleased) != 1 || p.count(event.ProvisionReleased) != 7 || p.count(event.ExceptionResolved) != 1 {
		t.Fatalf("%d disabled after the release, events %v", n, p.kinds())
	}
	if p.count(event.GuardTripped) != 1 {
		t.Errorf("what was released tripped the guard again: %v", p.kinds())
	}
}

func TestWhatIsHeldSaysWhichGuardHoldsIt(t *testing.T) {
	t.Parallel()
	p := staffed(t, 6, fewLeavers)
	p.leave(0, 6, 2)
	trip := p.trip()
	for _, e := range p.all() {
		switch e.Kind {
		case event.GuardTripped:
			if e.Target != "chat" || e.Reason != "mass-leaver" || e.Class != "held" || !strings.Contains(e.Message, "5 accounts in 1h") {
				t.Errorf("tripped: %+v", e)
			}
		case event.ProvisionHeld:
			if e.ExceptionID != trip || e.Outcome != "held" || e.CaseID != "case-p05" || e.Version != 2 || len(e.Changes) != 0 {
				t.Errorf("held: %+v", e)
			}
		}
	}
}

func TestWhatIsCancelledIsNotDoneUntilSomethingNewerIsWanted(t *testing.T) {
	t.Parallel()
	p := staffed(t, 8, fewLeavers)
	p.leave(0, 8, 2)
	trip := p.trip()
	p.decide(event.GuardCancel, "id-boss", trip)
	p.decide(event.GuardRelease, "id-boss", trip) // one release is no release
	p.decide(event.GuardCancel, "id-cyn", trip)
	p.nudge(event.DriftEvent{Meta: event.Meta{IdentityID: "p07", Target: "chat"}, Drift: "reenabled", Action: "repair", Version: 2})
	p.Restart()
	p.run(time.Hour, time.Minute)
	if n := p.disabled(); n != 5 || p.count(event.GuardCancelled) != 1 || p.count(event.GuardReleased) != 0 || p.count(event.ProvisionReleased) != 0 {
		t.Fatalf("%d disabled, events %v", n, p.kinds())
	}
	if o, r := p.count(event.ExceptionOpened), p.count(event.ExceptionResolved); o != 4 || r != 1 {
		t.Errorf("%d exceptions opened, want the trip's and 3 of the accounts; %d resolved", o, r)
	}
	p.want(desired("p07", 3)) // HR corrected it
	p.leave(6, 7, 2)          // somebody replays it
	if n := p.disabled(); n != 6 || p.count(event.ExceptionResolved) != 3 {
		t.Errorf("%d disabled, events %v", n, p.kinds())
	}
}

func TestAWindowIsNotForgottenByARestart(t *testing.T) {
	t.Parallel()
	p := staffed(t, 12, fewLeavers)
	p.leave(0, 5, 2)
	p.newDesk()
	p.Restart()
	p.run(10*time.Second, time.Second)
	p.leave(5, 7, 2)
	if n := p.disabled(); n != 5 || p.count(event.ProvisionHeld) != 2 {
		t.Fatalf("%d disabled after the restart, events %v", n, p.kinds())
	}
	p.newDesk()
	p.Restart() // nor is what it holds
	p.Perform()
	p.leave(7, 9, 2)
	if n := p.disabled(); n != 5 || p.count(event.ProvisionHeld) != 4 {
		t.Fatalf("%d disabled, events %v", n, p.kinds())
	}
	trip := p.trip()
	p.decide(event.GuardRelease, "id-boss", trip)
	p.newDesk()
	p.Restart()
	p.decide(event.GuardRelease, "id-cyn", trip)
	p.newDesk()
	p.Restart() // what was counted before the release counts no more
	p.run(10*time.Second, time.Second)
	p.leave(9, 12, 2)
	if n := p.disabled(); n != 12 {
		t.Fatalf("%d disabled after the release, events %v", n, p.kinds())
	}
}

func TestAWindowThatHasPassedLetsTheNextThrough(t *testing.T) {
	t.Parallel()
	p := staffed(t, 12, fewLeavers)
	p.leave(0, 5, 2)
	p.Advance(time.Hour)
	p.leave(5, 10, 2)
	if n := p.disabled(); n != 10 || p.count(event.GuardTripped) != 0 {
		t.Errorf("%d disabled, events %v", n, p.kinds())
	}
}

func TestGuardsLookAtTheirActionAloneAndTheEmergencyLaneHasItsOwn(t *testing.T) {
	t.Parallel()
	p := staffed(t, 10, fewLeavers, "{name: no-revoke, action: revoke, window: 1h, count: 1}", "{name: alarm, action: emergency, window: 1h, count: 3}")
	if n := len(p.target.Objects()); n != 10 || p.count(event.ProvisionHeld) != 0 {
		t.Fatalf("%d joiners, events %v", n, p.kinds())
	}
	for i := range 5 {
		d := desired(fmt.Sprintf("p%02d", i), 2)
		d.State, d.Lane, d.Entitlements = event.AccountDisabled, event.LaneEmergency, nil
		p.want(d)
	}
	p.Perform()
	if n := p.disabled(); n != 3 || !strings.HasPrefix(p.trip(), "alarm.") {
		t.Fatalf("%d disabled in the emergency lane, events %v", n, p.kinds())
	}
	d := desired("p05", 2) // a mover loses a group
	d.Entitlements, d.Lane = nil, event.LaneMover
	p.want(d)
	p.leave(6, 7, 2) // a leaver is disabled, and then loses the group: the second that does
	if n := p.disabled(); n != 4 || p.has("name-p05") == nil || len(p.has("name-p05")) != 0 || len(p.has("name-p06")) != 1 {
		t.Errorf("%d disabled, p05 has %v, p06 has %v", n, p.has("name-p05"), p.has("name-p06"))
	}
}

func TestAHeldLeaverIsOvertakenByAnEmergency(t *testing.T) {
	t.Parallel()
	p := staffed(t, 7, fewLeavers)
	p.leave(0, 7, 2)
	d := desired("p06", 3)
	d.State, d.Lane, d.Entitlements = event.AccountDisabled, event.LaneEmergency, nil
	p.want(d)
	p.Perform()
	if n := p.disabled(); n != 6 {
		t.Errorf("%d disabled", n)
	}
}

func TestSourcesAreCountedApart(t *testing.T) {
	t.Parallel()
	p := staffed(t, 12, "{name: mass-leaver, action: disable, window: 1h, count: 3, per: [source, target]}")
	for i := range 12 {
		d := desired(fmt.Sprintf("p%02d", i), 2)
		d.State, d.Lane, d.Entitlements, d.Source = event.AccountDisabled, event.LaneLeaver, nil, "hr"
		if i >= 10 {
			d.Source = "contractors"
		}
		p.want(d)
	}
	p.Perform()
	if n := p.disabled(); n != 5 || p.count(event.ProvisionHeld) != 7 || p.count(event.GuardTripped) != 1 || !strings.Contains(p.trip(), "@hr") {
		t.Errorf("%d disabled, want 3 of hr and both contractors; events %v", n, p.kinds())
	}
}

func TestAPercentageIsOfTheAccountsThereAre(t *testing.T) {
	t.Parallel()
	p := staffed(t, 40, "{name: third, action: disable, window: 1h, percent: 30}")
	p.leave(0, 40, 2)
	if n := p.disabled(); n != 12 || p.count(event.ProvisionHeld) != 28 {
		t.Errorf("%d of 40 disabled, %d held", n, p.count(event.ProvisionHeld))
	}
}

func TestAPercentagePerSourceIsOfTheAccountsOfItsPeople(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.publish(guarded("{name: half, action: disable, window: 1h, percent: 50, per: [source, target]}"), start)
	employ := func(from, to int, source string, version int64) {
		for i := from; i < to; i++ {
			d := desired(fmt.Sprintf("p%02d", i), version)
			d.Source, d.PersonSource = source, source
			if version > 1 {
				d.State, d.Lane, d.Entitlements = event.AccountDisabled, event.LaneLeaver, nil
			}
			p.want(d)
		}
		p.Perform()
	}
	employ(0, 30, "hr", 1)
	employ(30, 90, "agency", 1)
	p.newDesk() // what it knows of sources comes from the state
	p.Restart()
	p.Perform()
	p.Advance(time.Minute)
	employ(0, 30, "hr", 2)
	if n := p.disabled(); n != 15 || !strings.Contains(p.trip(), "@hr") {
		t.Errorf("%d of the 30 whom hr employs are disabled, want half; events %v", n, p.kinds())
	}
	employ(30, 60, "agency", 2)
	if n := p.disabled(); n != 15+30 || p.count(event.GuardTripped) != 1 {
		t.Errorf("%d disabled, want half of each source's", n)
	}
}

func TestADecisionReachesWorkThatComesToBeHeldAfterIt(t *testing.T) {
	t.Parallel()
	p := staffed(t, 7, fewLeavers)
	p.leave(0, 6, 2)
	trip := p.trip()
	d := desired("p06", 2)
	d.State, d.Lane, d.Entitlements = event.AccountDisabled, event.LaneLeaver, nil
	p.want(d) // its call is under way
	for _, who := range []event.IdentityID{"id-boss", "id-cyn"} {
		c := event.GuardCommand{ID: "act-" + string(who), Kind: event.GuardRelease, Hold: trip, Actor: who, Reason: "a reorganisation", At: p.Now()}
		p.FeedAll(event.GuardCommands, trip, &c)
	}
	p.run(10*time.Second, time.Second) // the call is first, and refused; then the desk hears of the release
	if n := p.disabled(); n != 7 || p.count(event.ProvisionHeld) != 2 || p.count(event.ProvisionReleased) != 2 {
		t.Errorf("%d disabled, events %v", n, p.kinds())
	}
}

func TestACommandThatSaysNothingIsPoison(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	good := event.GuardCommand{ID: "act-1", Kind: event.GuardRelease, Hold: "mass-leaver.12345678", Actor: "id-boss", Reason: "fine", At: start}
	for _, spoil := range []func(*event.GuardCommand){func(c *event.GuardCommand) { c.Actor = "" }, func(c *event.GuardCommand) { c.Reason = " " },
		func(c *event.GuardCommand) { c.Kind = "open" }, func(c *event.GuardCommand) { c.Hold = "everything" }} {
		c := good
		spoil(&c)
		p.Feed(event.GuardCommands, "x", &c)
	}
	if dead := streamtest.Out[event.DeadLetter](p.Harness, event.DeadLetters); len(dead) != 4 {
		t.Errorf("%d dead letters, want 4", len(dead))
	}
}

// TestInstancesTogetherLetThroughTheirSharesRoundedUp is the bound of the README over two instances.
func TestInstancesTogetherLetThroughTheirSharesRoundedUp(t *testing.T) {
	t.Parallel()
	p := staffed(t, 30, fewLeavers)
	p.newDesk() // two thirds of the partitions are another instance's
	p.desk.Seat(t.Context(), desk.Seat{Partition: 1})
	p.Advance(time.Minute)
	for i := range 30 {
		d := desired(fmt.Sprintf("p%02d", i), 2)
		d.State, d.Lane, d.Entitlements = event.AccountDisabled, event.LaneLeaver, nil
		p.want(d)
	}
	passed := 0
	for _, e := range p.Effects() {
		if c, ok := e.(account.Call); ok && c.Partition == 1 {
			if r, _ := p.desk.Do(t.Context(), c); r.Held == nil {
				passed++
			}
		}
	}
	if passed != 2 { // a third of 5
		t.Errorf("%d passed in one of three partitions, want 2", passed)
	}
}

func TestAFileThatAnAdapterHoldsIsToldAndDecidedLikeAnyHold(t *testing.T) {
	t.Parallel()
	p := staffed(t, 1, fewLeavers)
	const hold = "held-file:agency.1f2e3d4c"
	adapter := func(kind event.GuardAct, hold string) {
		b, err := wire.New(wire.Static()).Encode(string(event.GuardCommands), event.GuardCommand{ID: hold + string(kind), Kind: kind, Hold: hold, Actor: "ingest", Reason: "80 % fewer"})
		if err == nil {
			err = p.FeedAt(0, event.GuardCommands, hold, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	adapter(event.GuardTrip, hold)
	adapter(event.GuardTrip, hold) // the adapter was killed, and says it again
	if p.count(event.GuardTripped) != 1 || p.count(event.ExceptionOpened) != 1 || p.trip() != hold {
		t.Fatalf("told: %v", p.kinds())
	}
	p.decide(event.GuardRelease, "id-boss", hold)
	if p.count(event.GuardReleased) != 0 || p.count(event.GuardVoted) != 1 {
		t.Fatalf("one person alone: %v", p.kinds())
	}
	p.decide(event.GuardRelease, "id-cyn", hold)
	adapter(event.GuardWithdraw, hold) // decided already
	if p.count(event.GuardReleased) != 1 || p.count(event.GuardVoted) != 2 || p.count(event.ExceptionResolved) != 1 || p.count(event.GuardCancelled) != 0 {
		t.Errorf("two people: %v", p.kinds())
	}
	adapter(event.GuardTrip, "held-file:agency.00000001")
	adapter(event.GuardWithdraw, "held-file:agency.00000001")
	if p.count(event.GuardCancelled) != 1 || p.count(event.ExceptionResolved) != 2 {
		t.Errorf("a file that is gone: %v", p.kinds())
	}
}

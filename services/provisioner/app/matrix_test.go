package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/app"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/shell/desk"
)

// TestFailureMatrix is the table of design/provisioning.md, as far as one process can show it: whatever goes wrong, the
// account ends as wanted and is made once.
func TestFailureMatrix(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		happens func(p *pipe)
	}{
		{"before T1", func(p *pipe) { p.Restart(); p.want(desired("a", 1)) }},
		{"after T1, before the call", func(p *pipe) { p.want(desired("a", 1)); p.Restart() }},
		{"sent and not acted on", func(p *pipe) {
			p.target.FailNext(2, memory.Fault{Class: connector.Ambiguous})
			p.want(desired("a", 1))
		}},
		{"acted, answer lost", func(p *pipe) {
			p.target.FailNext(1, memory.Fault{Class: connector.Ambiguous, AfterCommit: true})
			p.want(desired("a", 1))
		}},
		{"500 after commit", func(p *pipe) {
			p.target.FailNext(2, memory.Fault{AfterCommit: true})
			p.want(desired("a", 1))
		}},
		{"answered, before T2", func(p *pipe) {
			p.want(desired("a", 1))
			p.do(p.t.Context())
			p.Restart()
		}},
		{"rebalance during a call", func(p *pipe) {
			p.want(desired("a", 1))
			ctx, lose := context.WithCancel(p.t.Context())
			lose()
			p.do(ctx)
			p.Restart()
		}},
		{"duplicate and older input", func(p *pipe) {
			for _, v := range []int64{3, 1, 3, 2, 3} {
				p.want(desired("a", v))
				p.Perform()
			}
		}},
		{"many versions while in flight", func(p *pipe) {
			for v := range int64(5) {
				p.want(desired("a", v+1))
			}
		}},
		{"target down for a moment", func(p *pipe) {
			p.target.FailNext(1, memory.Fault{})
			p.want(desired("a", 1))
		}},
		{"throttled", func(p *pipe) {
			p.target.FailNext(1, memory.Fault{Class: connector.Throttled, RetryAfter: 20 * time.Second})
			p.want(desired("a", 1))
		}},
		{"changed underneath", func(p *pipe) {
			p.target.FailNext(2, memory.Fault{Class: connector.Conflict})
			p.want(desired("a", 1))
		}},
		{"target lies", func(p *pipe) {
			p.target.FailNext(1, memory.Fault{Lie: true})
			p.want(desired("a", 1))
		}},
		{"a value never accepted, until the desired state is corrected", func(p *pipe) {
			p.target.FailNext(1, memory.Fault{Class: connector.Invalid})
			p.want(desired("a", 1))
			p.run(time.Hour, time.Minute)
			p.want(desired("a", 2))
		}},
		{"a right lacking, until it is given back", func(p *pipe) {
			p.target.FailNext(1, memory.Fault{Class: connector.Denied})
			p.want(desired("a", 1))
			p.run(20*time.Minute, time.Minute)
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := newPipe(t)
			row.happens(p)
			p.run(2*time.Minute, time.Second)
			p.mustBe(desired("a", 1))
			if n := p.told("create"); n != 1 && row.name != "target lies" {
				t.Errorf("%d creations in evidence: %v", n, p.kinds())
			}
		})
	}
}

// told counts the changes of that verb in evidence.
func (p *pipe) told(verb string) (n int) {
	p.t.Helper()
	for _, e := range p.all() {
		for _, c := range e.Changes {
			if c.Verb == verb {
				n++
			}
		}
	}
	return n
}

// do makes the call asked for and loses its answer.
func (p *pipe) do(ctx context.Context) {
	p.t.Helper()
	for _, e := range p.Effects() {
		if c, ok := e.(account.Call); ok {
			p.desk.Do(ctx, c)
		}
	}
}

func TestATargetThatIsDownForADayHasEverythingSecondsAfterItsReturn(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.target.FailNext(1_000_000, memory.Fault{})
	const people = 50
	for i := range people {
		d := desired(fmt.Sprintf("p%02d", i), 1)
		if i == 7 {
			d.Lane, d.State = event.LaneLeaver, event.AccountDisabled
		}
		p.want(d)
		p.Perform()
	}
	p.run(6*time.Minute, time.Second)
	if n := p.count(event.ExceptionOpened); n != 1 {
		t.Errorf("%d exceptions after 6 minutes, want one for the leaver", n)
	}
	p.run(25*time.Hour, time.Minute)
	if n := p.count(event.ExceptionOpened); n != people {
		t.Errorf("%d exceptions after a day, want one for each of %d", n, people)
	}
	if n := len(p.all()); n > 10*people {
		t.Errorf("%d events: evidence grows while nothing happens", n)
	}
	p.target.Heal()
	p.run(5*time.Second, 250*time.Millisecond)
	if n := len(p.target.Objects()); n != people || len(p.target.Journal()) < people {
		t.Errorf("%d of %d accounts 5 s after the target's return", n, people)
	}
	if o, r := p.count(event.ExceptionOpened), p.count(event.ExceptionResolved); o != r {
		t.Errorf("%d exceptions opened, %d resolved", o, r)
	}
}

func TestAnOutageSurvivesARestart(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.target.FailNext(1_000_000, memory.Fault{})
	for i := range 9 {
		p.want(desired(fmt.Sprint("p", i), 1))
	}
	p.run(10*time.Minute, time.Second)
	before := len(p.all())
	p.Advance(2 * time.Second) // a probe is under way, and lost
	p.Restart()
	p.run(time.Minute, time.Second)
	if after := len(p.all()); after != before {
		t.Errorf("%d events of a target that is still down", after-before)
	}
	p.target.Heal()
	p.run(5*time.Second, time.Second)
	if n := len(p.target.Objects()); n != 9 {
		t.Errorf("%d of 9 accounts", n)
	}
}

func TestWhatIsDeletedOrRenamedOutsideIsBroughtBackByANudge(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.want(desired("a", 1))
	p.want(desired("b", 1))
	p.Perform()
	p.target.Remove("name-a")
	for _, o := range p.target.Objects() {
		o.Account, o.Entitlements = "renamed", nil
		p.target.Put(o)
	}
	for _, id := range []event.IdentityID{"a", "b"} {
		p.nudge(event.DriftEvent{Meta: event.Meta{IdentityID: id, Target: "chat"}, Drift: "missing", Action: "repair", Version: 1})
	}
	p.Perform()
	objects := p.target.Objects()
	if len(objects) != 2 || objects[0].Account != "name-a" || objects[1].Account != "name-b" || len(objects[1].Entitlements) != 1 {
		t.Errorf("accounts: %+v", objects)
	}
	if p.creates("a") != 2 || p.creates("b") != 1 {
		t.Errorf("journal: %+v", p.target.Journal())
	}
}

func TestWhatIsOnlyReportedIsNotTouched(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.want(desired("a", 1))
	p.Perform()
	p.target.Remove("name-a")
	p.nudge(event.DriftEvent{Meta: event.Meta{IdentityID: "a", Target: "chat"}, Drift: "missing", Action: "report"})
	p.nudge(event.DriftEvent{Meta: event.Meta{IdentityID: "nobody", Target: "chat"}, Drift: "missing", Action: "repair"})
	p.Perform()
	if len(p.target.Objects()) != 0 {
		t.Errorf("accounts: %+v", p.target.Objects())
	}
}

func TestAnOrphanIsDisabledAndNothingIsMadeOfOneThatIsGoneOrTaken(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.target.Put(connector.Object{Ref: connector.Ref{Account: "old.hand"}, Enabled: true})
	p.target.Put(connector.Object{Ref: connector.Ref{Account: "taken", ExternalID: "x"}, Enabled: true})
	for _, name := range []string{"old.hand", "gone", "taken"} {
		p.nudge(event.DriftEvent{Meta: event.Meta{Target: "chat", Account: name}, Drift: "orphan", Action: "remove"})
	}
	p.Perform()
	objects := p.target.Objects()
	if len(objects) != 2 || objects[0].Enabled || !objects[1].Enabled {
		t.Errorf("accounts: %+v", objects)
	}
}

func TestAnAccountThatWasNeverOursIsNotDeletedForItsName(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.target.Put(connector.Object{Ref: connector.Ref{Account: "name-a"}, Enabled: true})
	d := desired("a", 1)
	d.State, d.Entitlements = event.AccountAbsent, nil
	p.want(d)
	p.Perform()
	if len(p.target.Objects()) != 1 || p.count(event.ProvisionUnchanged) != 1 {
		t.Errorf("accounts %+v, events %v", p.target.Objects(), p.kinds())
	}
}

func TestCredentialsThatAreRotatedAreReadAgain(t *testing.T) {
	t.Parallel()
	good := memory.NewTarget()
	opened := 0
	p := newPipe(t, func(d *desk.Target) {
		d.Open = func() (connector.Connector, error) {
			if opened++; opened > 1 {
				return good, nil
			}
			old := memory.NewTarget()
			old.FailNext(1_000_000, memory.Fault{Class: connector.Denied})
			return old, nil
		}
	})
	for i := range 5 {
		p.want(desired(fmt.Sprint("p", i), 1))
	}
	p.run(20*time.Minute, time.Second)
	if n := len(good.Objects()); n != 5 || opened != 2 {
		t.Errorf("%d accounts after %d openings", n, opened)
	}
	if o, r := p.count(event.ExceptionOpened), p.count(event.ExceptionResolved); o != 1 || r != 1 {
		t.Errorf("%d exceptions opened, %d resolved: want one, of the first account denied", o, r)
	}
}

func TestAnOrphanThatIsSomebodysByNowIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.want(desired("a", 1))
	p.run(time.Second, time.Second)
	p.nudge(event.DriftEvent{Meta: event.Meta{IdentityID: "a", Target: "chat", Account: "name-a"}, Drift: "orphan", Action: "remove"})
	p.run(time.Second, time.Second)
	if o := p.target.Objects(); len(o) != 1 || !o[0].Enabled {
		t.Errorf("accounts: %+v", o)
	}
}

func TestAnEmergencyEndsSessionsOnceTheAccountIsDisabled(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.want(desired("a", 1))
	p.run(time.Second, time.Second)
	p.target.SignIn("name-a")
	d := desired("a", 2)
	d.State, d.Lane, d.EndSessions, d.Entitlements = event.AccountDisabled, event.LaneEmergency, true, nil
	p.want(d)
	p.run(time.Second, time.Second)
	if n := p.target.Sessions("name-a"); n != 0 {
		t.Errorf("%d sessions go on", n)
	}
	var verbs []string
	for _, c := range p.target.Journal() {
		verbs = append(verbs, string(c.Verb))
	}
	if got := strings.Join(verbs, " "); got != "create grant disable end_sessions revoke" {
		t.Errorf("the target saw %s", got)
	}
}

func TestALeaverOvertakesItsOwnCallThatWaitsInLine(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	d := desired("1", 1)
	d.Lane = event.LaneBulk
	p.want(d)
	gone := desired("1", 2)
	gone.Lane, gone.State, gone.Entitlements = event.LaneLeaver, event.AccountDisabled, nil
	p.want(gone)
	effects := p.Effects() // the harness performs them one by one; the line does not, so the second comes before the first's turn
	if len(effects) != 2 {
		t.Fatalf("effects: %v", effects)
	}
	app.Topology("0", deskOf{p}).Perform(t.Context(), effects[1])
	p.run(2*time.Second, time.Second)
	if n := p.count(event.ProvisionApplied); n != 1 || len(p.target.Objects()) != 1 || p.target.Objects()[0].Enabled {
		t.Errorf("%d changes were made, the account is %+v", n, p.target.Objects())
	}
	if p.creates("1") != 1 || len(p.target.Journal()) != 1 {
		t.Errorf("what nobody wanted any more was made: %+v", p.target.Journal())
	}
}

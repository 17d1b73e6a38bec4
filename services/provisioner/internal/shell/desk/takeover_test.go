package desk

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/memory"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/guard"
)

func TestAnAccountOfAServiceNeverBecomesAPersons(t *testing.T) {
	t.Parallel()
	for _, numbered := range []bool{false, true} {
		m := memory.NewTarget()
		m.Put(connector.Object{Ref: connector.Ref{Account: "backup"}, Enabled: true})
		d := newDesk(m, func(t *Target) { t.Reserved = func(name string) bool { return name == "backup" } })
		c := call("backup", event.LaneJoiner)
		c.Want.Numbered = numbered
		r, _ := d.Do(t.Context(), c)
		if o := m.Objects()[0]; o.ExternalID != "" || r.Adopted {
			t.Errorf("numbered %v: the service's account belongs to %s now", numbered, o.ExternalID)
		}
		if numbered != (r.Account == "backup2") || numbered != (r.Class == "") {
			t.Errorf("numbered %v: %+v", numbered, r)
		}
	}
}

func TestWhatWasDecidedWhileNoPartitionWasHereIsNotKnownFromBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, m := gated(1, 1)
		ctx, lose := context.WithCancel(t.Context())
		d.Seat(ctx, Seat{Paused: []string{"other"}, Trips: []string{"few.12345678"}})
		if r, _ := d.Do(ctx, call("a", event.LaneJoiner)); r.Held == nil {
			t.Fatalf("not held: %+v", r)
		}
		d.Pause("chat", true)
		lose()
		synctest.Wait()
		d.Seat(t.Context(), Seat{}) // people have released and resumed meanwhile
		if r, _ := d.Do(t.Context(), call("a", event.LaneJoiner)); r.Class != "" || r.Held != nil || len(m.Objects()) != 1 {
			t.Errorf("%+v", r)
		}
	})
}

// unread cannot tell its guards.
type unread struct{ everything }

func (unread) Guards() ([]guard.Rule, bool) { return nil, false }

func TestNothingPassesGuardsThatCannotBeReadButAnEmergency(t *testing.T) {
	t.Parallel()
	m := memory.NewTarget()
	d := New([]Target{{Name: "chat", Open: func() (connector.Connector, error) { return m, nil }}}, Options{Clock: machine{}, Rules: unread{}})
	d.gate.seat(Seat{})
	if r, _ := d.Do(t.Context(), call("a", event.LaneLeaver)); !r.Refused || r.RetryAfter <= 0 || len(m.Objects()) > 0 {
		t.Errorf("a leaver: %+v", r)
	}
	if r, _ := d.Do(t.Context(), call("a", event.LaneEmergency)); r.Class != "" || len(m.Objects()) != 1 {
		t.Errorf("an emergency: %+v", r)
	}
}

func TestATargetWhoseSecretsAreBeingExchangedIsDownAndComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, missing := memory.NewTarget(), connector.Errorf(connector.Invalid, "read connection.token", "no such file")
		d := newDesk(m, func(t *Target) {
			t.Open = func() (connector.Connector, error) { return m, missing }
		})
		for _, id := range []string{"a", "b", "c"} {
			if r, _ := d.Do(t.Context(), call(id, event.LaneJoiner)); r.Class != connector.Transient {
				t.Errorf("%s would be parked until somebody acts: %+v", id, r)
			}
		}
		if h := d.Probe(t.Context(), "chat"); h != Down {
			t.Errorf("without secrets it is %s", h)
		}
		missing = nil
		time.Sleep(2 * time.Second)
		if h := d.Probe(t.Context(), "chat"); h != Trial {
			t.Errorf("with secrets it is %s", h)
		}
	})
}

func TestAProbeThatWeCutOffSaysNothingOfTheTarget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.NewTarget()
		m.SetLatency(time.Second)
		d := newDesk(m)
		ctx, lose := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { lose(errors.New("partition lost")) })
		if h := d.Probe(ctx, "chat"); h != Down {
			t.Errorf("cut off: %s", h)
		}
		if d.targets["chat"].breaker.isOpen() {
			t.Error("the target counts as down")
		}
		if h := d.Probe(t.Context(), "chat"); h != Up {
			t.Errorf("the next: %s", h)
		}
	})
}

func TestAnAccountThatIsGoneAndWhoseNameIsTakenGetsTheNextNumber(t *testing.T) {
	t.Parallel()
	m := memory.NewTarget()
	m.Put(connector.Object{Ref: connector.Ref{Account: "ana", ExternalID: "somebody-else"}, Enabled: true})
	d := newDesk(m)
	c := call("ana", event.LaneJoiner)
	c.Want.Numbered, c.Account, c.RemoteID = true, "ana", "m99"
	if r, _ := d.Do(t.Context(), c); r.Class != connector.Conflict {
		t.Fatalf("at first: %+v", r)
	}
	c.Intent.Round = 1 // planned again
	if r, _ := d.Do(t.Context(), c); r.Class != "" || r.Account != "ana2" {
		t.Errorf("then: %+v", r)
	}
}

func TestAnAccountOfNobodyKnownIsLeftAloneWhereTheTargetFileSaysSo(t *testing.T) {
	t.Parallel()
	for _, numbered := range []bool{false, true} {
		m := memory.NewTarget()
		m.Put(connector.Object{Ref: connector.Ref{Account: "ana"}, Enabled: true})
		d := newDesk(m, func(t *Target) { t.Owned = true })
		c := call("ana", event.LaneJoiner)
		c.Want.Numbered = numbered
		r, _ := d.Do(t.Context(), c)
		if numbered != (r.Account == "ana2") || numbered != (r.Class == "") || !numbered && r.Class != connector.Conflict {
			t.Errorf("numbered %v: %+v", numbered, r)
		}
		for _, o := range m.Objects() {
			if o.Account == "ana" && o.ExternalID != "" {
				t.Errorf("numbered %v: it belongs to %s now", numbered, o.ExternalID)
			}
		}
	}
	m := memory.NewTarget()
	mine := m.Put(connector.Object{Ref: connector.Ref{Account: "ana"}, Enabled: true}) // somebody has taken the id out of it
	c := call("ana", event.LaneJoiner)
	c.Account, c.RemoteID = "ana", mine.RemoteID
	if r, _ := newDesk(m, func(t *Target) { t.Owned = true }).Do(t.Context(), c); r.Class != "" || m.Objects()[0].ExternalID != "ana" {
		t.Errorf("our own: %+v", r)
	}
}

// unmarked keeps no external ids.
type unmarked struct{ *memory.Target }

func (u unmarked) Describe(ctx context.Context) (connector.Descriptor, error) {
	d, err := u.Target.Describe(ctx)
	d.ExternalID = false
	return d, err
}

func TestNoRecordMakesAnOrphanOfAnAccountThatMayBeSomebodys(t *testing.T) {
	t.Parallel()
	m := memory.NewTarget()
	for _, name := range []string{"ana", "backup"} {
		m.Put(connector.Object{Ref: connector.Ref{Account: name}, Enabled: true})
	}
	orphan := func(c connector.Connector, name string) {
		t.Helper()
		d := newDesk(c, func(t *Target) { t.Reserved = func(name string) bool { return name == "backup" } })
		o := call("", event.LaneBulk)
		o.Account, o.Want.AccountName, o.Want.State, o.Want.Orphan = name, name, event.AccountDisabled, true
		if r, _ := d.Do(t.Context(), o); len(r.Changes) > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	orphan(unmarked{m}, "ana")
	orphan(m, "backup")
}

package access

import (
	"slices"
	"strconv"
	"strings"

	"joinery.internal/pkg/event"
)

// open begins a case; what follows belongs to it.
func (w *Work) open(id event.CaseID, changed []string) {
	w.caseID = id
	c := Case{ID: id, Cause: w.by.cause, Trigger: w.by.kind, Source: w.by.source, Causation: w.by.causation,
		Effective: w.by.effective, Known: w.by.known}
	w.State.Cases = append(w.State.Cases, c)
	w.tell(c, event.CaseOpened, event.CaseOpen, "").Changed = changed
}

// tell records a transition of a case.
func (w *Work) tell(c Case, kind event.Kind, outcome event.CaseOutcome, reason string) *event.CaseEvent {
	e := &event.CaseEvent{Trigger: c.Trigger, Cause: c.Cause, Changes: c.Changes, Waiting: c.waiting(),
		Meta: w.meta("ce", event.Meta{Kind: kind, CaseID: c.ID, CausationID: c.Causation, Source: c.Source, Outcome: string(outcome),
			Reason: reason, Message: c.message(kind), EffectiveAt: c.Effective, KnownAt: c.Known})}
	if c.Changes > 0 {
		ms := max(0, c.Called.Sub(c.moment()).Milliseconds())
		e.EventToAccessMS = &ms
	}
	w.out.Events = append(w.out.Events, e)
	return e
}

// message says in one sentence how the case stands.
func (c Case) message(kind event.Kind) string {
	switch kind {
	case event.CaseOpened:
		return "Opened by " + string(c.Trigger) + "."
	case event.CaseWaiting:
		return "Waits for " + strings.Join(c.waiting(), ", ") + "."
	case event.CaseCompleted:
		return strconv.Itoa(c.Changes) + " changes in targets."
	}
	return ""
}

// waiting names what the case waits for, sorted.
func (c Case) waiting() []string {
	var out []string
	for _, wait := range c.Waits {
		out = append(out, "target:"+wait.Target)
	}
	if c.Request != "" {
		out = append(out, "approval:"+c.Request)
	}
	for _, key := range c.Faults {
		out = append(out, "exception:"+key)
	}
	slices.Sort(out)
	return out
}

// await makes the current case wait for a version, in place of an older one of the same target.
func (w *Work) await(target string, version int64) {
	c := w.State.caseOf(w.caseID)
	if c == nil {
		return
	}
	c.Waits = slices.DeleteFunc(c.Waits, func(o Wait) bool { return o.Target == target })
	c.Waits = append(c.Waits, Wait{Target: target, Version: version})
}

// fail records once that a case cannot be done as it stands.
func (w *Work) fail(c *Case, reason string) {
	if c.Failed {
		return
	}
	c.Failed = true
	w.tell(*c, event.CaseFailed, event.CaseFault, reason)
}

// settle closes every case that waits for nothing any more.
func (w *Work) settle() {
	w.State.Cases = slices.DeleteFunc(w.State.Cases, func(c Case) bool {
		if len(c.Waits) > 0 || c.Request != "" || len(c.Faults) > 0 {
			return false
		}
		outcome := event.CaseSucceeded
		if c.Refused {
			outcome = event.CaseRefused
		}
		if c.Failed {
			w.tell(c, event.CaseRemediated, outcome, "")
		}
		w.tell(c, event.CaseCompleted, outcome, "")
		return true
	})
}

// byPerson is the reason of what is deferred until a person has closed a ticket (connector.Waiting).
const byPerson = "waiting"

// Provisioned takes what became of the work on an account.
//
//	event                               cases that wait for the target, up to its version
//	applied, unchanged, adopted         wait for it no more
//	dead_lettered, exception.opened     fail, and go on waiting
//	held                                say so
//	deferred, a person being asked      say so, once for each version
//	any                                 count what it changed
func (w Work) Provisioned(e event.ProvisionEvent) Decision {
	if !w.State.known(e.Target) {
		return w.decide()
	}
	w.begin(trigger{kind: e.Kind, causation: string(e.EventID), effective: e.EffectiveAt, known: e.KnownAt, before: w.State.Person}, w.Now)
	done := e.Kind == event.ProvisionApplied || e.Kind == event.ProvisionUnchanged || e.Kind == event.ProvisionAdopted
	for i := range w.State.Cases {
		c := &w.State.Cases[i]
		at := slices.IndexFunc(c.Waits, func(wait Wait) bool { return wait.Target == e.Target && wait.Version <= e.Version })
		if at < 0 {
			continue
		}
		if w.caseID == "" { // what follows from the answer belongs to the first that waited
			w.caseID = c.ID
		}
		w.count(c, e)
		switch {
		case done:
			c.Waits = slices.Delete(c.Waits, at, at+1)
		case e.Kind == event.ProvisionDeadLettered, e.Kind == event.ExceptionOpened:
			w.fail(c, e.Reason)
		case e.Kind == event.ProvisionHeld:
			w.tell(*c, event.CaseWaiting, event.CaseHeld, "held")
		case e.Kind == event.ProvisionDeferred && e.Reason == byPerson && !c.Waits[at].Asked:
			c.Waits[at].Asked = true
			w.tell(*c, event.CaseWaiting, event.CaseOpen, "ticket")
		}
	}
	if done {
		w.learn(e)
	}
	return w.decide()
}

func (w *Work) count(c *Case, e event.ProvisionEvent) {
	if len(e.Changes) == 0 {
		return
	}
	c.Changes += len(e.Changes)
	called := e.CallEnded
	if called.IsZero() {
		called = e.OccurredAt
	}
	c.Called = later(c.Called, called)
}

// learn takes over the account as it is in the target now. A name that differs from the one asked for may show in
// attributes, so the account is levelled again.
func (w *Work) learn(e event.ProvisionEvent) {
	a := w.State.account(e.Target)
	a.Applied = max(a.Applied, e.Version)
	if e.State == event.AccountAbsent {
		a.Name = ""
		if a.Retired && w.State.Person != nil { // gone, as it had to be before one is made anew
			w.level()
		}
		return
	}
	if e.Account == "" || e.Account == a.Name {
		return
	}
	a.Name = e.Account
	if a.Name != a.Wanted && a.exists() && w.State.Person != nil {
		w.level()
	}
}

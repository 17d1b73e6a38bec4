package drift

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/event"
)

// teller collects the events of one sweep or one answer. Only those that whoever asked for a sweep waits for carry its
// id: what it found or adopted, and its end.
type teller struct {
	sweep  Sweep
	now    time.Time
	cause  string
	events []event.DriftEvent
}

// subject is the account that events are about.
type subject struct {
	identity event.IdentityID
	account  string // as last known; a finding has the name it was found under
	policy   string
	version  int64
	told     bool // somebody has been told already: no exception
}

// settle compares what stood open with what was found and returns what stands open now:
//
//	stood  found  then
//	-      yes    drift.found and exception.opened; drift.adopted for adopt
//	yes    yes    drift.found once more if the provisioner is to act, for it may have given up, if the items are
//	              others, or if somebody asked for the sweep and wants to see; else nothing
//	yes    -      drift.repaired and exception.resolved: somebody else did it
func (t *teller) settle(s subject, open []Open, found []Finding) []Open {
	var now []Open
	for _, f := range found {
		action := t.sweep.Rules.of(f.Class)
		at := slices.IndexFunc(open, func(o Open) bool { return o.Class == f.Class && o.Action == action })
		if at < 0 {
			now = append(now, t.opens(s, f, action))
			continue
		}
		o := open[at]
		others := !slices.Equal(o.Items, f.Items)
		o.Items = f.Items
		switch {
		case action == Adopt && (others || t.sweep.TellAll):
			o.Event = t.adopted(s, f)
		case action.nudges() || others || (action == Report && t.sweep.TellAll):
			o.Event = t.found(s, f, action)
		}
		now = append(now, o)
	}
	for _, o := range open {
		if !slices.ContainsFunc(now, func(n Open) bool { return n.Class == o.Class && n.Action == o.Action }) {
			t.closes(s, o, "person")
		}
	}
	return now
}

// exceptionClass is the class of the exceptions that drift opens; the class of the drift is then their reason. A drift
// event has one field for both.
const exceptionClass = "drift"

func (t *teller) opens(s subject, f Finding, action Action) Open {
	o := Open{Class: f.Class, Action: action, At: t.now, Items: f.Items}
	if action == Adopt {
		o.Event = t.adopted(s, f)
		return o
	}
	o.Event = t.found(s, f, action)
	if s.told {
		return o
	}
	o.ExceptionID = event.DeriveID("ex", 0, o.Event)
	e := t.emit(event.ExceptionOpened, s, f.Class, f.Account)
	e.CausationID, e.Action, e.Items, e.Outcome = o.Event, string(action), f.Items, "open"
	e.Message = describe(f.Class, f.Items)
	e.Exception = event.Exception{ExceptionID: o.ExceptionID, Class: exceptionClass, OpenedAt: t.now}
	return o
}

func (t *teller) found(s subject, f Finding, action Action) string {
	e := t.emit(event.DriftFound, s, f.Class, f.Account)
	e.SweepID = t.sweep.ID
	e.Action, e.Items, e.Outcome, e.Message = string(action), f.Items, string(action), describe(f.Class, f.Items)
	return string(e.EventID)
}

func (t *teller) adopted(s subject, f Finding) string {
	e := t.emit(event.DriftAdopted, s, f.Class, f.Account)
	e.SweepID = t.sweep.ID
	e.Action, e.Items, e.Outcome, e.Message = string(Adopt), f.Items, "adopted", "left as it is: "+describe(f.Class, f.Items)
	return string(e.EventID)
}

// closes ends a difference. resolution: reconcile, if the provisioner repaired it; person, if it went by itself.
func (t *teller) closes(s subject, o Open, resolution string) {
	if o.ExceptionID == "" { // adopted, or another's: there is nothing to resolve
		return
	}
	e := t.emit(event.DriftRepaired, s, o.Class, s.account)
	e.CausationID, e.Action, e.Items, e.Outcome = o.Event, string(o.Action), o.Items, "repaired"
	e.Message = fmt.Sprintf("%s, for %s", describe(o.Class, o.Items), t.now.Sub(o.At).Round(time.Millisecond))
	id := string(e.EventID)
	e = t.emit(event.ExceptionResolved, s, o.Class, s.account)
	e.CausationID, e.Outcome = id, "resolved"
	e.Exception = event.Exception{ExceptionID: o.ExceptionID, Class: exceptionClass, Resolution: resolution, OpenedAt: o.At}
}

func (t *teller) guard(reason, message string) {
	e := t.emit(event.GuardTripped, subject{}, "", "")
	e.Outcome, e.Reason, e.Message = "tripped", reason, message
}

func (t *teller) failed(reason, message string) {
	e := t.emit(event.DriftReported, subject{}, "failed", "")
	e.SweepID, e.Outcome, e.Reason, e.Message = t.sweep.ID, "failed", reason, message
}

func (t *teller) swept(compared int) {
	e := t.emit(event.DriftReported, subject{}, "swept", "")
	e.SweepID, e.Outcome, e.Count = t.sweep.ID, "done", compared
}

// emit appends an event with what all have in common; the pointer is good until the next one.
func (t *teller) emit(kind event.Kind, s subject, class Class, account string) *event.DriftEvent {
	id := event.DeriveID("drift", len(t.events), t.cause, t.sweep.ID, string(s.identity), account, string(kind))
	t.events = append(t.events, event.DriftEvent{
		Meta: event.Meta{EventID: event.EventID(id), Kind: kind, IdentityID: s.identity, CausationID: t.sweep.ID, Target: t.sweep.Target, Account: account,
			Actor: "reconciler", Reason: string(class), Policy: s.policy, EffectiveAt: t.now, KnownAt: t.now, OccurredAt: t.now},
		Drift: string(class), Version: s.version,
	})
	return &t.events[len(t.events)-1]
}

var texts = map[Class]string{
	Missing: "missing in the target", Extra: "in the target without a grant", Attribute: "differs in the target",
	Reenabled: "enabled in the target and should not be", Orphan: "belongs to nobody known", Ownerless: "answers for the service account now: its owner has left",
}

func describe(c Class, items []string) string { return strings.Join(items, ", ") + " " + texts[c] }

// Repaired closes what stood open of an account that the provisioner has settled since.
func Repaired(target string, r Row, now time.Time, cause string) (Row, []event.DriftEvent) {
	s := subject{account: r.Account}
	if r.Want != nil {
		s.identity, s.policy, s.version = r.Want.IdentityID, r.Want.Policy, r.Want.Version
	}
	t := teller{sweep: Sweep{Target: target}, now: now, cause: cause}
	var left []Open
	for _, o := range r.Open {
		if o.At.After(r.Touched) || !o.Action.nudges() {
			left = append(left, o)
			continue
		}
		t.closes(s, o, "reconcile")
	}
	r.Open = left
	return r, t.events
}

// OrphanRemoved closes an orphan that the provisioner has disabled.
func OrphanRemoved(target string, o Open, e event.ProvisionEvent, now time.Time, cause string) []event.DriftEvent {
	t := teller{sweep: Sweep{Target: target}, now: now, cause: cause}
	t.closes(subject{identity: e.IdentityID, account: e.Account}, o, "reconcile")
	return t.events
}

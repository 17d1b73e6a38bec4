package account

import (
	"cmp"
	"hash/fnv"
	"math"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
)

const (
	backoffLeast = time.Second
	backoffMost  = 15 * time.Minute
	deniedLeast  = 10 * time.Second // after the first denial; doubles up to backoffMost
	alarmAfter   = 24 * time.Hour   // of failing, until somebody is told
	alarmUrgent  = 5 * time.Minute  // the same where access is to be taken away
	replansMost  = 3                // conflicts answered by planning again at once
	replansBad   = 5                // conflicts after which somebody is told
)

// Work is one decision about one account. Set the exported fields and call one of the methods, once.
type Work struct {
	State    State
	Cause    string    // id of the record or event that led here: event ids derive from it
	Now      time.Time //
	Instance string    // who would make the call

	events []event.ProvisionEvent
	call   *Call
	forget bool
	hands  bool // people make the changes
	moved  bool // the ticket is another one, or none any more

	overtaken string
}

// Decision is what follows. Everything in it is committed together; only then is Call performed.
type Decision struct {
	State  State
	Events []event.ProvisionEvent
	Call   *Call
	WakeAt time.Time // zero: no timer
	Forget bool      // nothing is left to know of the account: delete the state
	Moved  bool      // State.Ticket is another one than before, or none any more
	// Overtaken is the call in flight that need not be made if it has not begun, by Intent.Event; empty: none.
	Overtaken string
}

// Wanted takes a desired record: newer ones count, older ones do not, and the same one again drives what is parked.
func (w Work) Wanted(d event.Desired) Decision {
	s := &w.State
	switch again := d.Version == s.Want.Version && (s.Wait == WaitParked || s.Wait == WaitCancelled); {
	case again: // whoever wrote it before, what it says now counts
		s.Want = WantOf(d)
		s.Round++
		s.Drift = ""
		w.start(Replay)
	case d.Version <= s.latest():
	case s.Intent != nil:
		next := WantOf(d)
		s.Next = &next
		w.overtaken = s.Overtaken()
	default:
		w.adopt(WantOf(d))
		w.start(Replay)
	}
	return w.decide()
}

// Reconsidered drives what is parked: the instance has started anew, perhaps with a corrected target file.
func (w Work) Reconsidered() Decision {
	if w.State.Wait == WaitParked {
		w.State.Round++
		w.State.Drift = ""
		w.start(Retry)
	}
	return w.decide()
}

// Nudged takes a difference that a sweep found: the account is driven again, unless that is being done anyway.
func (w Work) Nudged(drift event.DriftEvent) Decision {
	s := &w.State
	if s.busy() {
		return w.decide()
	}
	s.Round++
	if s.Wait != WaitParked { // what is parked belongs to its case still
		s.Drift = string(drift.EventID)
	}
	w.start(Reconcile)
	return w.decide()
}

// Orphaned takes an account that nobody wants: it is disabled as listed, and forgotten.
func (w Work) Orphaned(drift event.DriftEvent) Decision {
	if w.State.busy() {
		return w.decide()
	}
	w.State = State{
		Want: Want{IdentityID: drift.IdentityID, Target: drift.Target, Lane: event.LaneBulk, State: event.AccountDisabled, AccountName: drift.Account, Orphan: true,
			EffectiveAt: drift.OccurredAt, KnownAt: drift.OccurredAt, Policy: drift.Policy},
		Account: drift.Account, Drift: string(drift.EventID),
	}
	w.start(Reconcile)
	return w.decide()
}

// busy says that a nudge changes nothing: it is being done anyway, or people have it in their hands.
func (s State) busy() bool {
	switch s.Wait {
	case WaitBackoff, WaitTarget, WaitTicket, WaitHeld, WaitCancelled:
		return true
	}
	return s.Intent != nil
}

// Woken takes the account's timer.
func (w Work) Woken() Decision {
	s := &w.State
	if at := s.alarmAt(); !at.IsZero() && !w.Now.Before(at) {
		w.open("retry_exhausted", "", "")
	}
	if s.Wait == WaitBackoff && !w.Now.Before(s.NextAt) {
		w.start(Retry)
	}
	return w.decide()
}

// Released lets an account that waits for its target go at once: wake it.
func (s State) Released(now time.Time) State {
	if s.Wait == WaitTarget {
		s.Wait, s.NextAt = WaitBackoff, now
	}
	return s
}

// adopt makes a newer version the one that is driven at.
func (w *Work) adopt(want Want) {
	s := &w.State
	s.Want, s.Next = want, nil
	s.Tries, s.Round, s.Drift, s.Passed, s.Told = 0, 0, "", nil, ""
	s.Unsure, s.Doubt = s.Unsure || len(s.Doubt) > 0, nil // of another version it cannot be told
}

// start announces a call. Whatever the account waited for is over.
func (w *Work) start(why Why) {
	s := &w.State
	s.Wait, s.NextAt, s.Hold = WaitNothing, time.Time{}, ""
	s.Intent = &Intent{ID: IntentID(s.Want), Attempt: s.Tries + 1, Round: s.Round, Why: why, By: w.Instance, At: w.Now}
	if why == Retry && s.Told != "" { // it only looks whether the person is done: an ITSM is asked every few minutes, for days
		s.Intent.Event = s.Told
	} else {
		s.Told = ""
		s.Intent.Event = w.emit(event.ProvisionIntended, "intended", "", "")
	}
	w.call = s.call()
}

// IntentID names what is driven at: the same for every try.
func IntentID(want Want) string {
	return event.DeriveID("intent", 0, want.Key(), formatVersion(want.Version))
}

func (w *Work) decide() Decision {
	d := Decision{State: w.State, Events: w.events, Call: w.call, Forget: w.forget, Moved: w.moved, Overtaken: w.overtaken}
	switch s := w.State; {
	case s.Intent == nil:
		d.WakeAt = earliest(s.NextAt, s.alarmAt())
	case s.Want.urgent(): // it may wait in a long line
		d.WakeAt = s.alarmAt()
	}
	return d
}

// alarmAt is when somebody is to be told that the account keeps failing, or that nothing has come of taking access away;
// zero: never, or it has been done.
func (s State) alarmAt() time.Time {
	since := s.Failing
	if since.IsZero() && s.Intent != nil && s.Want.urgent() {
		since = s.Intent.At
	}
	switch {
	case since.IsZero() || s.Open != nil:
		return time.Time{}
	case s.Want.urgent():
		return since.Add(alarmUrgent)
	default:
		return since.Add(alarmAfter)
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// Backoff is how long to wait after the given number of failed tries: anything from 1 s to a bound that doubles from 2 s
// to 15 min. The jitter comes of the intent, so that accounts spread and every machine computes the same.
func Backoff(intent string, tries int) time.Duration {
	bound := backoffMost
	if tries < 10 {
		bound = min(bound, backoffLeast<<max(tries, 1))
	}
	h := fnv.New64a()
	h.Write([]byte(intent + "/" + formatVersion(int64(tries))))
	return backoffLeast + time.Duration(float64(bound-backoffLeast)*(float64(mix(h.Sum64()))/math.MaxUint64))
}

// mix spreads the low bits of a hash over all of them (the finaliser of splitmix64): FNV's high bits hardly change
// with the last byte written.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// emit records a transition of the account as it stands and returns its id. It fills what every event has in common.
func (w *Work) emit(kind event.Kind, outcome string, class connector.Class, message string) string {
	s := &w.State
	id := event.DeriveID("pe", len(w.events), w.Cause, s.Want.Key(), string(kind))
	m := event.Meta{EventID: event.EventID(id), Kind: kind, IdentityID: s.Want.IdentityID, CaseID: s.Want.CaseID, CausationID: s.Want.CausationID,
		Target: s.Want.Target, Account: s.accountName(), Actor: "provisioner", Outcome: outcome, Reason: string(class), Message: message,
		Policy: s.Want.Policy, EffectiveAt: s.Want.EffectiveAt, KnownAt: s.Want.KnownAt, OccurredAt: w.Now}
	e := event.ProvisionEvent{Meta: m, IntentID: IntentID(s.Want), Version: s.Want.Version, Lane: s.Want.Lane}
	if s.Drift != "" { // the case it once belonged to is closed
		e.CaseID, e.CausationID = "", s.Drift
	}
	if s.Intent != nil {
		e.Attempt = s.Intent.Attempt
		e.CausationID = cmp.Or(s.Intent.Event, e.CausationID)
	}
	w.events = append(w.events, e)
	return id
}

func (s State) accountName() string {
	if s.Account != "" || s.Want.Numbered {
		return s.Account
	}
	return s.Want.AccountName
}

// open tells somebody, unless an exception of the account stands already. why is its reason where that is finer than the
// class; cause is the event that shows the fault.
func (w *Work) open(class, why, cause string) (opened bool) {
	s := &w.State
	if s.Open != nil {
		return false
	}
	s.Open = &OpenIncident{ID: event.DeriveID("ex", 0, w.Cause, s.Want.Key(), class), Class: class, Why: why, At: w.Now}
	reason := cmp.Or(why, class)
	w.emit(event.ExceptionOpened, "open", connector.Class(reason), openMessages[reason])
	e := &w.events[len(w.events)-1]
	e.CausationID = cmp.Or(cause, e.CausationID)
	e.Exception = event.Exception{ExceptionID: s.Open.ID, Class: class, OpenedAt: w.Now}
	return true
}

var openMessages = map[string]string{
	"retry_exhausted":       "the account cannot be brought to what is wanted for too long; it is tried further",
	"denied":                "the target refuses us a right; give it to the account that the target file connects with",
	string(ApprovalMissing): "a privileged entitlement has no approval; request the role, or have the policy say who has it by birthright",
	string(ApprovalExpired): "the approval of a privileged entitlement has expired; request an extension",
	string(ApprovalForged):  "an approval carries a signature that is not the approval service's: find out who wrote it, then request the role",
	"invalid":               "the target will never accept this; correct policy or target file, or replay",
}

// resolve ends the exception that stands, if one does.
func (w *Work) resolve(cause string) {
	s := &w.State
	if s.Open == nil {
		return
	}
	w.emit(event.ExceptionResolved, "resolved", connector.Class(cmp.Or(s.Open.Why, s.Open.Class)), "")
	e := &w.events[len(w.events)-1]
	e.CausationID = cause
	e.Exception = event.Exception{ExceptionID: s.Open.ID, Class: s.Open.Class, Resolution: string(s.Intent.Why), OpenedAt: s.Open.At}
	s.Open = nil
}

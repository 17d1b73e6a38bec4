package account

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
)

// Reasons of an applied event whose call changed nothing itself.
const (
	ReadBack = "read_back" // it found an earlier call's work, whose answer was lost
	ByHand   = "by_hand"   // people have said that they did it
)

// reasonOvertaken is of a call that was not made, since something more urgent came.
const reasonOvertaken = "overtaken"

// Answered takes the result of a call. One that answers no call in flight (a late one of an earlier life) is ignored.
//
//	class                       event                 account then
//	(done)                      applied, unchanged,   settled; Next is driven
//	                            adopted
//	(done), a part withheld     failed, exception     parked, the rest being as wanted
//	(done), a part held         held                  held, until it is released or cancelled
//	refused: nothing was sent   deferred              waits for the target; the try is not counted
//	overtaken: nothing was sent deferred              Next is driven, which is more urgent
//	transient ambiguous         deferred              backs off, or waits for the target when that is down
//	throttled                   deferred              backs off, not before RetryAfter
//	waiting, of an ITSM         deferred, once        looks again after RetryAfter, for as long as it takes
//	waiting, of our queue       deferred, ticket      waits for the ticket
//	conflict not_found          deferred              plans again at once 3 times, then backs off
//	denied                      failed, exception     backs off from 10 s, or waits until the right is back
//	invalid unsupported         dead_lettered,        parked: a newer or repeated desired, or a nudge, drives it
//	                            exception
//
// After every failure a newer version, if there is one, is driven instead.
func (w Work) Answered(r Result) Decision {
	if !w.State.answers(r) {
		return w.decide()
	}
	w.count(r)
	w.ask(r)
	w.hands = w.State.Hands != nil || w.State.Told != ""
	if r.Class != connector.Waiting {
		w.State.Told = ""
	}
	switch {
	case r.Held != nil:
		w.held(r)
	case r.Class == "" && len(r.Withheld) > 0:
		w.withheld(r)
	case r.Class == "":
		w.done(r)
	case r.Overtaken:
		w.passedOver(r)
	case r.Refused:
		w.refused(r)
	case r.Class == connector.Waiting:
		w.waiting(r)
	default:
		w.failed(r)
	}
	return w.decide()
}

func (w *Work) done(r Result) {
	s := &w.State
	kind, outcome, reason := event.ProvisionUnchanged, "unchanged", connector.Class("")
	late := s.late(r)
	switch {
	case r.Adopted:
		kind, outcome = event.ProvisionAdopted, "adopted"
	case len(r.Changes) > 0:
		kind, outcome = event.ProvisionApplied, "applied"
	case w.hands && len(late) > 0:
		kind, outcome, reason = event.ProvisionApplied, "applied", ByHand
	case !w.hands && (len(late) > 0 || s.Unsure):
		kind, outcome, reason = event.ProvisionApplied, "applied", ReadBack
	}
	r.Changes = append(late, r.Changes...)
	deleted := s.Account
	s.Account, s.RemoteID = r.Account, r.RemoteID
	id := w.outcome(kind, outcome, reason, r)
	if r.State == event.AccountAbsent {
		w.events[len(w.events)-1].Account = deleted
	}
	w.resolve(id)
	s.Applied = max(s.Applied, s.Want.Version)
	s.Intent, s.Tries, s.Failing, s.Unsure, s.Doubt, s.Drift = nil, 0, time.Time{}, false, nil, ""
	w.forget = s.Want.Orphan && s.Next == nil
	w.goOn()
}

// withheld: everything was done but what nobody approved. The account waits for a desired state that carries a proof.
func (w *Work) withheld(r Result) {
	s := &w.State
	r.Changes = append(s.late(r), r.Changes...)
	w.keepName(r)
	why, message := weigh(r.Withheld)
	r.Message = message
	if done := describe(r.Changes); done != "" {
		r.Message += "; done: " + done
	}
	id := w.outcome(event.ProvisionFailed, "failed", connector.Class(why), r)
	w.events[len(w.events)-1].Entitlement = r.Withheld[0].Item
	if s.Open != nil && s.Open.Why != string(why) { // that one is over
		w.resolve(id)
	}
	if w.open("denied", string(why), id) {
		w.events[len(w.events)-1].Entitlement = r.Withheld[0].Item
	}
	w.back(WaitParked, 0)
	s.Intent, s.Tries, s.Failing, s.Unsure, s.Doubt = nil, 0, time.Time{}, false, nil
	w.goOn()
}

// weigh picks the worst reason, and names all.
func weigh(withheld []Withheld) (worst WithheldReason, message string) {
	order := []WithheldReason{ApprovalMissing, ApprovalExpired, ApprovalForged}
	items := make([]string, len(withheld))
	for i, h := range withheld {
		items[i] = h.Item + " (" + string(h.Reason) + ")"
		if slices.Index(order, h.Reason) >= slices.Index(order, worst) {
			worst = h.Reason
		}
	}
	return worst, "not given: " + strings.Join(items, ", ")
}

// late is what earlier calls changed although they did not say so: what was in doubt and needed no doing any more. Of a
// call that died with its process only a creation can be told, by an account that was not there before.
func (s State) late(r Result) []event.Change {
	var late []event.Change
	for _, c := range s.Doubt {
		if !slices.Contains(r.Changes, c) {
			late = append(late, c)
		}
	}
	made := s.Applied == 0 && s.RemoteID == "" && r.RemoteID != "" && !r.Adopted
	if created := (event.Change{Verb: string(connector.Create)}); s.Unsure && made && !slices.Contains(r.Changes, created) && !slices.Contains(late, created) {
		late = append([]event.Change{created}, late...)
	}
	return late
}

// goOn drives the newer version that came while the call was in flight.
func (w *Work) goOn() bool {
	if w.State.Next == nil {
		return false
	}
	w.adopt(*w.State.Next)
	w.start(Replay)
	return true
}

// refused: the desk answered instead of the target.
func (w *Work) refused(r Result) {
	s := &w.State
	w.failing()
	w.keepName(r)
	if r.RetryAfter > 0 {
		w.defers(WaitBackoff, r.RetryAfter, r)
	} else {
		w.defers(WaitTarget, 0, r)
	}
	s.Intent = nil
	if s.Next != nil { // driven when the target is back; nothing was sent for the old one
		w.adopt(*s.Next)
	}
}

// passedOver: what was in flight had not begun when something more urgent came.
func (w *Work) passedOver(r Result) {
	r.Message = "not made: something more urgent is wanted"
	w.defers(WaitBackoff, 0, r)
	w.events[len(w.events)-1].Reason = reasonOvertaken
	w.State.Intent = nil
	w.goOn()
}

// waiting: a person has been asked for what is in doubt. Nothing fails, no try is counted, and it is told once.
func (w *Work) waiting(r Result) {
	s := &w.State
	before := len(s.Doubt)
	w.doubt(r)
	w.keepName(r)
	wait := WaitBackoff
	if r.Asked != nil {
		wait = WaitTicket
	}
	if s.Told != "" && len(s.Doubt) == before {
		w.back(wait, r.RetryAfter)
	} else {
		w.defers(wait, r.RetryAfter, r)
	}
	s.Told = s.Intent.Event
	s.Intent, s.Tries, s.Failing = nil, 0, time.Time{}
	w.goOn()
}

// doubt remembers what may have been changed. What the call says that it has changed is in doubt no more: it was not there, and is told.
func (w *Work) doubt(r Result) {
	w.State.Doubt = slices.DeleteFunc(slices.Clone(w.State.Doubt), func(c event.Change) bool { return slices.Contains(r.Changes, c) })
	for _, c := range r.Doubt {
		if !slices.Contains(w.State.Doubt, c) {
			w.State.Doubt = append(w.State.Doubt, c)
		}
	}
}

func (w *Work) failed(r Result) {
	s := &w.State
	w.failing()
	s.Tries++
	w.doubt(r)
	w.keepName(r)
	switch r.Class {
	case connector.Invalid, connector.Unsupported:
		w.rejected(r)
	case connector.Denied:
		id := w.outcome(event.ProvisionFailed, "failed", r.Class, r)
		w.open("denied", "", id)
		if r.Down {
			w.back(WaitTarget, 0)
			break
		}
		w.back(WaitBackoff, min(deniedLeast<<min(s.Tries-1, 10), backoffMost))
	case connector.Conflict, connector.NotFound:
		w.replan(r)
	default:
		if r.Down {
			w.defers(WaitTarget, 0, r)
			break
		}
		w.defers(WaitBackoff, max(r.RetryAfter, Backoff(s.Intent.ID, s.Tries)), r)
	}
	if w.call == nil {
		s.Intent = nil
		w.goOn()
	}
}

// failing notes since when nothing succeeds.
func (w *Work) failing() {
	if w.State.Failing.IsZero() {
		w.State.Failing = w.Now
	}
}

// keepName remembers an account that a call made or found before it failed.
func (w *Work) keepName(r Result) {
	if r.RemoteID != "" {
		w.State.Account, w.State.RemoteID = r.Account, r.RemoteID
	}
}

// rejected: this version will never be accepted.
func (w *Work) rejected(r Result) {
	s := &w.State
	if s.Next != nil { // the newer one may be
		w.outcome(event.ProvisionFailed, "failed", r.Class, r)
		return
	}
	id := w.outcome(event.ProvisionDeadLettered, "dead_lettered", r.Class, r)
	w.open("invalid", "", id)
	s.Failing = time.Time{} // it does not keep failing: it stands still
	w.back(WaitParked, 0)
}

// replan: what the plan rested on has changed. The next drive reads again.
func (w *Work) replan(r Result) {
	s := &w.State
	s.Round++
	delay := time.Duration(0)
	if s.Tries > replansMost {
		delay = Backoff(s.Intent.ID, s.Tries)
	}
	w.defers(WaitBackoff, delay, r)
	if s.Tries >= replansBad {
		w.open("retry_exhausted", "", w.last())
	}
	if delay == 0 && s.Next == nil {
		s.Intent = nil
		w.start(Retry)
	}
}

func (w *Work) last() string { return string(w.events[len(w.events)-1].EventID) }

func (w *Work) back(wait Wait, delay time.Duration) {
	w.State.Wait, w.State.NextAt = wait, time.Time{}
	if wait == WaitBackoff {
		w.State.NextAt = w.Now.Add(delay)
	}
}

func (w *Work) defers(wait Wait, delay time.Duration, r Result) {
	w.back(wait, delay)
	w.outcome(event.ProvisionDeferred, "deferred", r.Class, r)
	w.events[len(w.events)-1].NextAt = w.State.NextAt
}

// outcome records what a call came to.
func (w *Work) outcome(kind event.Kind, outcome string, class connector.Class, r Result) string {
	id := w.emit(kind, outcome, class, cmp.Or(r.Message, describe(r.Changes)))
	e := &w.events[len(w.events)-1]
	e.State, e.RemoteID, e.Changes = r.State, r.RemoteID, slices.Clone(r.Changes)
	e.Handover = r.Handover
	e.LatencyMS, e.CallEnded = r.Latency.Milliseconds(), r.Ended
	return id
}

// describe says what was changed: names of attributes and entitlements, never values.
func describe(changes []event.Change) string {
	parts := make([]string, len(changes))
	for i, c := range changes {
		parts[i] = strings.TrimSpace(c.Verb + " " + c.Attribute + c.Item)
	}
	return strings.Join(parts, ", ")
}

func formatVersion(v int64) string { return strconv.FormatInt(v, 10) }

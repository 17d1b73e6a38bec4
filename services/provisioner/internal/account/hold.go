package account

import (
	"slices"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/guard"
)

// guardCancelled is the reason of work that people cancelled.
const guardCancelled = "guard_cancelled"

// held: a guard let nothing further through. The account waits in state; nothing is lost. A newer version that came
// meanwhile is tried at once: it may need no change that the guard counts.
func (w *Work) held(r Result) {
	s := &w.State
	r.Changes, r.Message = append(s.late(r), r.Changes...), r.Held.Message
	w.keepName(r)
	w.outcome(event.ProvisionHeld, "held", connector.Class(r.Held.Guard), r)
	w.events[len(w.events)-1].Exception = event.Exception{ExceptionID: r.Held.Trip, Class: "held"}
	s.Intent, s.Tries, s.Failing, s.Unsure, s.Doubt = nil, 0, time.Time{}, false, nil
	w.back(WaitHeld, 0)
	s.Hold = r.Held.Trip
	w.goOn()
}

// Decided takes what people decided on the trip that holds the account. The guard does not count this version again once
// it was released.
func (w Work) Decided(t guard.Trip) Decision {
	s := &w.State
	if s.Wait != WaitHeld || s.Hold != t.ID {
		return w.decide()
	}
	ofTrip := func() { w.events[len(w.events)-1].Exception = event.Exception{ExceptionID: t.ID, Class: "held"} }
	switch t.Decision {
	case event.GuardRelease:
		w.emit(event.ProvisionReleased, "released", connector.Class(t.Guard), "")
		ofTrip()
		w.events[len(w.events)-1].CausationID = string(t.DecisionEvent())
		if scope, ok := guard.ScopeOf(t.ID); ok {
			s.Passed = append(slices.Clone(s.Passed), scope)
		}
		s.Round++
		w.start(Release)
	case event.GuardCancel:
		id := w.emit(event.ProvisionFailed, "cancelled", guardCancelled, openMessages[guardCancelled])
		ofTrip()
		w.events[len(w.events)-1].CausationID = string(t.DecisionEvent())
		w.back(WaitCancelled, 0)
		s.Hold = ""
		w.open("held", guardCancelled, id)
	}
	return w.decide()
}

// count remembers which guards counted the account, so that a restart does not forget their windows.
func (w *Work) count(r Result) {
	s := &w.State
	if len(r.Counted) == 0 && len(s.Counted) == 0 {
		return
	}
	s.Counted = slices.DeleteFunc(slices.Clone(s.Counted), func(c guard.Count) bool {
		return !w.Now.Before(c.Until) || slices.ContainsFunc(r.Counted, func(n guard.Count) bool { return n.Scope == c.Scope })
	})
	s.Counted = append(s.Counted, r.Counted...)
}

package access

import (
	"cmp"
	"maps"
	"slices"

	"joinery.internal/pkg/event"
)

// finding is an exception that a review finds.
type finding struct {
	class   string // of the exception
	message string
	role    string
	target  string
	refused bool // something was refused because of it
	blocks  bool // the case cannot be done while it stands
}

// Classes of exceptions.
const (
	classQuarantined = "quarantined"
	classConflict    = "sod_conflict"
	classInvalid     = "invalid"
	classExpired     = "approval_expired"
	classOwnership   = "ownership"
	classDouble      = "second_account"
)

func (w *Work) find(key string, f finding) { w.found[key] = f }

// settleFaults opens what the review found and was not there, and resolves what was there and is not found.
func (w *Work) settleFaults() {
	s := &w.State
	standing := s.Faults
	s.Faults = nil
	for _, f := range standing {
		if _, still := w.found[f.Key]; still || f.Class == classExpired && w.standing() == present {
			s.Faults = append(s.Faults, f)
			continue
		}
		w.resolve(f)
	}
	for _, key := range slices.Sorted(maps.Keys(w.found)) {
		w.raise(key, w.found[key])
	}
	slices.SortFunc(s.Faults, func(a, b Fault) int { return cmp.Compare(a.Key, b.Key) })
}

func (w *Work) resolve(f Fault) {
	w.access(event.AccessEvent{Meta: event.Meta{Kind: event.ExceptionResolved, CaseID: f.Case, Role: f.Role, Target: f.Target, Outcome: "resolved", Reason: f.Class},
		Exception: event.Exception{ExceptionID: f.ID, Class: f.Class, Resolution: "person", OpenedAt: f.At}})
	for i := range w.State.Cases {
		c := &w.State.Cases[i]
		c.Faults = slices.DeleteFunc(c.Faults, func(key string) bool { return key == f.Key })
	}
}

// overdue opens the exception of a request that nobody decided in time. It stands until somebody asks for the role again,
// or the person leaves.
func (w *Work) overdue(q Request, message string) {
	w.raise("approval/"+q.Role, finding{class: classExpired, role: q.Role, message: message})
	slices.SortFunc(w.State.Faults, func(a, b Fault) int { return cmp.Compare(a.Key, b.Key) })
}

// answerFaults resolves the exceptions of requests for the role that nobody decided in time.
func (w *Work) answerFaults(role string) {
	w.State.Faults = slices.DeleteFunc(w.State.Faults, func(f Fault) bool {
		if f.Class != classExpired || f.Role != role {
			return false
		}
		w.resolve(f)
		return true
	})
}

func (w *Work) raise(key string, f finding) {
	c := w.State.caseOf(w.caseID)
	if c != nil && f.blocks {
		c.Faults = append(c.Faults, key)
		w.fail(c, f.class)
	}
	if slices.ContainsFunc(w.State.Faults, func(o Fault) bool { return o.Key == key }) {
		return
	}
	if c != nil && f.class == classQuarantined {
		c.Refused = true
	}
	if f.refused {
		w.access(event.AccessEvent{Meta: event.Meta{Kind: event.AccessRefused, Role: f.role, Target: f.target, Outcome: "refused", Reason: f.class, Message: f.message}})
	}
	id := event.DeriveID("ex", len(w.out.Events), w.Cause, string(w.ID), key)
	w.access(event.AccessEvent{Meta: event.Meta{Kind: event.ExceptionOpened, Role: f.role, Target: f.target, Outcome: "open", Reason: f.class, Message: f.message},
		Exception: event.Exception{ExceptionID: id, Class: f.class, OpenedAt: w.Now}})
	w.State.Faults = append(w.State.Faults, Fault{Key: key, ID: id, Class: f.class, Role: f.role, Target: f.target, Case: w.caseID, At: w.Now})
}

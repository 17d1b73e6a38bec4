package voting

import (
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// State is everything remembered of one approval. The zero State knows none.
//
// Invariants: Votes are of eligible people, each at most once per stage; once Closed is set nothing but the memory of it
// changes.
type State struct {
	Request   event.ApprovalRequest `json:"r"`
	Stage     int                   `json:"s,omitempty"` // index of the open one
	Opened    time.Time             `json:"o,omitzero"`  // the open stage
	Delegated []Delegation          `json:"d,omitempty"` // of the open stage
	Escalated bool                  `json:"e,omitempty"`
	Fallback  bool                  `json:"f,omitempty"`
	Votes     []Vote                `json:"v,omitempty"`
	Taken     []string              `json:"c,omitempty"` // ids of commands
	Closed    Outcome               `json:"x,omitempty"`
	ClosedAt  time.Time             `json:"t,omitzero"`
}

// Delegation lets somebody else decide too, for as long as who has named them may.
type Delegation struct {
	By event.IdentityID `json:"b"`
	To event.IdentityID `json:"t"`
}

// Vote is one approval of a stage.
type Vote struct {
	Stage int              `json:"s"`
	Actor event.IdentityID `json:"a"`
}

// Outcome is how an approval ended.
type Outcome string

// The outcomes of an approval.
const (
	Granted   Outcome = "granted"
	Refused   Outcome = "refused"
	Expired   Outcome = "expired"
	Withdrawn Outcome = "withdrawn"
)

// remember is how long a closed approval is kept, to answer late votes and requests said twice: the topics are kept
// no longer.
const remember = 30 * 24 * time.Hour

func (s State) clone() State {
	s.Delegated, s.Votes, s.Taken = slices.Clone(s.Delegated), slices.Clone(s.Votes), slices.Clone(s.Taken)
	return s
}

func (s State) known() bool { return s.Request.RequestID != "" }

func (s State) stage() event.ApprovalStage { return s.Request.Stages[s.Stage] }

// barred says why the person may never decide the open stage; empty: they may, if they are asked to.
func (s State) barred(id event.IdentityID) string {
	earlier := slices.ContainsFunc(s.Votes, func(v Vote) bool { return v.Stage < s.Stage && v.Actor == id })
	switch {
	case id == s.Request.IdentityID || id == s.Request.Requester:
		return reasonOwn
	case earlier && slices.Contains(s.stage().Exclude, "previous"):
		return reasonPrevious
	}
	return ""
}

// eligible are those who may decide the open stage, in the order they were named, whether they have voted or not.
func (s State) eligible() []event.IdentityID {
	st := s.stage()
	named := slices.Clone(st.Approvers)
	if s.Fallback {
		named = append(named, st.Fallback...)
	}
	if s.Escalated {
		named = append(named, st.EscalateTo...)
	}
	for _, d := range s.Delegated { // in the order they were made: a delegate may delegate
		if slices.Contains(named, d.By) || slices.Contains(named, event.Anybody) {
			named = append(named, d.To)
		}
	}
	var out []event.IdentityID
	for _, id := range named {
		if id != "" && !slices.Contains(out, id) && s.barred(id) == "" {
			out = append(out, id)
		}
	}
	return out
}

// mayDecide says whether the open stage is for this person to decide, whether they have voted or not.
func (s State) mayDecide(id event.IdentityID) bool {
	named := s.eligible()
	return s.barred(id) == "" && (slices.Contains(named, id) || slices.Contains(named, event.Anybody))
}

// enough says whether those who may decide the open stage can reach its quorum, with those who have: what they said stands,
// also if they have left since.
func (s State) enough() bool {
	asked := s.asked()
	return s.approvals()+len(asked) >= s.quorum() || slices.Contains(asked, event.Anybody)
}

func (s State) voted(id event.IdentityID) bool { return slices.Contains(s.Votes, Vote{s.Stage, id}) }

// asked are those whose decision is still wanted.
func (s State) asked() []event.IdentityID {
	return slices.DeleteFunc(s.eligible(), s.voted)
}

func (s State) approvals() int {
	n := 0
	for _, v := range s.Votes {
		if v.Stage == s.Stage {
			n++
		}
	}
	return n
}

func (s State) quorum() int { return max(1, s.stage().Quorum) }

// dueAt is when the open stage is decided by nobody's decision; zero: never.
func (s State) dueAt() time.Time { return after(s.Opened, s.stage().DenyAfterMS) }

// next is when something happens by itself; zero: nothing does.
func (s State) next() time.Time {
	switch {
	case !s.known():
		return time.Time{}
	case s.Closed != "":
		return s.ClosedAt.Add(remember)
	case !s.Escalated && s.stage().EscalateAfterMS > 0:
		return earliest(after(s.Opened, s.stage().EscalateAfterMS), s.dueAt())
	}
	return s.dueAt()
}

func after(t time.Time, ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return t.Add(time.Duration(ms) * time.Millisecond)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

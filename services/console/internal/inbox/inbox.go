// Package inbox is a live view of approvals: a fold of jml.approval.request.v1 and jml.approval.event.v1.
//
// It owns what an approval looks like to people: its stage, who may act, what was done so far. It does not own the
// rules: who may vote and what a vote means is decided by the approval service, whose events are folded here. The two
// topics come in any order relative to each other; a record that comes twice changes nothing.
//
// An Inbox is safe for concurrent use. What it returns is the caller's own.
//
//	box := inbox.New()
//	box.Request(request)
//	box.Event(event)
//	open := box.List(func(a inbox.Approval) bool { return a.Status == inbox.Open })
package inbox

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"joinery.internal/pkg/event"
)

// Status is where an approval stands.
type Status string

// What an approval may be. All but Open are final.
const (
	Open      Status = "open"
	Granted   Status = "granted"
	Refused   Status = "refused"
	Expired   Status = "expired"
	Cancelled Status = "cancelled"
)

// Step is one thing that happened to an approval.
type Step struct {
	EventID event.EventID
	At      time.Time
	Kind    event.Kind
	Stage   string
	Actor   string
	Reason  string
	Message string
}

// Approval is one request for a decision, with what was decided so far.
//
//	(request or first event) -> open -> granted
//	                                 -> refused
//	                                 -> expired
//	                                 -> cancelled
type Approval struct {
	ID           string // the request's
	CaseID       event.CaseID
	IdentityID   event.IdentityID // the beneficiary
	Role         string
	Entitlements []string
	Process      string
	Requester    event.IdentityID
	Reason       string
	Duration     time.Duration // 0: no end
	RequestedAt  time.Time
	Status       Status
	Stage        string             // the one now open
	Approvers    []event.IdentityID // who may act on it
	DueAt        time.Time          // when it is denied by itself; zero: never
	Steps        []Step             // in the order of the log
}

// MayAct says whether the person is asked to decide now.
func (a Approval) MayAct(id event.IdentityID) bool {
	asked := slices.Contains(a.Approvers, id) || slices.Contains(a.Approvers, event.Anybody) && id != a.IdentityID && id != a.Requester
	return id != "" && a.Status == Open && asked
}

// Inbox is the fold.
type Inbox struct {
	mu      sync.Mutex
	byID    map[string]*Approval
	changed chan struct{} // closed and replaced on every change
}

// New returns an empty inbox.
func New() *Inbox { return &Inbox{byID: map[string]*Approval{}, changed: make(chan struct{})} }

// Request folds a record of jml.approval.request.v1.
func (b *Inbox) Request(r event.ApprovalRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.approval(r.RequestID)
	a.CaseID, a.IdentityID, a.Role, a.Requester = r.CaseID, r.IdentityID, r.Role, r.Requester
	if r.Cancelled {
		if a.Status == Open {
			a.Status = Cancelled
			a.close()
		}
		return
	}
	if !a.RequestedAt.IsZero() { // said again: who decides has changed, and the events tell
		return
	}
	a.Entitlements, a.Process, a.Reason = slices.Clone(r.Entitlements), r.Process, r.Reason
	a.Duration, a.RequestedAt = time.Duration(r.DurationMS)*time.Millisecond, r.RequestedAt
}

// Event folds a record of jml.approval.event.v1.
func (b *Inbox) Event(e event.ApprovalEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.approval(e.RequestID)
	if slices.ContainsFunc(a.Steps, func(s Step) bool { return s.EventID == e.EventID }) {
		return
	}
	a.Steps = append(a.Steps, Step{e.EventID, e.OccurredAt, e.Kind, e.Stage, e.Actor, e.Reason, e.Message})
	a.IdentityID = cmp.Or(a.IdentityID, e.IdentityID)
	a.CaseID, a.Role, a.Requester = cmp.Or(a.CaseID, e.CaseID), cmp.Or(a.Role, e.Role), cmp.Or(a.Requester, e.Requester)
	switch e.Kind {
	case event.ApprovalGranted:
		a.Status = Granted
	case event.ApprovalRefused:
		a.Status = Refused
	case event.ApprovalExpired:
		if a.Status == Open {
			a.Status = Expired
		}
	}
	if a.Status != Open {
		a.close()
		return
	}
	a.Stage = cmp.Or(e.Stage, a.Stage)
	if len(e.Approvers) > 0 || e.Kind == event.ApprovalStageOpened {
		a.Approvers = slices.Clone(e.Approvers)
	}
	if !e.DueAt.IsZero() {
		a.DueAt = e.DueAt
	}
}

func (a *Approval) close() { a.Stage, a.Approvers, a.DueAt = "", nil, time.Time{} }

// approval returns the one of that id, made if need be, and wakes who waits for a change. The lock is held.
func (b *Inbox) approval(id string) *Approval {
	close(b.changed)
	b.changed = make(chan struct{})
	a, ok := b.byID[id]
	if !ok {
		a = &Approval{ID: id, Status: Open}
		b.byID[id] = a
	}
	return a
}

// Get returns one approval, and a channel that is closed on the next change of any.
func (b *Inbox) Get(id string) (Approval, <-chan struct{}, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.byID[id]
	if !ok {
		return Approval{}, b.changed, false
	}
	return a.clone(), b.changed, true
}

// List returns the approvals that keep wants, oldest request first.
func (b *Inbox) List(keep func(Approval) bool) []Approval {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Approval
	for _, a := range b.byID {
		if keep(*a) {
			out = append(out, a.clone())
		}
	}
	slices.SortFunc(out, func(x, y Approval) int {
		return cmp.Or(x.RequestedAt.Compare(y.RequestedAt), cmp.Compare(x.ID, y.ID))
	})
	return out
}

func (a *Approval) clone() Approval {
	c := *a
	c.Entitlements, c.Approvers, c.Steps = slices.Clone(a.Entitlements), slices.Clone(a.Approvers), slices.Clone(a.Steps)
	return c
}

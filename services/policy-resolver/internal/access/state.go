package access

import (
	"cmp"
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// State is everything remembered of one person. The zero State knows nobody.
//
// Invariants: Roles are sorted by name, each once; Accounts by target; versions never decrease; a role with a Grace is
// not privileged, unless policy gives privileged roles a grace.
type State struct {
	Person   *event.Person `json:"p,omitempty"`
	Source   string        `json:"o,omitempty"` // with authority employment, that spoke of the person last
	Policy   string        `json:"h,omitempty"` // bundle the roles were last decided under
	Reviewed time.Time     `json:"v,omitzero"`  // when roles were last decided: what the employments bring is due after it
	Ahead    event.CaseID  `json:"w,omitempty"` // the case of a hire whose accounts are not due yet; empty: none
	Roles    []Assignment  `json:"r,omitempty"`
	Former   []Assignment  `json:"f,omitempty"` // requested roles that an end took away
	Accounts []Account     `json:"a,omitempty"`
	Cases    []Case        `json:"c,omitempty"` // open ones, oldest first
	Requests []Request     `json:"q,omitempty"` // waiting for approval
	Asked    []string      `json:"i,omitempty"` // ids of the last requests taken, oldest first
	Faults   []Fault       `json:"x,omitempty"` // exceptions that stand, by key
	Merging  Merging       `json:"m,omitzero"`
}

// Origin is why somebody has a role.
type Origin string

// The origins of a role.
const (
	Birthright Origin = "b"
	Requested  Origin = "r"
)

// Assignment is a role somebody has.
type Assignment struct {
	Role      string          `json:"r"`
	Origin    Origin          `json:"o"`
	Since     time.Time       `json:"s"`
	Grace     time.Time       `json:"g,omitzero"` // end of the grace; zero: the role is not being lost
	Expires   time.Time       `json:"e,omitzero"` // end of a requested duration; zero: never
	Case      event.CaseID    `json:"c,omitempty"`
	RequestID string          `json:"i,omitempty"`
	Proof     *event.Approval `json:"p,omitempty"`
	Waiver    string          `json:"w,omitempty"` // the separation of duties it was approved to break
}

// until is when the role ends by itself; zero: never.
func (a Assignment) until() time.Time { return earliest(a.Grace, a.Expires) }

// Account is what was last said of the person's account in a target.
type Account struct {
	Target  string             `json:"t"`
	Version int64              `json:"v"`
	Hash    string             `json:"h"` // of the content
	State   event.AccountState `json:"s"`
	Wanted  string             `json:"w,omitempty"` // name asked for
	Name    string             `json:"n,omitempty"` // name it has, as the target knows it; empty: not known
	Applied int64              `json:"a,omitempty"` // version the target has
	Idle    time.Time          `json:"i,omitzero"`  // since when nobody needs it; zero: it is needed
	Case    event.CaseID       `json:"c,omitempty"` // that made it idle
	From    event.IdentityID   `json:"f,omitempty"` // it was another identity's, which is this person
	Retired bool               `json:"r,omitempty"` // not for use again: it goes before one is made anew
}

// exists says that there is an account, or soon will be.
func (a Account) exists() bool { return a.State != "" && a.State != event.AccountAbsent }

// Case is an open workflow.
type Case struct {
	ID        event.CaseID `json:"i"`
	Cause     event.CaseID `json:"p,omitempty"` // the case that scheduled it
	Trigger   event.Kind   `json:"t"`
	Source    string       `json:"s,omitempty"`
	Causation string       `json:"b,omitempty"`
	Effective time.Time    `json:"e"`
	Known     time.Time    `json:"k"`
	Waits     []Wait       `json:"w,omitempty"`
	Request   string       `json:"q,omitempty"` // approval it waits for
	Faults    []string     `json:"x,omitempty"` // keys of exceptions that keep it from being done
	Changes   int          `json:"n,omitempty"`
	Called    time.Time    `json:"l,omitzero"` // end of the last call that changed something
	Failed    bool         `json:"f,omitempty"`
	Refused   bool         `json:"r,omitempty"`
}

// moment is when the clock of the case starts.
func (c Case) moment() time.Time { return later(c.Effective, c.Known) }

// Wait is a version a case waits for.
type Wait struct {
	Target  string `json:"t"`
	Version int64  `json:"v"`
	Asked   bool   `json:"a,omitempty"` // it is known, and said, that a person has to close a ticket first
}

// Request is what waits for an answer: an access request for approval, the lift of an emergency, or a task, whose answer
// only says that somebody has taken note.
type Request struct {
	ID       string            `json:"i"`
	Kind     event.RequestKind `json:"k"`
	Role     string            `json:"r"`
	Case     event.CaseID      `json:"c"`
	Actor    event.IdentityID  `json:"a"`
	Duration int64             `json:"d,omitempty"` // milliseconds; 0: no end
	Process  string            `json:"p,omitempty"` // names the stages to be asked; empty: none does
	Waiver   string            `json:"w,omitempty"` // the separation of duties it would break
	Asked    string            `json:"h,omitempty"` // hash of the stages as last asked
	Done     bool              `json:"x,omitempty"` // of a task: answered, and not asked again
}

// Fault is an exception that stands until a review no longer finds it.
type Fault struct {
	Key    string       `json:"k"`
	ID     string       `json:"i"`
	Class  string       `json:"c"`
	Role   string       `json:"r,omitempty"`
	Target string       `json:"t,omitempty"`
	Case   event.CaseID `json:"p,omitempty"`
	At     time.Time    `json:"at"`
}

// askedMost bounds how many request ids are remembered.
const askedMost = 8

// clone returns a copy whose lists may be changed.
func (s State) clone() State {
	s.Roles, s.Former, s.Accounts = slices.Clone(s.Roles), slices.Clone(s.Former), slices.Clone(s.Accounts)
	s.Cases, s.Requests, s.Asked, s.Faults = slices.Clone(s.Cases), slices.Clone(s.Requests), slices.Clone(s.Asked), slices.Clone(s.Faults)
	s.Merging = s.Merging.clone()
	for i := range s.Cases {
		s.Cases[i].Waits, s.Cases[i].Faults = slices.Clone(s.Cases[i].Waits), slices.Clone(s.Cases[i].Faults)
	}
	return s
}

func (s *State) role(name string) (*Assignment, bool) {
	i, ok := slices.BinarySearchFunc(s.Roles, name, func(a Assignment, n string) int { return cmp.Compare(a.Role, n) })
	if !ok {
		return nil, false
	}
	return &s.Roles[i], true
}

func (s *State) give(a Assignment) {
	i, held := slices.BinarySearchFunc(s.Roles, a.Role, func(a Assignment, n string) int { return cmp.Compare(a.Role, n) })
	if held {
		s.Roles[i] = a
		return
	}
	s.Roles = slices.Insert(s.Roles, i, a)
}

func (s *State) take(role string) {
	s.Roles = slices.DeleteFunc(s.Roles, func(a Assignment) bool { return a.Role == role })
}

// LiveRoles are the names of the roles held, those in their grace among them, sorted.
func (s State) LiveRoles() []string { return names(s.Roles, func(Assignment) bool { return true }) }

// solid are the names of the roles that are not being lost.
func (s State) solid() []string {
	return names(s.Roles, func(a Assignment) bool { return a.Grace.IsZero() })
}

func names(roles []Assignment, keep func(Assignment) bool) []string {
	out := []string{}
	for _, a := range roles {
		if keep(a) {
			out = append(out, a.Role)
		}
	}
	return out
}

// account returns the account in a target, made if need be.
func (s *State) account(target string) *Account {
	i, ok := slices.BinarySearchFunc(s.Accounts, target, func(a Account, t string) int { return cmp.Compare(a.Target, t) })
	if !ok {
		s.Accounts = slices.Insert(s.Accounts, i, Account{Target: target})
	}
	return &s.Accounts[i]
}

func (s *State) known(target string) bool {
	return slices.ContainsFunc(s.Accounts, func(a Account) bool { return a.Target == target })
}

func (s *State) caseOf(id event.CaseID) *Case {
	if i := slices.IndexFunc(s.Cases, func(c Case) bool { return c.ID == id }); i >= 0 {
		return &s.Cases[i]
	}
	return nil
}

// earliest of two times; zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

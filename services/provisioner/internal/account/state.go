package account

import (
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/services/provisioner/internal/guard"
)

// State is what is known of one account. It moves like this:
//
//	               Wanted (newer), Nudged                      Answered: ok
//	settled ------------------------------> in flight ----------------------> settled
//	   ^                                     |  ^   | invalid, unsupported, withheld
//	   |                            retryable|  |   +-----------------------> parked --+
//	   |                                     v  |Woken                                 |
//	   |                    backoff, or target (until it comes back)                   |
//	   +------------------------- Wanted (newer or again), Nudged: in flight ----------+
//
//	in flight --Answered: asked--> ticket --Closed: done------> in flight
//	                                 |  \---Wanted (newer)-----> in flight
//	                                 \------Closed: refused---> parked
//
//	in flight --Answered: held--> held --Decided: release--> in flight
//	                               |  \--Wanted (newer)-----> in flight
//	                               \-----Decided: cancel---> cancelled --Wanted (newer or again)--> in flight
//
// Invariants: at most one intent is in flight; Want is what it drives at, Next what came meanwhile; Applied never
// decreases.
type State struct {
	Want     Want           `json:"w"`
	Next     *Want          `json:"n,omitempty"`  // newer than Want, arrived while in flight
	Applied  int64          `json:"ap,omitempty"` // version the target has; 0: none yet
	Account  string         `json:"a,omitempty"`  // the account's name: fixed from its creation to its deletion
	RemoteID string         `json:"r,omitempty"`
	Intent   *Intent        `json:"i,omitempty"` // in flight
	Wait     Wait           `json:"wt,omitempty"`
	NextAt   time.Time      `json:"na,omitzero"`  // of Wait backoff
	Failing  time.Time      `json:"f,omitzero"`   // since when nothing has succeeded; zero: no failure yet
	Tries    int            `json:"t,omitempty"`  // calls that failed for Want
	Round    int            `json:"rd,omitempty"` // re-plans and nudges for Want: each makes new idempotency keys
	Unsure   bool           `json:"u,omitempty"`  // a call may have taken effect without our knowing: its process died
	Doubt    []event.Change `json:"db,omitempty"` // changes for Want that got no answer, or a bad one
	Drift    string         `json:"d,omitempty"`  // the drift event that Want is driven for again; empty: for itself
	Open     *OpenIncident  `json:"x,omitempty"`
	Hold     string         `json:"h,omitempty"`  // of Wait held: the trip of the guard that holds it
	Passed   []guard.Scope  `json:"ps,omitempty"` // guards that were released for Want, and do not count it again
	Counted  []guard.Count  `json:"ct,omitempty"` // by which guards the account was counted, in windows not over yet
	Told     string         `json:"tl,omitempty"` // the intent of a wait for a person that evidence tells of already; empty: of none
	Hands    *Hands         `json:"hd,omitempty"` // of a target that people change; nil: nothing was asked yet
}

// Want is what one account should be: the part of event.Desired that the work needs, in a form short enough to keep.
type Want struct {
	IdentityID   event.IdentityID   `json:"id,omitempty"`
	Target       string             `json:"tg"`
	Version      int64              `json:"v"`
	CaseID       event.CaseID       `json:"c,omitempty"`
	CausationID  string             `json:"cc,omitempty"`
	Lane         event.Lane         `json:"l,omitempty"`
	State        event.AccountState `json:"s"`
	AccountName  string             `json:"n,omitempty"`
	Numbered     bool               `json:"nb,omitempty"`
	Attributes   map[string]string  `json:"a,omitempty"`
	Entitlements []string           `json:"e,omitempty"`
	Kinds        []string           `json:"k,omitempty"`
	Approvals    []event.Approval   `json:"ap,omitempty"`
	Policy       string             `json:"p,omitempty"`
	EffectiveAt  time.Time          `json:"ea,omitzero"`
	KnownAt      time.Time          `json:"ka,omitzero"`
	Formerly     event.IdentityID   `json:"fo,omitempty"`
	Source       string             `json:"sr,omitempty"` // of the record that led here
	PersonSource string             `json:"ps,omitempty"` // that employs the person
	EndSessions  bool               `json:"es,omitempty"`
	Orphan       bool               `json:"o,omitempty"` // an account that nobody wants: disable it, never create it
}

// WantOf takes over a desired record.
func WantOf(d event.Desired) Want {
	return Want{Source: d.Source, PersonSource: d.PersonSource, IdentityID: d.IdentityID, Target: d.Target, Version: d.Version, CaseID: d.CaseID, CausationID: d.CausationID, Lane: d.Lane,
		State: d.State, AccountName: d.AccountName, Numbered: d.Numbered, Attributes: d.Attributes, Entitlements: d.Entitlements,
		Kinds: d.Kinds, Approvals: d.Approvals, Policy: d.Policy, EffectiveAt: d.EffectiveAt, KnownAt: d.KnownAt, Formerly: d.Formerly, EndSessions: d.EndSessions}
}

// Key names the account in state and timers; its part before the '|' decides the partition.
func (w Want) Key() string {
	if w.Orphan {
		return OrphanKey(w.Target, w.AccountName)
	}
	return Key(w.IdentityID, w.Target)
}

// Key is where the account of a person in a target is kept.
func Key(id event.IdentityID, target string) string { return string(id) + "|" + target }

// OrphanKey is where the work on an account of nobody is kept.
func OrphanKey(target, account string) string { return "|" + target + "|" + account }

// urgent says that access is to be taken away.
func (w Want) urgent() bool { return w.Lane == event.LaneEmergency || w.Lane == event.LaneLeaver }

// Intent is a call that was announced and has not been answered yet.
type Intent struct {
	ID      string    `json:"id"` // the same for every try of a version
	Attempt int       `json:"a"`
	Round   int       `json:"r,omitempty"`
	Event   string    `json:"e"` // its provision.intended
	Why     Why       `json:"w"`
	By      string    `json:"b,omitempty"` // the instance that makes the call
	At      time.Time `json:"at,omitzero"` // when it was announced
}

// Why is what led to an intent; when it ends an exception, it is the resolution.
type Why string

// The reasons to drive.
const (
	Replay    Why = "replay"    // a desired record, new or repeated
	Retry     Why = "retry"     // the time has come, or the target has come back
	Reconcile Why = "reconcile" // a sweep found a difference
	Release   Why = "release"   // people released what a guard held
	Person    Why = "person"    // somebody closed the ticket
)

// Wait is what an account waits for when no call is in flight.
type Wait string

// What an account can wait for.
const (
	WaitNothing Wait = ""        // settled, or in flight
	WaitBackoff Wait = "backoff" // NextAt
	WaitTarget  Wait = "target"  // the target to come back, or to give us a right back
	WaitParked  Wait = "parked"  // a newer desired, the same one again, or a nudge

	WaitTicket Wait = "ticket" // a person to close the ticket, or a newer desired

	WaitHeld      Wait = "held"      // two people to release or cancel it, or a newer desired
	WaitCancelled Wait = "cancelled" // a newer desired, or the same one again
)

// OpenIncident is an exception that stands.
type OpenIncident struct {
	ID    string    `json:"id"`
	Class string    `json:"c"`
	Why   string    `json:"w,omitempty"` // finer than Class; empty: as Class
	At    time.Time `json:"at"`
}

// Call asks for one drive of the account.
type Call struct {
	Key      string
	Intent   Intent
	Want     Want
	Account  string // known name; empty: none yet
	RemoteID string
	Passed   []guard.Scope
	Have     *connector.Object // of our own queue: the account as people have said; nil: none
	Look     bool              // people were asked for Want before: guards have counted it
	// Partition is set by who performs the call: guards count over all partitions of an instance.
	Partition int32
	// Takeover says that an earlier call of the same intent may be acting still; By is whose.
	Takeover bool
}

// IdempotencyKey is the same for every try that means the same changes.
func (c Call) IdempotencyKey() string {
	if c.Intent.Round == 0 {
		return c.Intent.ID
	}
	return event.DeriveID(c.Intent.ID, c.Intent.Round)
}

// Result is how a Call ended.
type Result struct {
	Key     string
	Intent  string
	Attempt int
	Round   int

	Class      connector.Class // of the failure; empty: done
	Message    string          // of the failure, for people; no personal data
	RetryAfter time.Duration
	Refused    bool // the desk stopped it, before the first request or before one that we lack the right for
	Down       bool // the target counts as down after this call, or as one that denies us what the call needs
	Overtaken  bool // Refused, since something more urgent came first

	Account  string // as found or made; empty: there is none, or it is not known
	RemoteID string
	State    event.AccountState // as read last; empty: not known
	Adopted  bool
	Withheld []Withheld     // what was wanted and not given; the rest was driven
	Held     *Held          // a guard holds what is not in Changes
	Counted  []guard.Count  // by guards that let the call through
	Changes  []event.Change // what took effect, also of a failed call
	Doubt    []event.Change // of a failed call: what may have taken effect, or is asked for
	Asked    *Asked         // of our own queue: what people are to be asked for; nil: nothing
	Handover string         // where the first secret of the account that was made lies sealed
	Latency  time.Duration
	Ended    time.Time
}

// Held says which guard holds a call.
type Held struct {
	Trip    string
	First   bool // it is the first that the guard holds
	Guard   string
	Target  string // if the guard counts targets apart
	Policy  string
	Message string // counts and limits, for people
}

// Withheld is a part of what is wanted that nobody approved.
type Withheld struct {
	Item   string // target:kind/name, or target:account for the account itself
	Reason WithheldReason
}

// WithheldReason says why there is no valid approval.
type WithheldReason string

// The reasons to withhold.
const (
	ApprovalMissing WithheldReason = "approval_missing"
	ApprovalExpired WithheldReason = "approval_expired"
	ApprovalForged  WithheldReason = "approval_forged"
)

func (s State) answers(r Result) bool {
	return s.Intent != nil && s.Intent.ID == r.Intent && s.Intent.Attempt == r.Attempt && s.Intent.Round == r.Round
}

// latest is the newest version known.
func (s State) latest() int64 {
	if s.Next != nil {
		return s.Next.Version
	}
	return s.Want.Version
}

// Overtaken is the call in flight, by its Intent.Event, when something more urgent is wanted by now: made from its place in
// the line, it would hold that up. Empty: none.
func (s State) Overtaken() string {
	if s.Intent == nil || s.Next == nil || Rank(s.Next.Lane) >= Rank(s.Want.Lane) {
		return ""
	}
	return s.Intent.Event
}

func (s State) call() *Call {
	c := &Call{Key: s.Want.Key(), Intent: *s.Intent, Want: s.Want, Account: s.Account, RemoteID: s.RemoteID, Passed: s.Passed, Look: s.Told != ""}
	if s.Hands != nil {
		c.Have = s.Hands.Have
	}
	return c
}

// Resumed is the call to make again after the partition has changed hands: it begins by reading. Nil: none was in flight.
func Resumed(s State) *Call {
	if s.Intent == nil {
		return nil
	}
	c := s.call()
	c.Takeover = true
	return c
}

// lanes in the order in which they are served.
var lanes = []event.Lane{event.LaneEmergency, event.LaneLeaver, event.LaneJoiner, event.LaneMover, event.LaneBulk}

// Rank is the lane's place, 0 first; an unknown lane comes last.
func Rank(l event.Lane) int {
	if i := slices.Index(lanes, l); i >= 0 {
		return i
	}
	return len(lanes) - 1
}

// TargetOf is the target's part of a key.
func TargetOf(key string) string {
	_, rest, _ := strings.Cut(key, "|")
	target, _, _ := strings.Cut(rest, "|")
	return target
}

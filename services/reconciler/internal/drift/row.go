package drift

import (
	"strings"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
)

// Row is what is known of one account of a person: what it should be, and how far the provisioner is with it.
type Row struct {
	Want     *Want
	Applied  int64 // version the target has
	Refused  int64 // version the target would not take; its exception is the provisioner's
	Account  string
	RemoteID string
	State    event.AccountState // as the provisioner left it
	Busy     bool               // a call is announced, or will be repeated
	Touched  time.Time          // when the last call that settled it ended
	Open     []Open             // drift that stands
}

// Want is what one account should be, short enough to keep.
type Want struct {
	IdentityID   event.IdentityID
	Target       string
	Version      int64
	State        event.AccountState
	AccountName  string
	Attributes   map[string]string
	Entitlements []string
	Kinds        []string
	Policy       string
}

// Open is one difference that was found and stands.
type Open struct {
	Class       Class     `json:"c"`
	Action      Action    `json:"a"`
	ExceptionID string    `json:"x,omitempty"` // empty: adopted, or told already
	Event       string    `json:"e"`           // the drift.found or drift.adopted
	At          time.Time `json:"at"`
	Items       []string  `json:"i,omitempty"`
}

// Class is what kind of difference it is.
type Class string

// The classes of drift.
const (
	Missing   Class = "missing"   // the account, or an entitlement, is not there
	Extra     Class = "extra"     // an entitlement that nobody granted, or an account that should be gone
	Attribute Class = "attribute" // a value, the name, or that the account is not enabled
	Reenabled Class = "reenabled" // the account should be disabled and is not
	Orphan    Class = "orphan"    // an account that belongs to nobody we know
	Ownerless Class = "ownerless" // a service's account whose owner is not here any more; items say who answers for it now
)

// Action is what a target file says is done about a class.
type Action string

// The actions.
const (
	Repair Action = "repair"
	Remove Action = "remove"
	Adopt  Action = "adopt"
	Report Action = "report"
)

// nudges says whether the provisioner is asked to act.
func (a Action) nudges() bool { return a == Repair || a == Remove }

// Rules is what is done about each class; report where it says nothing.
type Rules map[Class]Action

func (r Rules) of(c Class) Action {
	if a := r[c]; a != "" {
		return a
	}
	return Report
}

// OrphanKey names an account of nobody.
func OrphanKey(target, account string) string { return target + "|" + strings.ToLower(account) }

// Desired takes a desired record; older ones change nothing.
func (r Row) Desired(d event.Desired) Row {
	if r.Want != nil && d.Version <= r.Want.Version {
		return r
	}
	r.Want = &Want{IdentityID: d.IdentityID, Target: d.Target, Version: d.Version, State: d.State, AccountName: d.AccountName,
		Attributes: d.Attributes, Entitlements: d.Entitlements, Kinds: d.Kinds, Policy: d.Policy}
	return r
}

// Provisioned takes what the provisioner says of the account. settled says that it is as its version wants it.
func (r Row) Provisioned(e event.ProvisionEvent) (next Row, settled bool) {
	switch e.Kind {
	case event.ProvisionIntended, event.ProvisionDeferred, event.ProvisionHeld:
		r.Busy = true
	case event.ProvisionFailed:
		r.Busy = false
	case event.ProvisionDeadLettered:
		r.Busy, r.Refused = false, e.Version
	case event.ProvisionApplied, event.ProvisionUnchanged, event.ProvisionAdopted:
		r.Busy = false
		r.Applied = max(r.Applied, e.Version)
		r.Account, r.RemoteID, r.State = e.Account, e.RemoteID, e.State
		if e.State == event.AccountAbsent {
			r.Account, r.RemoteID = "", ""
		}
		r.Touched = e.CallEnded
		if r.Touched.IsZero() {
			r.Touched = e.OccurredAt
		}
		return r, true
	}
	return r, false
}

// comparable says whether a difference seen in a listing begun at that time would be drift: nothing is under way, and
// nothing was done since.
func (r Row) comparable(began time.Time) bool {
	return r.Want != nil && (r.Want.Version == r.Applied || r.refused()) && !r.Busy && r.Touched.Before(began)
}

// refused says that the provisioner gave up on what is wanted. A difference is then nothing new: it is tried again,
// and opens no exception of its own.
func (r Row) refused() bool { return r.Want.Version != r.Applied && r.Want.Version == r.Refused }

// desired is the row in the connector's words.
func (r Row) desired() connector.Desired {
	w := r.Want
	d := connector.Desired{Account: r.Account, RemoteID: r.RemoteID, ExternalID: string(w.IdentityID), State: connector.State(w.State),
		Attributes: w.Attributes, Entitlements: w.Entitlements, ManagedKinds: w.Kinds}
	return d
}

package event

import "time"

// PolicyBundle is one published set of files: the value of the compacted jml.policy.bundle.v1, keyed by Hash.
type PolicyBundle struct {
	Hash        string            `avro:"hash"`
	Files       map[string]string `avro:"files"` // path in the policy folder -> content
	PublishedAt time.Time         `avro:"published_at"`
	Actor       string            `avro:"actor"`
}

// PolicyActivation makes one partition switch to a bundle at a definite point of its log.
type PolicyActivation struct {
	Policy string    `avro:"policy"`
	Hash   string    `avro:"hash"`
	Actor  string    `avro:"actor"`
	Reason string    `avro:"reason"`
	At     time.Time `avro:"at"`
}

// RequestKind says what an access request asks for.
type RequestKind string

const (
	RequestGrant  RequestKind = "grant"
	RequestRevoke RequestKind = "revoke"
	RequestExtend RequestKind = "extend"
	// RequestEmergency shuts the person out at once; RequestLift ends that, once a second person agrees. They name no role.
	RequestEmergency RequestKind = "emergency"
	RequestLift      RequestKind = "lift"
	// RequestAdopt hands accounts over to the identity that the requester was merged into, or was split from.
	RequestAdopt RequestKind = "adopt"
)

// AccessRequest is the value of jml.access.request.v1, keyed by the beneficiary's identity id.
type AccessRequest struct {
	ID          string      `avro:"id"`
	Kind        RequestKind `avro:"kind"`
	IdentityID  IdentityID  `avro:"identity_id"`
	Role        string      `avro:"role"`
	Requester   IdentityID  `avro:"requester"`
	Reason      string      `avro:"reason"`
	DurationMS  int64       `avro:"duration_ms"` // how long it is wanted; 0: as long as policy allows
	RequestedAt time.Time   `avro:"requested_at"`
	Accounts    []Handover  `avro:"accounts"` // of adopt
}

// Handover is an account that belongs to another identity from now on.
type Handover struct {
	Target  string       `avro:"target"`
	Account string       `avro:"account"`
	State   AccountState `avro:"state"`
}

// AccessEvent is a transition of somebody's roles: the value of jml.access.event.v1.
type AccessEvent struct {
	Meta      `avro:",inline"`
	Privilege bool              `avro:"privileged"`
	Until     time.Time         `avro:"until,omitzero"` // when the role ends by itself; zero: never
	RequestID string            `avro:"request_id"`
	Rule      string            `avro:"rule"`   // file:line:column of what decided
	Values    map[string]string `avro:"values"` // what the rule read
	Desired   *Desired          `avro:"desired"`
	Exception `avro:",inline"`
}

// Lane orders work towards a target: emergency and leavers overtake everything.
type Lane string

const (
	LaneEmergency Lane = "emergency"
	LaneLeaver    Lane = "leaver"
	LaneJoiner    Lane = "joiner"
	LaneMover     Lane = "mover"
	LaneBulk      Lane = "bulk"
)

// AccountState is what an account should be.
type AccountState string

const (
	AccountActive   AccountState = "active"
	AccountDisabled AccountState = "disabled"
	AccountAbsent   AccountState = "absent"
)

// Desired is what one person's account in one target should be: the value of the compacted
// jml.access.desired.v1, keyed `identity_id|target`. It is a level, not a change: only the latest counts.
//
// Invariants: Version grows by at least one with each record of a key; Entitlements and Roles are sorted.
type Desired struct {
	IdentityID   IdentityID        `avro:"identity_id"`
	Target       string            `avro:"target"`
	Version      int64             `avro:"version"`
	CaseID       CaseID            `avro:"case_id"`
	CausationID  string            `avro:"causation_id"`
	Lane         Lane              `avro:"lane"`
	State        AccountState      `avro:"state"`
	AccountName  string            `avro:"account_name"` // wanted name; fixed once the account exists
	Numbered     bool              `avro:"numbered"`     // the name may be made unique by a number
	Attributes   map[string]string `avro:"attributes"`
	Entitlements []string          `avro:"entitlements"` // `group/engineering`
	Kinds        []string          `avro:"kinds"`        // entitlement kinds under management
	Roles        []string          `avro:"roles"`        // what asked for them
	Approvals    []Approval        `avro:"approvals"`    // what privileged entitlements rest on
	Policy       string            `avro:"policy"`
	EffectiveAt  time.Time         `avro:"effective_at"`
	KnownAt      time.Time         `avro:"known_at"`
	// EndSessions: whoever is signed in with the account is to be signed out, where the target can.
	EndSessions bool `avro:"end_sessions"`
	// Formerly is the identity the account may still be marked with in the target: it is taken over from there.
	Formerly IdentityID `avro:"formerly"`
	// Source is that of the record that led to this version: guards may count sources apart. Empty: none did.
	Source string `avro:"trigger_source"`
	// PersonSource is the source that employs the person: guards take percentages of the accounts of its people. Empty: not known.
	PersonSource string `avro:"person_source"`
}

// Approval is the proof of an approved request, verified again before a privileged entitlement is given.
type Approval struct {
	RequestID    string    `avro:"request_id"`
	Role         string    `avro:"role"`
	Entitlements []string  `avro:"entitlements"`
	Policy       string    `avro:"policy"` // bundle hash it was approved under
	ExpiresAt    time.Time `avro:"expires_at,omitzero"`
	Signature    []byte    `avro:"signature"` // pkg/approvalproof makes and verifies it
}

// Membership is who holds which roles: the value of the compacted jml.access.membership.v1, keyed by identity id.
type Membership struct {
	IdentityID IdentityID `avro:"identity_id"`
	Roles      []string   `avro:"roles"`
}

// CaseOutcome is how a case stands.
type CaseOutcome string

const (
	CaseOpen      CaseOutcome = "open"
	CaseSucceeded CaseOutcome = "succeeded"
	CaseRefused   CaseOutcome = "refused"
	CaseHeld      CaseOutcome = "held"
	CaseFault     CaseOutcome = "failed"
)

// CaseEvent is a transition of one workflow: the value of jml.case.event.v1.
type CaseEvent struct {
	Meta            `avro:",inline"`
	Trigger         Kind     `avro:"trigger"`
	Cause           CaseID   `avro:"cause"` // the case that scheduled this one
	Changes         int      `avro:"changes"`
	EventToAccessMS *int64   `avro:"event_to_access_ms"` // max(effective, known) to the last change applied; nil while nothing was
	Waiting         []string `avro:"waiting"`            // targets and requests it waits for, sorted
	Changed         []string `avro:"changed"`            // attributes of the person that differ
}

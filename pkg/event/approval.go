package event

import "time"

// Anybody among approvers is whoever is not excluded.
const Anybody IdentityID = "*"

// ApprovalStage is one step of an approval process with its approvers worked out.
type ApprovalStage struct {
	Name            string       `avro:"name"`
	Approvers       []IdentityID `avro:"approvers"`
	Fallback        []IdentityID `avro:"fallback"`
	EscalateTo      []IdentityID `avro:"escalate_to"`
	Quorum          int          `avro:"quorum"`
	EscalateAfterMS int64        `avro:"escalate_after_ms"` // 0: never
	DenyAfterMS     int64        `avro:"deny_after_ms"`     // 0: never
	Exclude         []string     `avro:"exclude"`           // requester, beneficiary, previous
}

// ApprovalRequest asks for a decision on one access request: the value of jml.approval.request.v1. Said again with
// other stages it says who decides from now on.
type ApprovalRequest struct {
	RequestID    string          `avro:"request_id"`
	CaseID       CaseID          `avro:"case_id"`
	IdentityID   IdentityID      `avro:"identity_id"` // the beneficiary
	Role         string          `avro:"role"`
	Entitlements []string        `avro:"entitlements"` // `target:kind/name`, what the role gives
	Process      string          `avro:"process"`
	Requester    IdentityID      `avro:"requester"`
	Reason       string          `avro:"reason"`
	Policy       string          `avro:"policy"`
	DurationMS   int64           `avro:"duration_ms"` // 0: no end
	RequestedAt  time.Time       `avro:"requested_at"`
	Stages       []ApprovalStage `avro:"stages"`
	Cancelled    bool            `avro:"cancelled"` // withdrawn: close it, decide nothing
	Task         bool            `avro:"task"`      // nothing hangs on the answer: it says that somebody has taken note
}

// VoteKind is what an approver does.
type VoteKind string

const (
	Approve  VoteKind = "approve"
	Deny     VoteKind = "deny"
	Delegate VoteKind = "delegate"
)

// ApprovalCommand is one person's act on an approval: the value of jml.approval.command.v1, keyed by the beneficiary.
type ApprovalCommand struct {
	ID         string     `avro:"id"`
	Kind       VoteKind   `avro:"kind"`
	RequestID  string     `avro:"request_id"`
	IdentityID IdentityID `avro:"identity_id"` // the beneficiary
	Actor      IdentityID `avro:"actor"`
	Reason     string     `avro:"reason"`
	To         IdentityID `avro:"to"` // of a delegation
	At         time.Time  `avro:"at"`
}

// ApprovalEvent is a transition of one approval: the value of jml.approval.event.v1.
type ApprovalEvent struct {
	Meta      `avro:",inline"`
	RequestID string       `avro:"request_id"`
	Stage     string       `avro:"stage"`
	Approvers []IdentityID `avro:"approvers"` // who may act on the stage now open
	Requester IdentityID   `avro:"requester"`
	DueAt     time.Time    `avro:"due_at,omitzero"` // when the open stage is denied by itself
	Proof     *Approval    `avro:"proof"`           // of approval.granted
	Exception `avro:",inline"`
}

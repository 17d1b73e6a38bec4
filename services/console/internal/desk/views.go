package desk

import (
	"encoding/json"
	"time"

	"joinery.internal/pkg/event"
)

// Person is one line of the list of people.
type Person struct {
	ID             event.IdentityID `json:"id"`
	EmployeeNumber string           `json:"employee_number"`
	DisplayName    string           `json:"display_name"`
	Email          string           `json:"email"`
	Department     string           `json:"department"`
	Manager        string           `json:"manager" doc:"employee number"`
	Status         event.Status     `json:"status"`
}

// PersonDetail is one person with what the newest evidence says of them.
type PersonDetail struct {
	Person
	ManagerID  event.IdentityID `json:"manager_id"`
	Title      string           `json:"title"`
	Company    string           `json:"company"`
	Location   string           `json:"location"`
	CostCentre string           `json:"cost_centre"`
	WorkerType string           `json:"worker_type"`
	Username   string           `json:"username"`
	Timezone   string           `json:"timezone"`
	Start      time.Time        `json:"start,omitzero"`
	End        time.Time        `json:"end,omitzero"`
	Emergency  bool             `json:"emergency"`
	AsOf       time.Time        `json:"as_of,omitzero" doc:"the moment asked about; absent: now"`
	KnownAt    time.Time        `json:"known_at,omitzero" doc:"by what was known then; absent: now"`
}

// Moment is one row of evidence.
type Moment struct {
	EventID     string    `json:"id"`
	Kind        string    `json:"kind"`
	Service     string    `json:"service"`
	IdentityID  string    `json:"identity_id"`
	CaseID      string    `json:"case_id"`
	CausationID string    `json:"causation_id"`
	Source      string    `json:"source"`
	Target      string    `json:"target"`
	Account     string    `json:"account"`
	Role        string    `json:"role"`
	Entitlement string    `json:"entitlement"`
	Actor       string    `json:"actor"`
	Outcome     string    `json:"outcome"`
	Reason      string    `json:"reason"`
	Message     string    `json:"message"`
	Policy      string    `json:"policy"`
	Attempt     uint16    `json:"attempt"`
	EffectiveAt time.Time `json:"effective_at,omitzero"`
	KnownAt     time.Time `json:"known_at,omitzero"`
	OccurredAt  time.Time `json:"occurred_at"`
}

// Access is one thing a person may use: a role, with what it gives where.
type Access struct {
	ID          string    `json:"id"`
	Role        string    `json:"role"`
	Target      string    `json:"target"`
	Entitlement string    `json:"entitlement"`
	Since       time.Time `json:"since,omitzero"`
	Until       time.Time `json:"until,omitzero" doc:"absent: no end is known"`
}

// Case is one workflow.
type Case struct {
	ID              string    `json:"id"`
	IdentityID      string    `json:"identity_id"`
	Trigger         string    `json:"trigger"`
	Source          string    `json:"source"`
	Outcome         string    `json:"outcome"`
	EffectiveAt     time.Time `json:"effective_at,omitzero"`
	KnownAt         time.Time `json:"known_at,omitzero"`
	OpenedAt        time.Time `json:"opened_at,omitzero"`
	ClosedAt        time.Time `json:"closed_at,omitzero"`
	EventToAccessMS *int64    `json:"event_to_access_ms"`
	Changes         int64     `json:"changes"`
	Exceptions      int64     `json:"exceptions"`
}

// CaseDetail is one workflow from trigger to the last change.
type CaseDetail struct {
	Case
	Moments []Moment `json:"moments"`
}

// Named is an id with the name people know.
type Named struct {
	ID   event.IdentityID `json:"id"`
	Name string           `json:"name"`
}

// Approval is a request for a decision.
type Approval struct {
	ID           string    `json:"id"`
	Status       string    `json:"status"`
	Role         string    `json:"role"`
	Person       Named     `json:"person"`
	Requester    Named     `json:"requester"`
	Reason       string    `json:"reason"`
	Stage        string    `json:"stage"`
	Approvers    []Named   `json:"approvers" doc:"who may act on the stage now open"`
	DueAt        time.Time `json:"due_at,omitzero"`
	RequestedAt  time.Time `json:"requested_at,omitzero"`
	Process      string    `json:"process"`
	Entitlements []string  `json:"entitlements"`
	DurationMS   int64     `json:"duration_ms" doc:"0: no end"`
	CaseID       string    `json:"case_id"`
	Steps        []Step    `json:"steps"`
}

// Step is one thing that happened to an approval.
type Step struct {
	ID      string    `json:"id"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Stage   string    `json:"stage"`
	Actor   Named     `json:"actor"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
}

// DeadLetter is a record that could not be handled, and whether that has been remedied.
type DeadLetter struct {
	ID         string          `json:"id" doc:"the exception's"`
	Class      string          `json:"class"`
	Service    string          `json:"service"`
	Topic      string          `json:"topic"`
	Partition  int32           `json:"partition"`
	Offset     int64           `json:"offset"`
	Message    string          `json:"message"`
	IdentityID string          `json:"identity_id"`
	Target     string          `json:"target" doc:"of an account that the provisioner parks"`
	OpenedAt   time.Time       `json:"opened_at"`
	ResolvedAt time.Time       `json:"resolved_at,omitzero"`
	Resolution string          `json:"resolution"`
	Remedy     string          `json:"remedy" doc:"what a replay is: record, as it is or corrected; account, driven again at what is wanted of it now; none, of links of a chain"`
	Payload    json.RawMessage `json:"payload,omitempty" doc:"the whole dead letter; this and what follows only when one is asked for"`

	Key     string            `json:"key,omitempty"`
	Value   []byte            `json:"value,omitempty" doc:"the record's bytes, in base64"`
	Decoded json.RawMessage   `json:"decoded,omitempty" doc:"the value as JSON; absent: nobody can read it"`
	Headers map[string]string `json:"headers,omitempty"`

	Raw []byte `json:"-"` // as it stands in jml.dlq.v1, only when one is asked for; empty: an account that the provisioner parks
}

// Target is a system that is provisioned.
type Target struct {
	ID           string   `json:"id"`
	Connector    string   `json:"connector"`
	Entitlements []string `json:"entitlements" doc:"kinds under management"`
	Owner        string   `json:"owner" doc:"employee number"`
	TargetUse
}

// TargetUse is what evidence says of a target.
type TargetUse struct {
	Accounts    int64     `json:"accounts"`
	Failed24h   int64     `json:"failed_24h"`
	LastApplied time.Time `json:"last_applied,omitzero"`
	LastSwept   time.Time `json:"last_swept,omitzero"`
	Paused      bool      `json:"paused" doc:"nothing is sent to it until somebody resumes it"`
}

// Finding is one result of a check of a target.
type Finding struct {
	ID      string `json:"id" doc:"what was looked at"`
	Level   string `json:"level" doc:"ok, warning or fault"`
	Message string `json:"message"`
}

// Drift is one difference a sweep found.
type Drift struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`
	Class      string   `json:"class"`
	Action     string   `json:"action"`
	IdentityID string   `json:"identity_id"`
	Account    string   `json:"account"`
	Items      []string `json:"items"`
	Message    string   `json:"message"`
}

// Sweep is a target compared with what it should be.
type Sweep struct {
	ID         string   `json:"id"`
	Target     string   `json:"target"`
	Outcome    string   `json:"outcome" doc:"swept, or failed where a partition could not be"`
	Compared   int      `json:"compared" doc:"accounts"`
	Partitions int      `json:"partitions"`
	Findings   []Drift  `json:"findings"`
	Failures   []string `json:"failures"`
}

// Table is the answer to a query: each row an object with its columns in order.
type Table struct {
	Columns []string          `json:"columns"`
	Items   []json.RawMessage `json:"items"`
}

// Counts is the evidence at a glance.
type Counts struct {
	Rows           int64     `json:"rows"`
	CasesOpen      int64     `json:"cases_open"`
	ExceptionsOpen int64     `json:"exceptions_open"`
	DeadLetters    int64     `json:"dead_letters_open"`
	Held           int64     `json:"held"`
	LastOccurredAt time.Time `json:"last_occurred_at,omitzero"`
	LastStoredAt   time.Time `json:"last_stored_at,omitzero"`

	Heard map[string]time.Time `json:"-"` // when each source's last record was taken
}

// Urgent is what somebody may have to be woken for, as the evidence has it.
type Urgent struct {
	Leavers     uint64    // who still have access
	LeaverSince time.Time // when the first of them left; zero: there is none
	Exceptions  []OpenExceptions
	Drift       []OpenDrift // what is in targets and nobody granted
}

// OpenDrift is entitlements, as `kind/name`, that somebody has in a target without a grant.
type OpenDrift struct {
	Target string
	Items  []string
}

// OpenExceptions are those of a class that nobody has resolved.
type OpenExceptions struct {
	Class  string
	Open   uint64
	Oldest time.Time
}

// SourceStatus is a source at a glance.
type SourceStatus struct {
	ID          string    `json:"id"`
	Intake      string    `json:"intake" doc:"records, kafka, csv, webhook, scim, ssf or ldap"`
	LastHeardAt time.Time `json:"last_heard_at,omitzero" doc:"when its last record was taken"`
	Silent      bool      `json:"silent" doc:"for longer than its expectEvery"`
}

// Lag is how far a consumer group is behind.
type Lag struct {
	ID      string    `json:"id" doc:"the consumer group"`
	State   string    `json:"state"`
	Members int       `json:"members"`
	Records int64     `json:"records"`
	Since   time.Time `json:"since,omitzero" doc:"when the first of them was written, by the writer's clock"`
}

// Status is the pipeline at a glance.
type Status struct {
	State         string            `json:"state" doc:"ok, or degraded where something does not answer"`
	Now           time.Time         `json:"now" doc:"the pipeline's clock"`
	Policy        string            `json:"policy" doc:"hash of the bundle in force"`
	People        int               `json:"people"`
	ApprovalsOpen int               `json:"approvals_open"`
	TicketsOpen   int               `json:"tickets_open"`
	Evidence      *Counts           `json:"evidence"`
	Lag           []Lag             `json:"lag"`
	Sources       []SourceStatus    `json:"sources"`
	Silent        []string          `json:"silent" doc:"sources not heard for longer than their expectEvery"`
	Endpoints     map[string]string `json:"endpoints"`
	Faults        []string          `json:"faults"`
}

// Policy is the bundle in force.
type Policy struct {
	Hash        string    `json:"hash"`
	Actor       string    `json:"actor"`
	Reason      string    `json:"reason"`
	PublishedAt time.Time `json:"published_at"`
	ActivatedAt time.Time `json:"activated_at"`
	Partitions  int       `json:"partitions" doc:"that have switched to it"`
	Files       []string  `json:"files"`
	Roles       []string  `json:"roles"`
}

// Publication is the result of publishing.
type Publication struct {
	Hash    string `json:"hash"`
	Changed bool   `json:"changed" doc:"false: this very policy is in force already"`
	DryRun  bool   `json:"dry_run"`
}

// Change is what a plan would do, or has done, to a topic or a subject.
type Change struct {
	ID     string `json:"id" doc:"topic or subject"`
	Action string `json:"action"`
	Detail string `json:"detail"`
}

// TopicRecord is a record of a topic in plain JSON.
type TopicRecord struct {
	ID    string          `json:"id" doc:"topic/partition/offset"`
	Key   string          `json:"key"`
	Time  time.Time       `json:"time"`
	Value json.RawMessage `json:"value,omitempty"`
	Fault string          `json:"fault,omitempty" doc:"why the value cannot be shown"`
}

// ClockReading is the pipeline's clock.
type ClockReading struct {
	Now     time.Time `json:"now"`
	Movable bool      `json:"movable"`
}

// RequestReceipt says what was asked for.
type RequestReceipt struct {
	ID         string           `json:"id"`
	Kind       string           `json:"kind"`
	Role       string           `json:"role"`
	IdentityID event.IdentityID `json:"identity_id"`
	Requester  string           `json:"requester"`
	DurationMS int64            `json:"duration_ms"`
	DryRun     bool             `json:"dry_run"`
}

// Produced says how many records were written.
type Produced struct {
	Produced int  `json:"produced"`
	DryRun   bool `json:"dry_run,omitempty"`
}

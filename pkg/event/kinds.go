package event

// Kind names what happened, in the past tense. The set is closed: contract.md lists it.
type Kind string

const (
	Hire                 Kind = "identity.hire"
	Rehire               Kind = "identity.rehire"
	HireRescinded        Kind = "identity.hire_rescinded"
	Transfer             Kind = "identity.transfer"
	DepartmentChange     Kind = "identity.department_change"
	ProfileChange        Kind = "identity.profile_change"
	Conversion           Kind = "identity.conversion"
	LeaveStarted         Kind = "identity.leave_started"
	LeaveEnded           Kind = "identity.leave_ended"
	ContractEndChanged   Kind = "identity.contract_end_changed"
	ContractEnded        Kind = "identity.contract_ended"
	TerminationScheduled Kind = "identity.termination_scheduled"
	Termination          Kind = "identity.termination"
	TerminationCorrected Kind = "identity.termination_corrected"
	TerminationReversed  Kind = "identity.termination_reversed"
	EmergencyTermination Kind = "identity.emergency_termination"
	EmergencyLifted      Kind = "identity.emergency_lifted"
	Merged               Kind = "identity.merged"
	Split                Kind = "identity.split"
	SuspectAbsence       Kind = "identity.suspect_absence"
	DuplicateIgnored     Kind = "identity.duplicate_ignored"
	StaleIgnored         Kind = "identity.stale_ignored"
	Quarantined          Kind = "identity.quarantined"
	SignalObserved       Kind = "identity.signal_observed" // by a source; nothing follows
	// Started is the first day come: the accounts made before it become active. It opens a case of its own.
	Started Kind = "identity.started"

	AccessRequested       Kind = "access.requested"
	AccessGranted         Kind = "access.granted"
	AccessGraceStarted    Kind = "access.grace_started"
	AccessRevokeScheduled Kind = "access.revoke_scheduled"
	AccessRevoked         Kind = "access.revoked"
	AccessExtended        Kind = "access.extended"
	AccessRefused         Kind = "access.refused"
	AccessExpired         Kind = "access.expired"
	AccessDesiredChanged  Kind = "access.desired_changed"

	CaseOpened     Kind = "case.opened"
	CaseWaiting    Kind = "case.waiting"
	CaseCompleted  Kind = "case.completed"
	CaseFailed     Kind = "case.failed"
	CaseRemediated Kind = "case.remediated"

	ApprovalRequested   Kind = "approval.requested"
	ApprovalStageOpened Kind = "approval.stage_opened"
	ApprovalApproved    Kind = "approval.approved"
	ApprovalDenied      Kind = "approval.denied"
	ApprovalEscalated   Kind = "approval.escalated"
	ApprovalReassigned  Kind = "approval.reassigned"
	ApprovalExpired     Kind = "approval.expired"
	// ApprovalVoteRefused is a vote that does not count: its person may not decide, or nothing is left to decide.
	ApprovalVoteRefused Kind = "approval.vote_refused"
	ApprovalGranted     Kind = "approval.granted"
	ApprovalRefused     Kind = "approval.refused"

	ProvisionIntended     Kind = "provision.intended"
	ProvisionApplied      Kind = "provision.applied"
	ProvisionAdopted      Kind = "provision.adopted"
	ProvisionUnchanged    Kind = "provision.unchanged"
	ProvisionDeferred     Kind = "provision.deferred"
	ProvisionFailed       Kind = "provision.failed"
	ProvisionDeadLettered Kind = "provision.dead_lettered"
	ProvisionHeld         Kind = "provision.held"
	ProvisionReleased     Kind = "provision.released"

	DriftFound    Kind = "drift.found"
	DriftRepaired Kind = "drift.repaired"
	DriftAdopted  Kind = "drift.adopted"
	DriftReported Kind = "drift.reported"

	// TargetPaused and TargetResumed are a person's word: nothing is sent to the target between them.
	TargetPaused  Kind = "target.paused"
	TargetResumed Kind = "target.resumed"

	GuardTripped Kind = "guard.tripped"
	// GuardVoted is one person's act on what a guard holds; the second alike decides.
	GuardVoted     Kind = "guard.voted"
	GuardReleased  Kind = "guard.released"
	GuardCancelled Kind = "guard.cancelled"

	// Tickets are what people are asked to change by hand. A newer wish overtakes one; TicketIgnored is a person's word that
	// does not count: the ticket is not open any more, or it is about the person's own account.
	TicketOpened    Kind = "ticket.opened"
	TicketDone      Kind = "ticket.done"
	TicketRefused   Kind = "ticket.refused"
	TicketOvertaken Kind = "ticket.overtaken"
	TicketIgnored   Kind = "ticket.ignored"

	PolicyActivated   Kind = "policy.activated"
	ExceptionOpened   Kind = "exception.opened"
	ExceptionResolved Kind = "exception.resolved"
	ReplayStarted     Kind = "replay.started"
	ReplayFinished    Kind = "replay.finished"
)

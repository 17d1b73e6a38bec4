package event

// Topic is the name of a Kafka topic. schemas/topics.yaml has each topic's partitions, cleanup and readers.
type Topic string

const (
	SourceRecords     Topic = "jml.source.record.v1"
	UrgentRecords     Topic = "jml.source.urgent.v1" // source records that overtake a backlog of the others
	IntakeCommands    Topic = "jml.intake.command.v1"
	WaitingRecords    Topic = "jml.intake.waiting.v1" // what waits of workers of whom nobody knows whose they are
	SourceRejects     Topic = "jml.source.reject.v1"
	SourceState       Topic = "jml.source.state.v1" // what adapters remember of their sources; bytes of their own
	IdentityFacts     Topic = "jml.identity.fact.v1"
	UrgentFacts       Topic = "jml.identity.urgent.v1" // facts that overtake a backlog of the others
	IdentityEvents    Topic = "jml.identity.event.v1"
	IdentityDirectory Topic = "jml.identity.directory.v1"
	PolicyActivations Topic = "jml.policy.activation.v1"
	PolicyBundles     Topic = "jml.policy.bundle.v1"
	AccessRequests    Topic = "jml.access.request.v1"
	AccessEvents      Topic = "jml.access.event.v1"
	AccessDesired     Topic = "jml.access.desired.v1"
	AccessMembers     Topic = "jml.access.membership.v1"
	CaseEvents        Topic = "jml.case.event.v1"
	ApprovalRequests  Topic = "jml.approval.request.v1"
	ApprovalCommands  Topic = "jml.approval.command.v1"
	ApprovalEvents    Topic = "jml.approval.event.v1"
	ProvisionEvents   Topic = "jml.provision.event.v1"
	DriftEvents       Topic = "jml.drift.event.v1"
	SweepCommands     Topic = "jml.reconcile.command.v1"
	GuardCommands     Topic = "jml.guard.command.v1"
	ScimResources     Topic = "jml.scim.resource.v1"
	ReplayCommands    Topic = "jml.replay.command.v1"
	TicketCommands    Topic = "jml.ticket.command.v1"
	OpenTickets       Topic = "jml.ticket.open.v1"
	DeadLetters       Topic = "jml.dlq.v1"
	Checkpoints       Topic = "jml.evidence.checkpoint.v1"
)

// Chained says whether the runtime stamps a sequence and a hash chain on the topic's records, and the evidence
// sink archives them.
func (t Topic) Chained() bool {
	switch t {
	case IdentityEvents, AccessEvents, CaseEvents, ApprovalEvents, ProvisionEvents, DriftEvents, DeadLetters:
		return true
	}
	return false
}

// EvidenceTopics are the chained topics, in the order of the pipeline.
func EvidenceTopics() []Topic {
	return []Topic{IdentityEvents, AccessEvents, CaseEvents, ApprovalEvents, ProvisionEvents, DriftEvents, DeadLetters}
}

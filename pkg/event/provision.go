package event

import "time"

// Change is one effective change in a target.
type Change struct {
	Verb      string `avro:"verb"`      // create, update, enable, disable, grant, revoke, delete
	Attribute string `avro:"attribute"` // of an update: the attribute's name, never its value
	Item      string `avro:"item"`      // of a grant or revoke: the entitlement
}

// ProvisionEvent is a transition of the work on one account: the value of jml.provision.event.v1.
type ProvisionEvent struct {
	Meta      `avro:",inline"`
	IntentID  string       `avro:"intent_id"` // hash(target, identity, version)
	Version   int64        `avro:"version"`   // of the desired state it drives at
	Lane      Lane         `avro:"lane"`
	State     AccountState `avro:"state"` // the account's state after, as read or applied
	RemoteID  string       `avro:"remote_id"`
	Changes   []Change     `avro:"changes"`
	LatencyMS int64        `avro:"latency_ms"`        // of the calls
	NextAt    time.Time    `avro:"next_at,omitzero"`  // of a deferral: when it is tried again
	CallEnded time.Time    `avro:"call_end,omitzero"` // when the last call was answered
	// Handover is where the first secret of a new account lies sealed, as a URI with the key it is sealed to; never the secret.
	Handover  string `avro:"handover" json:"handover,omitempty"`
	Exception `avro:",inline"`
}

// SweepCommand asks the reconciler to sweep a target now: one record in every partition of
// jml.reconcile.command.v1, keyed by target.
type SweepCommand struct {
	ID     string    `avro:"id"`
	Target string    `avro:"target"`
	Reason string    `avro:"reason"` // schedule, demand, outage
	Actor  string    `avro:"actor"`
	At     time.Time `avro:"at"`
}

// DriftEvent is a difference between a target and what should be: the value of jml.drift.event.v1.
// A drift.found whose Action is repair or remove is a nudge: the provisioner drives the account again.
type DriftEvent struct {
	Meta      `avro:",inline"`
	SweepID   string   `avro:"sweep_id"`
	Drift     string   `avro:"drift"`  // missing, extra, attribute, reenabled, orphan; swept for a sweep's end
	Action    string   `avro:"action"` // repair, remove, adopt, report
	Items     []string `avro:"items"`  // attribute names or entitlements concerned, sorted
	Version   int64    `avro:"version"`
	Count     int      `avro:"count"` // of a sweep's end: accounts compared in this partition
	Exception `avro:",inline"`
}

// DeadLetter is a record that can never be handled as it is: the value of jml.dlq.v1, keyed as the original.
// As evidence it is an exception.opened with reason = the class.
type DeadLetter struct {
	Meta      `avro:",inline"`
	Service   string            `avro:"service"`
	Topic     string            `avro:"topic"` // where it stands
	Partition int32             `avro:"partition"`
	Offset    int64             `avro:"offset"`
	Key       []byte            `avro:"key"`
	Value     []byte            `avro:"value"` // the raw bytes
	Headers   map[string][]byte `avro:"headers"`
	Exception `avro:",inline"`  // Class: framing, unknown_schema, decode, key, invalid, unsupported
}

package event

import "time"

// RecordKind says what a source record claims.
type RecordKind string

const (
	Upsert             RecordKind = "upsert" // the worker as of EffectiveAt
	Terminate          RecordKind = "terminate"
	CorrectTermination RecordKind = "correct_termination"
	ReverseTermination RecordKind = "reverse_termination"
	Rescind            RecordKind = "rescind"
	Suspend            RecordKind = "suspend"
	Resume             RecordKind = "resume"
	Absent             RecordKind = "absent" // missing from a full snapshot
	Emergency          RecordKind = "emergency"
	Merge              RecordKind = "merge"
	SplitOff           RecordKind = "split"
	Observation        RecordKind = "observation" // a signal from which nothing follows; Reason names it
	// EmergencyLift ends an emergency hold. No source sends it: it follows from a request that two people made.
	EmergencyLift RecordKind = "lift"
)

// OwnSource is the source of facts that the pipeline makes itself, from what people decided: no source has that name.
const OwnSource = "joinery"

// SourceRecord is the value of jml.source.record.v1, keyed `source/source_key` (contract.md).
// (Source, ID) is the idempotency key.
type SourceRecord struct {
	ID          string     `avro:"id" json:"id"`
	Source      string     `avro:"source" json:"source"`
	SourceKey   string     `avro:"source_key" json:"source_key"`
	Sequence    *int64     `avro:"sequence" json:"sequence,omitempty"` // grows with each version of that worker at that source
	RecordedAt  time.Time  `avro:"recorded_at" json:"recorded_at"`
	EffectiveAt string     `avro:"effective_at,omitzero" json:"effective_at,omitempty"` // a date in the person's time zone, or an instant; empty: RecordedAt
	Kind        RecordKind `avro:"kind" json:"kind"`
	Reason      string     `avro:"reason,omitzero" json:"reason,omitempty"`
	Person      *Profile   `avro:"person" json:"person,omitempty"`
	RelatedKey  string     `avro:"related_key,omitzero" json:"related_key,omitempty"`
}

// Overtakes says whether a record goes by the fast lane: it says that somebody is to stay out - an emergency, an end, a
// leave - or may come back in. An end is also the end_date of an upsert that has come, anywhere on earth, and not long
// since: the first listing of a source names everybody who ever left, and nobody who leaves now is to wait behind them.
func (r SourceRecord) Overtakes() bool {
	switch r.Kind {
	case Emergency, EmergencyLift, Terminate, CorrectTermination, ReverseTermination, Rescind, Suspend, Resume:
		return true
	case Upsert:
		const farEast, long = 14 * time.Hour, 30 * 24 * time.Hour
		day := func(d time.Duration) string { return r.RecordedAt.UTC().Add(d).Format(time.DateOnly) }
		return r.Person != nil && day(-long) <= r.Person.EndDate && r.Person.EndDate <= day(farEast)
	}
	return false
}

// Topic is where an adapter writes the record.
func (r SourceRecord) Topic() Topic {
	if r.Overtakes() {
		return UrgentRecords
	}
	return SourceRecords
}

// Fact is one source record, normalised and correlated: the value of jml.identity.fact.v1, keyed by identity id.
type Fact struct {
	ID         string       `avro:"id" json:"id"` // derived from (source, record id)
	IdentityID IdentityID   `avro:"identity_id" json:"identity_id"`
	Authority  string       `avro:"authority" json:"authority"` // the source's: employment, profile, signal
	Timezone   string       `avro:"timezone" json:"timezone"`   // the source's default
	Correlated string       `avro:"correlated" json:"correlated"`
	KnownAt    time.Time    `avro:"known_at" json:"known_at"`
	Record     SourceRecord `avro:"record" json:"record"`
	// Parked says why the record cannot be applied to anyone; the identity id is then one of the record's own.
	Parked string `avro:"parked" json:"parked,omitempty"`
	// ParkedAt is set on a fact that was parked and is now applied: since when it waited.
	ParkedAt time.Time `avro:"parked_at,omitzero" json:"parked_at,omitzero"`
	// Candidates are whose record a parked one may be, though no strong key says so.
	Candidates []IdentityID `avro:"candidates" json:"candidates,omitempty"`
	// Actor is the person who said whose record this is; empty: nobody had to.
	Actor IdentityID `avro:"actor" json:"actor,omitempty"`
	// Why is what that person said.
	Why string `avro:"why" json:"why,omitempty"`
	// Related is the other identity of a merge or split. Feeds is what it hands over: workers with all that is known of
	// them, in the form of ingest's own state; empty: the fact only asks for that.
	Related IdentityID `avro:"related" json:"related,omitempty"`
	Feeds   []byte     `avro:"feeds" json:"feeds,omitempty"`
	// Hops counts how often a fact of a merged identity was sent on.
	Hops int `avro:"hops" json:"hops,omitempty"`
}

// IntakeCommand is a person's word on whose record a waiting one is: the value of jml.intake.command.v1, keyed
// `source/source_key` as the records of that worker.
type IntakeCommand struct {
	ID         string     `avro:"id" json:"id"`
	Source     string     `avro:"source" json:"source"`
	SourceKey  string     `avro:"source_key" json:"source_key"`
	IdentityID IdentityID `avro:"identity_id" json:"identity_id"` // whose; empty: nobody's yet, the worker is a new person
	Actor      IdentityID `avro:"actor" json:"actor"`
	Reason     string     `avro:"reason" json:"reason"`
}

// Waiting is what waits of one worker of whom nobody knows whose it is: the value of jml.intake.waiting.v1, keyed
// `source/source_key`. Once nothing waits a tombstone follows.
type Waiting struct {
	Source     string         `avro:"source"`
	SourceKey  string         `avro:"source_key"`
	Reason     string         `avro:"reason"`     // of the first: Fact.Parked
	Candidates []IdentityID   `avro:"candidates"` // who it may be, though no strong key says so
	New        IdentityID     `avro:"new"`        // who it is if nobody known; empty: none of the records may make a person
	Whose      IdentityID     `avro:"whose"`      // known already: the records wait for another worker that they name
	Since      time.Time      `avro:"since"`
	Count      int            `avro:"count"`   // of records that wait
	Records    []SourceRecord `avro:"records"` // the newest of them
}

// IdentityEvent is a lifecycle transition: the value of jml.identity.event.v1.
type IdentityEvent struct {
	Meta    `avro:",inline"`
	Person  *Person  `avro:"person"`  // as of OccurredAt; nil where no one is concerned
	Before  *Person  `avro:"before"`  // nil for the first event of a person
	Changed []string `avro:"changed"` // names of the attributes that differ, sorted
	// Candidates of identity.quarantined are whose record it may be.
	Candidates []IdentityID `avro:"candidates" json:"candidates,omitempty"`
	// Related is the other identity of merged and split: into which, out of which.
	Related   IdentityID `avro:"related"`
	Exception `avro:",inline"`
}

// DirectoryEntry is the small public part of a person that others look up: the value of the compacted
// jml.identity.directory.v1, keyed by identity id.
type DirectoryEntry struct {
	IdentityID     IdentityID `avro:"identity_id"`
	EmployeeNumber string     `avro:"employee_number"`
	Email          string     `avro:"email"`
	DisplayName    string     `avro:"display_name"`
	Department     string     `avro:"department"`
	Manager        string     `avro:"manager"` // employee number
	Status         Status     `avro:"status"`
	// Aliases are the other employee numbers and mail addresses that name this person, sorted.
	Aliases []string `avro:"aliases"`
	// Workers are the records of sources with authority employment that are this person's: `source/source_key`, sorted.
	Workers []string `avro:"workers"`
	// Likeness is Profile.Likeness.
	Likeness string `avro:"likeness"`
	// Held is set while an emergency hold stands.
	Held bool `avro:"held"`
}

// Present says whether the person is here and may decide: neither left nor held by an emergency.
func (e DirectoryEntry) Present() bool {
	return e.Status != StatusEnded && e.Status != StatusMerged && !e.Held
}

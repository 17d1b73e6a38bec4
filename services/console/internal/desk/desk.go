// Package desk is what people can ask of the pipeline and do to it: the use cases behind the JSON API and the pages.
//
// It owns who may do what, names (a person by identity id or employee number), and which records an act becomes. It does
// not own transport (packages api, pages), storage (archive, journal), or any decision: an act is a record in a topic,
// and the service that reads the topic decides. What changes something says who asked and why.
//
// A Desk is safe for concurrent use once its fields are set.
//
//	d := &desk.Desk{Directory: directory, Archive: archive, Journal: journal, ...}
//	page, err := d.Persons(desk.PersonQuery{Text: "berg", Limit: 20})
//	var f *desk.Fault
//	errors.As(err, &f) // every error a person can do something about is one
package desk

import (
	"context"
	"crypto/ed25519"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/policy"
	"joinery.internal/services/console/internal/history"
	"joinery.internal/services/console/internal/inbox"
	"joinery.internal/services/console/internal/published"
	"joinery.internal/services/console/internal/queue"
	"joinery.internal/services/console/internal/waiting"
)

// Operator is the actor of acts that no person stands behind: the one who runs the pipeline on their own machine.
const Operator = "operator"

// Actor is who asks.
type Actor struct {
	ID   event.IdentityID // empty: the operator
	Name string
}

func (a Actor) String() string {
	if a.ID == "" {
		return Operator
	}
	return string(a.ID)
}

// Directory is everybody, as of now.
type Directory interface {
	Entry(event.IdentityID) (event.DirectoryEntry, bool)
	ByEmployeeNumber(string) (event.IdentityID, bool)
	RolesOf(event.IdentityID) []string
	All() []event.DirectoryEntry
}

// Archive is the evidence. It is some seconds behind the pipeline.
type Archive interface {
	History(context.Context, event.IdentityID) ([]history.Event, error)           // of one person, in the order they were decided
	Past(ctx context.Context, since time.Time, visit func(PastEvent) error) error // identity events of whom something befell since, person by person, from their first on
	Population(context.Context) ([]policy.Holder, error)                          // everybody who is here, by id
	Decisions(context.Context, event.IdentityID) ([]Explanation, error)           // of each role one person has, by role
	Timeline(context.Context, TimelineQuery) ([]Moment, error)
	Access(ctx context.Context, id event.IdentityID, at, known time.Time) ([]Access, error) // zero times: now
	Cases(context.Context, CaseQuery) ([]Case, error)
	DeadLetters(context.Context, DeadLetterQuery) ([]DeadLetter, error)
	Exceptions(context.Context, ExceptionQuery) ([]Exception, error)
	Guards(ctx context.Context, id string) ([]Guard, error)       // that have tripped, newest first; empty id: all
	Tickets(context.Context, ClosedTicketQuery) ([]Ticket, error) // that are closed, newest first
	Targets(ctx context.Context, now time.Time) (map[string]TargetUse, error)
	KPI(ctx context.Context, since time.Time) (evidence.KPITable, error)
	Counts(context.Context) (Counts, error)
	Urgent(context.Context) (Urgent, error)
	Query(ctx context.Context, sql string) (Table, error)
	Audit(ctx context.Context, visit func(evidence.Row) error) error     // every row, by topic, partition, writer and seq
	Export(context.Context, ExportQuery, func(evidence.Row) error) error // by occurred_at
}

// Journal is the topics: written all or nothing, read as committed.
type Journal interface {
	Append(context.Context, ...Outgoing) error
	Tail(context.Context, event.Topic) (Tail, error) // everything from now on
	Last(ctx context.Context, topic event.Topic, limit int) ([]Incoming, error)
	Read(ctx context.Context, topic event.Topic, see func(Incoming)) error // all there is now, in the order of each partition
	Lag(context.Context) ([]Lag, error)
}

// Outgoing is a record to write. Its partition is the one given, else that of its key, or Everywhere: one copy in each.
type Outgoing struct {
	Topic      event.Topic
	Key        string
	Partition  *int32
	Everywhere bool
	Value      []byte
	Headers    map[string][]byte
}

// Incoming is a record read.
type Incoming struct {
	Topic     event.Topic
	Partition int32
	Offset    int64
	Time      time.Time
	Key       string
	Value     []byte
}

// Tail is a topic being read. Next blocks until there is something; Partitions is how many the topic has.
type Tail interface {
	Next(context.Context) ([]Incoming, error)
	Partitions() int
	Close()
}

// Codec turns records into bytes and back; wire.Serde is one.
type Codec interface {
	Encode(topic string, v any) ([]byte, error)
	EncodeJSON(topic string, line []byte) ([]byte, error)
	Decode(b []byte, topic string, v any) error
	DecodeJSON(b []byte) (doc []byte, name string, err error)
}

// Catalog makes a cluster or a registry match what the build wants of it.
type Catalog interface {
	Plan(context.Context) ([]Change, error)
	Apply(context.Context) ([]Change, error)
}

// Prober tries a target's connection and rights.
type Prober interface {
	Check(context.Context, *config.Target) ([]connector.Finding, error)
}

// PolicyCheck reads and compiles a folder of policy and runs its tests. Findings are what a person has to mend; the
// Config is what may be published when there are none.
type PolicyCheck func(files []config.File) (cfg *config.Config, findings []string, err error)

// Activate puts a checked policy in force, in every partition.
type Activate func(ctx context.Context, cfg *config.Config, actor, reason string, at time.Time) error

// Clock is the pipeline's.
type Clock interface{ Now() time.Time }

// Desk is the use cases. All fields are required but Advance.
type Desk struct {
	Directory Directory
	Archive   Archive
	Journal   Journal
	Codec     Codec
	Inbox     *inbox.Inbox
	Queue     *queue.Queue
	Waiting   *waiting.Room
	Policies  *published.View
	Topics    Catalog
	Schemas   Catalog
	Prober    Prober
	Check     PolicyCheck
	Activate  Activate
	SealKey   func() (ed25519.PublicKey, error) // that checkpoints of the evidence are signed with
	Clock     Clock
	Advance   func(time.Duration) (time.Time, error) // moves the pipeline's clock; nil: it cannot be moved
	NewID     func() string                          // unique ids of acts
	Endpoints map[string]string                      // where the parts of this pipeline listen, for the tool
	Patience  time.Duration                          // how long an act waits to see its effect. Unit: real time
}

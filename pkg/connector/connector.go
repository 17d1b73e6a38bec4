package connector

import (
	"context"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Connector is one target system. Implementations are safe for concurrent use, never retry by themselves, and return
// an *Error for every failure of the target.
type Connector interface {
	// Describe says what the target can do. After its first success it costs nothing.
	Describe(ctx context.Context) (Descriptor, error)
	// Check tries reachability and each right the connector needs. The error is for a check that could not be made at
	// all (a cancelled context); what it found, good or bad, are Findings.
	Check(ctx context.Context) ([]Finding, error)
	// Get finds one account: by RemoteID, else by ExternalID, else by Account. ErrNotFound if there is none.
	Get(ctx context.Context, ref Ref) (Object, error)
	// Apply makes one change:
	//
	//	verb            account missing    already so            account there
	//	create          created            Conflict              Conflict
	//	update          NotFound           Changed=false         changed
	//	enable disable  NotFound           Changed=false         changed
	//	grant revoke    NotFound           Changed=false         changed
	//	delete          Changed=false      -                     deleted
	//	end_sessions    NotFound           Changed=false         ended; Unsupported unless Descriptor.Sessions
	Apply(ctx context.Context, op Op) (Result, error)
}

// Lister is a Connector that can enumerate its accounts.
type Lister interface {
	List(ctx context.Context, req ListRequest) (Page, error)
}

// Watcher is a Connector that tells of changes in the target as they happen, whoever makes them.
type Watcher interface {
	// Changes yields what changed since token, empty: from now on, until ctx ends or the target fails; the failure is
	// yielded last. A token that the target does not know any more is an error of class NotFound.
	Changes(ctx context.Context, token string) iter.Seq2[Change, error]
}

// Change is one account as it became.
type Change struct {
	Object
	Gone  bool   // it was deleted; of Object there is then no more than the Ref, as far as it is known
	Token string // where to go on after this change
}

// ByHand is a Connector whose changes are made by people. What the account is, is what people have said; a plan is made on paper.
type ByHand interface {
	Connector
	// OnPaper returns the connector of one account as it is said to be, nil: there is none. Changes made through it are what
	// people are to be asked for.
	OnPaper(have *Object) Connector
}

// Asker is a ByHand that asks people itself, and whose Get is what they have said. One that is none has both done for it.
type Asker interface {
	ByHand
	// Ask has people asked, once for each key, for all changes of a plan to the account as it is said to be. It ends with an
	// error of class Waiting until they have made them, and Invalid when they refuse.
	Ask(ctx context.Context, key string, have *Object, plan []Op) error
}

// Normalizer is a Connector whose target stores values in a form of its own (SCIM e-mail addresses in lower case). It
// returns want in the form in which Get answers, so that what was written compares equal when read.
type Normalizer interface {
	Normalize(want Desired) Desired
}

// Ref names an account. Any field may be empty, not all.
type Ref struct {
	Account    string // the account's name, as people see it
	RemoteID   string // the target's own id, when known
	ExternalID string // the identity the account belongs to, where the target can hold it
}

// Object is an account as the target has it.
type Object struct {
	Ref
	Version      string            // empty: the target has no versions
	Enabled      bool              //
	Attributes   map[string]string // absent and empty are the same
	Entitlements []string          // "group/engineering", sorted
}

// Clone returns a copy that shares nothing with o.
func (o Object) Clone() Object {
	o.Attributes = maps.Clone(o.Attributes)
	o.Entitlements = slices.Clone(o.Entitlements)
	return o
}

// Verb is one kind of change.
type Verb string

// The verbs. There are no others.
const (
	Create  Verb = "create"
	Update  Verb = "update"
	Enable  Verb = "enable"
	Disable Verb = "disable"
	Grant   Verb = "grant"
	Revoke  Verb = "revoke"
	Delete  Verb = "delete"
	// EndSessions signs out whoever is signed in with the account.
	EndSessions Verb = "end_sessions"
)

// Op is one change to one account.
type Op struct {
	Key  string // idempotency key, the same on every try of the same change
	Verb Verb
	Ref  Ref
	// Want: for create the whole account but its entitlements; for update the attributes that change ("" removes one),
	// and Account or ExternalID if they change; for grant and revoke one entitlement. Empty for the other verbs.
	Want Object
	// IfVersion makes the change conditional on the account's version, where the target can; empty: unconditional.
	// Grant, revoke and disable ignore it: they are idempotent, and taking access away waits for nobody.
	IfVersion string
}

// Result is what the target answered to a change.
type Result struct {
	RemoteID string
	Version  string // the account's version after the change; empty: not known
	Changed  bool   // false: it was so already
	// Handover says where the first secret of a new account lies sealed, and for whom; never the secret. It may be given with
	// an error, if the account may have been made.
	Handover string
}

// Descriptor says what a target can do.
type Descriptor struct {
	Connector   string   // scim, sql, memory
	Kinds       []string // entitlement kinds, sorted; nil: any
	Attributes  []string // attribute names it takes, sorted; nil: any
	ExternalID  bool     // accounts can carry the identity they belong to
	Rename      bool     // update can change the account's name
	Conditional bool     // IfVersion is honoured
	List        bool     // it is a Lister
	Watch       bool     // it is a Watcher
	Sessions    bool     // EndSessions is honoured
}

// Level is how bad a Finding is.
type Level string

// The levels of a finding.
const (
	OK      Level = "ok"
	Warning Level = "warning" // works, with a limitation
	Fault   Level = "fault"   // provisioning will fail
)

// Finding is one result of Check.
type Finding struct {
	Level   Level
	Subject string // what was looked at: "reachable", "list users"
	Message string // what was found and, for a fault, what to do
}

// ListRequest asks for one page of accounts.
type ListRequest struct {
	Token string // Page.Next of the page before; empty: from the start
	Limit int    // at most this many; 0: the connector's choice
}

// Page is some accounts. The union of all pages holds every account that was there throughout; one created or deleted
// meanwhile may be in it or not. An account may be in two pages, since targets that page by index make pages overlap.
type Page struct {
	Objects []Object
	Next    string // empty: this was the last page
}

// Entitlement joins a kind and a name: "group/engineering".
func Entitlement(kind, name string) string { return kind + "/" + name }

// SplitEntitlement is the inverse of Entitlement; ok is false when either part is missing.
func SplitEntitlement(e string) (kind, name string, ok bool) {
	kind, name, ok = strings.Cut(e, "/")
	return kind, name, ok && kind != "" && name != ""
}

// Normal returns want as c's Get would answer it: what Plan must be given.
func Normal(c Connector, want Desired) Desired {
	if n, ok := c.(Normalizer); ok {
		return n.Normalize(want)
	}
	return want
}

// Close releases what a connector holds (a connection pool), if it holds anything.
func Close(c Connector) error {
	if closer, ok := c.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

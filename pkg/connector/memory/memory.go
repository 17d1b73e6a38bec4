// Package memory is a target inside the process: for benchmarks, for tests of everything above a connector, and for
// trying a policy out.
//
// It owns the accounts of its targets and the faults one can inject. A Fleet shares targets by name between whoever
// holds it; there is no global one. Everything is safe for concurrent use. The journal grows until Reset; what is kept
// for those who watch is bounded.
//
//	fleet := memory.NewFleet()
//	target := fleet.Target("chat")
//	target.FailNext(3, memory.Fault{Class: connector.Transient})
package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"joinery.internal/pkg/connector"
)

// Fleet is a set of targets by name.
type Fleet struct {
	mu      sync.Mutex
	targets map[string]*Target
}

// NewFleet returns a fleet without targets.
func NewFleet() *Fleet { return &Fleet{targets: map[string]*Target{}} }

// Target returns the target of that name, a new empty one if there was none.
func (f *Fleet) Target(name string) *Target {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.targets[name]
	if !ok {
		t = NewTarget()
		f.targets[name] = t
	}
	return t
}

// Target is one system: a Connector, a Lister and a Watcher.
type Target struct {
	mu       sync.RWMutex
	accounts map[string]connector.Object // by RemoteID
	names    map[string]string           // lower-case account name to RemoteID
	owners   map[string]string           // external id to RemoteID
	listed   []string                    // all RemoteIDs, sorted, for List; nil: an account came or went since
	lastID   int
	journal  []Change
	faults   []Fault // the next ones, first out first
	latency  time.Duration
	sessions map[string]int // by RemoteID: how many are signed in
	history  history
}

// Change is one effective change: something is different afterwards.
type Change struct {
	At          time.Time
	Verb        connector.Verb
	Account     string
	ExternalID  string
	Entitlement string // for grant and revoke
	Key         string // the Op's
}

// NewTarget returns a target without accounts.
func NewTarget() *Target {
	t := &Target{history: history{moved: make(chan struct{})}}
	t.clear()
	return t
}

func (t *Target) clear() {
	t.accounts, t.names, t.owners, t.sessions = map[string]connector.Object{}, map[string]string{}, map[string]string{}, map[string]int{}
	t.journal, t.faults, t.listed, t.latency = nil, nil, nil, 0
}

// Reset forgets accounts, journal, faults and latency.
func (t *Target) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
}

// Objects returns all accounts, sorted by name.
func (t *Target) Objects() []connector.Object {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]connector.Object, 0, len(t.accounts))
	for _, o := range t.accounts {
		out = append(out, o.Clone())
	}
	slices.SortFunc(out, func(a, b connector.Object) int { return strings.Compare(a.Account, b.Account) })
	return out
}

// Journal returns every effective change since the start or Reset, in order.
func (t *Target) Journal() []Change {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.journal)
}

// Put sets an account as somebody else might, beside the connector: no fault, no journal. An empty RemoteID is chosen.
func (t *Target) Put(o connector.Object) connector.Object {
	t.mu.Lock()
	defer t.mu.Unlock()
	o = o.Clone()
	if o.RemoteID == "" {
		o.RemoteID = t.newID()
	}
	if before, there := t.accounts[o.RemoteID]; there {
		t.unindex(before)
		o.Version = before.Version
	}
	t.store(o)
	return t.accounts[o.RemoteID].Clone()
}

// Remove deletes an account as somebody else might.
func (t *Target) Remove(account string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.names[strings.ToLower(account)]; ok {
		t.drop(id)
	}
}

// Describe says that memory can do everything.
func (t *Target) Describe(context.Context) (connector.Descriptor, error) {
	return connector.Descriptor{Connector: "memory", ExternalID: true, Rename: true, Conditional: true, List: true, Watch: true, Sessions: true}, nil
}

// Check finds the target reachable unless the next fault says otherwise.
func (t *Target) Check(ctx context.Context) ([]connector.Finding, error) {
	if err := ctx.Err(); err != nil {
		return nil, connector.ContextError(ctx, "check target", false)
	}
	return []connector.Finding{{Level: connector.OK, Subject: "reachable", Message: "in this process"}}, nil
}

// Get finds an account by RemoteID, else by external id, else by name (case ignored).
func (t *Target) Get(ctx context.Context, ref connector.Ref) (connector.Object, error) {
	op := "get account " + ref.Account
	fault, err := t.meet(ctx, op, true)
	if err != nil {
		return connector.Object{}, err
	}
	if fault != nil {
		return connector.Object{}, fault.err(op)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	o, ok := t.find(ref)
	if !ok {
		return connector.Object{}, &connector.Error{Class: connector.NotFound, Op: op, Err: connector.ErrNotFound}
	}
	return o.Clone(), nil
}

// List returns accounts in the order of their ids.
func (t *Target) List(ctx context.Context, req connector.ListRequest) (connector.Page, error) {
	fault, err := t.meet(ctx, "list accounts", true)
	if err != nil {
		return connector.Page{}, err
	}
	if fault != nil {
		return connector.Page{}, fault.err("list accounts")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.listed == nil {
		t.listed = slices.Sorted(maps.Keys(t.accounts))
	}
	from, there := slices.BinarySearch(t.listed, req.Token)
	if there {
		from++
	}
	ids := t.listed[from:]
	var page connector.Page
	if req.Limit > 0 && len(ids) > req.Limit {
		ids = ids[:req.Limit]
		page.Next = ids[len(ids)-1]
	}
	for _, id := range ids {
		page.Objects = append(page.Objects, t.accounts[id].Clone())
	}
	return page, nil
}

// Apply makes one change.
func (t *Target) Apply(ctx context.Context, op connector.Op) (connector.Result, error) {
	what := string(op.Verb) + " account " + op.Ref.Account
	fault, err := t.meet(ctx, what, false)
	if err != nil {
		return connector.Result{}, err
	}
	if fault != nil && !fault.AfterCommit {
		if fault.Lie {
			return connector.Result{Changed: true}, nil
		}
		return connector.Result{}, fault.err(what)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	res, err := t.change(op, what)
	if err == nil && fault != nil {
		return connector.Result{}, fault.err(what)
	}
	return res, err
}

func (t *Target) change(op connector.Op, what string) (connector.Result, error) {
	if op.Verb == connector.Create {
		return t.create(op, what)
	}
	o, ok := t.find(op.Ref)
	if !ok && op.Verb == connector.Delete {
		return connector.Result{}, nil
	}
	if !ok {
		return connector.Result{}, &connector.Error{Class: connector.NotFound, Op: what, Err: connector.ErrNotFound}
	}
	conditional := op.Verb == connector.Update || op.Verb == connector.Enable || op.Verb == connector.Delete
	if conditional && op.IfVersion != "" && op.IfVersion != o.Version {
		return connector.Result{}, connector.Errorf(connector.Conflict, what, "changed underneath: version %s, expected %s", o.Version, op.IfVersion)
	}
	if op.Verb == connector.EndSessions {
		return t.endSessions(op, o), nil
	}
	before := o
	o = o.Clone()
	if op.Verb == connector.Delete {
		t.drop(o.RemoteID)
		t.record(op, o)
		return connector.Result{RemoteID: o.RemoteID, Changed: true}, nil
	}
	changed, err := t.edit(&o, op, what)
	if err != nil || !changed {
		return connector.Result{RemoteID: o.RemoteID, Version: before.Version}, err
	}
	t.unindex(before)
	t.store(o)
	t.record(op, o)
	return connector.Result{RemoteID: o.RemoteID, Version: t.accounts[o.RemoteID].Version, Changed: true}, nil
}

func (t *Target) create(op connector.Op, what string) (connector.Result, error) {
	o := op.Want.Clone()
	if o.Account == "" {
		return connector.Result{}, connector.Errorf(connector.Invalid, what, "the account has no name")
	}
	if _, taken := t.names[strings.ToLower(o.Account)]; taken {
		return connector.Result{}, connector.Errorf(connector.Conflict, what, "the name is taken")
	}
	if _, taken := t.owners[o.ExternalID]; taken && o.ExternalID != "" {
		return connector.Result{}, connector.Errorf(connector.Conflict, what, "the external id has an account")
	}
	o.RemoteID, o.Entitlements = t.newID(), nil
	t.store(o)
	t.record(op, o)
	return connector.Result{RemoteID: o.RemoteID, Version: t.accounts[o.RemoteID].Version, Changed: true}, nil
}

// edit makes the change in o and says whether anything is different.
func (t *Target) edit(o *connector.Object, op connector.Op, what string) (bool, error) {
	switch op.Verb {
	case connector.Enable, connector.Disable:
		on := op.Verb == connector.Enable
		changed := o.Enabled != on
		o.Enabled = on
		return changed, nil
	case connector.Grant, connector.Revoke:
		return entitle(o, op), nil
	case connector.Update:
		return t.update(o, op, what)
	default:
		return false, connector.Errorf(connector.Unsupported, what, "verb %q is not known", op.Verb)
	}
}

func entitle(o *connector.Object, op connector.Op) bool {
	changed := false
	for _, e := range op.Want.Entitlements {
		at, has := slices.BinarySearch(o.Entitlements, e)
		switch {
		case op.Verb == connector.Grant && !has:
			o.Entitlements, changed = slices.Insert(o.Entitlements, at, e), true
		case op.Verb == connector.Revoke && has:
			o.Entitlements, changed = slices.Delete(o.Entitlements, at, at+1), true
		}
	}
	return changed
}

func (t *Target) update(o *connector.Object, op connector.Op, what string) (bool, error) {
	changed := false
	for name, value := range op.Want.Attributes {
		if o.Attributes[name] == value {
			continue
		}
		changed = true
		if value == "" {
			delete(o.Attributes, name)
			continue
		}
		if o.Attributes == nil {
			o.Attributes = map[string]string{}
		}
		o.Attributes[name] = value
	}
	if name := op.Want.Account; name != "" && name != o.Account {
		if id, taken := t.names[strings.ToLower(name)]; taken && id != o.RemoteID {
			return false, connector.Errorf(connector.Conflict, what, "the name %s is taken", name)
		}
		o.Account, changed = name, true
	}
	if owner := op.Want.ExternalID; owner != "" && owner != o.ExternalID {
		o.ExternalID, changed = owner, true
	}
	return changed, nil
}

func (t *Target) find(ref connector.Ref) (connector.Object, bool) {
	if o, ok := t.accounts[ref.RemoteID]; ok {
		return o, true
	}
	if id, ok := t.owners[ref.ExternalID]; ok && ref.ExternalID != "" {
		return t.accounts[id], true
	}
	o, ok := t.accounts[t.names[strings.ToLower(ref.Account)]]
	return o, ok
}

func (t *Target) newID() string {
	t.lastID++
	return fmt.Sprintf("m%08d", t.lastID)
}

func (t *Target) store(o connector.Object) {
	version, err := strconv.Atoi(o.Version)
	if err != nil {
		version = 0 // a new account has no version yet
	}
	o.Version = strconv.Itoa(version + 1)
	if _, there := t.accounts[o.RemoteID]; !there {
		t.listed = nil
	}
	t.accounts[o.RemoteID] = o
	if t.history.watched {
		t.note(connector.Change{Object: o.Clone()})
	}
	t.names[strings.ToLower(o.Account)] = o.RemoteID
	if o.ExternalID != "" {
		t.owners[o.ExternalID] = o.RemoteID
	}
}

func (t *Target) unindex(o connector.Object) {
	delete(t.names, strings.ToLower(o.Account))
	delete(t.owners, o.ExternalID)
}

func (t *Target) drop(id string) {
	t.note(connector.Change{Object: connector.Object{Ref: connector.Ref{RemoteID: id}}, Gone: true})
	t.unindex(t.accounts[id])
	delete(t.accounts, id)
	t.listed = nil
}

func (t *Target) record(op connector.Op, o connector.Object) {
	c := Change{At: time.Now(), Verb: op.Verb, Account: o.Account, ExternalID: o.ExternalID, Key: op.Key}
	if len(op.Want.Entitlements) > 0 && op.Verb != connector.Create {
		c.Entitlement = op.Want.Entitlements[0]
	}
	t.journal = append(t.journal, c)
}

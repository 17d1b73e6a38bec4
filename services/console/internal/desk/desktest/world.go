// Package desktest is a small world for tests of the console: a desk with everything real that is pure, and fakes for
// what is outside: a journal in memory, an archive of prepared answers, a target that answers.
//
//	w := desktest.New(t)
//	w.Approval("act-1", "id-boss")
//	_, err := w.Desk.Vote(ctx, "act-1", desk.Vote{...}, desk.Actor{ID: "id-boss"})
//	sent := desktest.Written[event.ApprovalCommand](t, w, event.ApprovalCommands)
package desktest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/directory"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/inbox"
	"joinery.internal/services/console/internal/published"
	"joinery.internal/services/console/internal/queue"
	"joinery.internal/services/console/internal/waiting"
)

// Partitions is how many every topic of the world has.
const Partitions = 3

// Start is the world's time, until somebody moves it.
var Start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// Files is the policy in force.
var Files = []config.File{
	{Name: "targets/chat.yaml", Data: []byte(`apiVersion: joinery/v1
kind: Target
metadata: {name: chat}
spec:
  connector: memory
  owner: {employee_number: "1000"}
  account: {name: person.employee_number}
  entitlements: [group]
`)},
	{Name: "policy/acme.yaml", Data: []byte(`apiVersion: joinery/v1
kind: Policy
metadata: {name: acme}
spec:
  roles:
    staff-base:
      birthright: 'person.worker_type == "employee"'
      grants: [chat:account]
    payments-approver:
      privileged: true
      requestable: {maxDuration: 90d, approval: two-stage}
      grants: [chat:group/payments]
  approvals:
    two-stage:
      - {name: manager, approvers: managerOf(person.id)}
`)},
}

// World is a desk and what it works on.
type World struct {
	Desk    *desk.Desk
	People  *directory.Directory
	Inbox   *inbox.Inbox
	Queue   *queue.Queue
	Waiting *waiting.Room
	Policy  *published.View
	Journal *Journal
	Archive *Archive
	Clock   *Clock
	Finding []connector.Finding // what a check of any target answers
	Applied int                 // how often a catalogue was applied
	Active  []*config.Config    // what was put in force by Publish
	SealKey ed25519.PrivateKey  // of checkpoints
}

// New returns a world with three people (Ana 1001 of boss 1000, Cyn 1002) and a policy in force.
func New(t *testing.T) *World {
	t.Helper()
	w := &World{People: directory.New(), Inbox: inbox.New(), Queue: queue.New(), Waiting: waiting.New(), Policy: published.New(t.TempDir()), Journal: &Journal{}, Archive: &Archive{}, Clock: &Clock{now: Start}, SealKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	for _, p := range []event.DirectoryEntry{
		{IdentityID: "id-ana", EmployeeNumber: "1001", DisplayName: "Ana Berg", Email: "ana.berg@acme.example", Department: "Finance", Manager: "1000", Status: event.StatusActive},
		{IdentityID: "id-boss", EmployeeNumber: "1000", DisplayName: "Bo Holm", Email: "bo.holm@acme.example", Department: "Finance", Status: event.StatusActive},
		{IdentityID: "id-cyn", EmployeeNumber: "1002", DisplayName: "Cyn Diaz", Email: "cyn.diaz@acme.example", Department: "Sales", Manager: "1000", Status: event.StatusPrehire},
	} {
		w.People.Put(p)
	}
	w.Enforce(t, Files)
	count := 0
	catalog := catalog{w}
	w.Desk = &desk.Desk{Directory: w.People, Archive: w.Archive, Journal: w.Journal, Codec: wire.New(wire.Static()), Inbox: w.Inbox, Queue: w.Queue, Waiting: w.Waiting, Policies: w.Policy,
		Topics: catalog, Schemas: catalog, Prober: w, Check: check, Activate: w.activate, Clock: w.Clock, Advance: w.Clock.Advance,
		SealKey:   func() (ed25519.PublicKey, error) { return w.SealKey.Public().(ed25519.PublicKey), nil },
		NewID:     func() string { count++; return fmt.Sprintf("act-new-%d", count) },
		Endpoints: map[string]string{"kafka": "127.0.0.1:9092"}, Patience: time.Second}
	return w
}

// Enforce puts files in force, as if published.
func (w *World) Enforce(t *testing.T, files []config.File) {
	t.Helper()
	cfg, err := config.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	b := event.PolicyBundle{Hash: cfg.Hash, Files: map[string]string{}, PublishedAt: Start, Actor: "id-boss"}
	for _, f := range files {
		b.Files[f.Name] = string(f.Data)
	}
	w.Policy.Bundle(b)
	for p := range int32(Partitions) {
		w.Policy.Activation(p, event.PolicyActivation{Hash: cfg.Hash, At: Start, Actor: "id-boss", Reason: "first"})
	}
}

// Approval opens an approval of the role payments-approver for Ana, asked by Cyn.
func (w *World) Approval(id string, approvers ...event.IdentityID) {
	w.Inbox.Request(event.ApprovalRequest{RequestID: id, CaseID: "case-1", IdentityID: "id-ana", Role: "payments-approver", Requester: "id-cyn",
		Reason: "quarter end <b>", Entitlements: []string{"chat:group/payments"}, Process: "two-stage", RequestedAt: Start, DurationMS: (30 * 24 * time.Hour).Milliseconds()})
	w.Inbox.Event(event.ApprovalEvent{Meta: event.Meta{EventID: event.EventID(id + "-opened"), Kind: event.ApprovalStageOpened, IdentityID: "id-ana", OccurredAt: Start},
		RequestID: id, Stage: "manager", Approvers: approvers, DueAt: Start.Add(5 * 24 * time.Hour)})
}

// Check implements desk.Prober.
func (w *World) Check(context.Context, *config.Target) ([]connector.Finding, error) {
	return w.Finding, nil
}

func (w *World) activate(_ context.Context, cfg *config.Config, _, _ string, _ time.Time) error {
	w.Active = append(w.Active, cfg)
	return nil
}

func check(files []config.File) (*config.Config, []string, error) {
	cfg, loadErr := config.Load(files)
	_, err := policy.Check(cfg, loadErr)
	var faults config.Faults
	if errors.As(err, &faults) {
		var findings []string
		for _, f := range faults {
			findings = append(findings, f.Error())
		}
		return nil, findings, nil
	}
	return cfg, nil, err
}

// Clock is the world's clock.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now implements desk.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves it.
func (c *Clock) Advance(d time.Duration) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now, nil
}

type catalog struct{ world *World }

func (c catalog) Plan(context.Context) ([]desk.Change, error) {
	return []desk.Change{{ID: "jml.dlq.v1", Action: "create", Detail: "3 partitions"}}, nil
}

func (c catalog) Apply(ctx context.Context) ([]desk.Change, error) {
	c.world.Applied++
	return c.Plan(ctx)
}

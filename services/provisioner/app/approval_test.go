package app_test

import (
	"crypto/ed25519"
	"slices"
	"testing"
	"time"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/signing"
	"joinery.internal/services/provisioner/internal/shell/desk"
)

// acme is the policy in force: payments has to be asked for, keepers is a privileged birthright.
const acme = `apiVersion: joinery/v1
kind: Policy
metadata: {name: acme}
spec:
  roles:
    staff: {birthright: 'person.worker_type == "employee"', grants: [chat:group/staff, chat:group/news]}
    keeper: {privileged: true, birthright: 'person.title == "Keeper"', grants: [chat:group/keepers]}
    payer:
      privileged: true
      requestable: {approval: manager}
      include: [staff]
      grants: [chat:group/payments, vault:account]
  approvals:
    manager: [{name: manager, approvers: managerOf(person.id)}]
`

// lax is a policy under which everybody may pay.
const lax = `apiVersion: joinery/v1
kind: Policy
metadata: {name: acme}
spec:
  roles:
    staff: {birthright: 'person.worker_type == "employee"', grants: [chat:group/staff, chat:group/payments]}
`

func files(policy string) []config.File {
	list := []config.File{{Name: "policy/acme.yaml", Data: []byte(policy)}}
	for _, name := range []string{"chat", "vault"} {
		list = append(list, config.File{Name: "targets/" + name + ".yaml",
			Data: []byte("apiVersion: joinery/v1\nkind: Target\nmetadata: {name: " + name + "}\nspec: {connector: memory, account: {name: person.id}, entitlements: [group]}\n")})
	}
	return list
}

func hash(policy string) string {
	cfg, err := config.Load(files(policy))
	if err != nil {
		panic(err)
	}
	return cfg.Hash
}

func (p *pipe) publish(policy string, at time.Time) {
	p.put(policy)
	p.policy.Activate(event.PolicyActivation{Hash: hash(policy), At: at})
}

func (p *pipe) put(policy string) {
	b := event.PolicyBundle{Hash: hash(policy), Files: map[string]string{}}
	for _, f := range files(policy) {
		b.Files[f.Name] = string(f.Data)
	}
	p.policy.Put(b)
}

// signer makes the key of the approval service.
func (p *pipe) signer() approvalproof.Key {
	p.t.Helper()
	key, err := approvalproof.OpenKey(p.key[:len(p.key)-len(signing.PublicSuffix)])
	if err != nil {
		p.t.Fatal(err)
	}
	return key
}

// payer is a desired state with the privileged group and these approvals.
func payer(version int64, proofs ...event.Approval) event.Desired {
	d := desired("a", version)
	d.Entitlements, d.Approvals = []string{"group/payments", "group/staff"}, proofs
	return d
}

func signed(key approvalproof.Key, who event.IdentityID, expires time.Time) event.Approval {
	a := event.Approval{RequestID: "req-1", Role: "payer", Entitlements: []string{"chat:account", "chat:group/payments", "vault:account"}, Policy: hash(acme), ExpiresAt: expires}
	a.Signature = key.Sign(who, a)
	return a
}

// has is what the account of that name holds; nil: there is none.
func (p *pipe) has(name string) []string {
	for _, o := range p.target.Objects() {
		if o.Account == name {
			return slices.Clone(append([]string{}, o.Entitlements...))
		}
	}
	return nil
}

// reasons of the exceptions opened so far; all are of class denied.
func (p *pipe) reasons() (out []string) {
	p.t.Helper()
	for _, e := range p.all() {
		if e.Kind == event.ExceptionOpened {
			out = append(out, e.Reason)
			if e.Class != "denied" || e.Entitlement == "" {
				p.t.Errorf("exception %+v", e)
			}
		}
	}
	return out
}

func TestWritingToATopicGrantsNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proof  func(key approvalproof.Key) []event.Approval
		reason string
	}{
		"no approval": {func(approvalproof.Key) []event.Approval { return nil }, "approval_missing"},
		"an approval of something else": {func(key approvalproof.Key) []event.Approval {
			a := event.Approval{RequestID: "req-1", Role: "payer", Entitlements: []string{"chat:group/staff"}}
			a.Signature = key.Sign("a", a)
			return []event.Approval{a}
		}, "approval_missing"},
		"a signature of somebody else": {func(approvalproof.Key) []event.Approval {
			return []event.Approval{signed(approvalproof.NewKey(make([]byte, ed25519.SeedSize)), "a", time.Time{})}
		}, "approval_forged"},
		"an entitlement added after signing": {func(key approvalproof.Key) []event.Approval {
			a := event.Approval{RequestID: "req-1", Role: "payer", Entitlements: []string{"chat:group/news"}}
			a.Signature = key.Sign("a", a)
			a.Entitlements = append(a.Entitlements, "chat:group/payments")
			return []event.Approval{a}
		}, "approval_forged"},
		"another person's approval": {func(key approvalproof.Key) []event.Approval { return []event.Approval{signed(key, "b", time.Time{})} }, "approval_forged"},
		"an approval that is over": {func(key approvalproof.Key) []event.Approval {
			return []event.Approval{signed(key, "b", time.Time{}), signed(key, "a", start.Add(-time.Second))}
		}, "approval_expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipe(t)
			key := p.signer()
			p.want(payer(1, c.proof(key)...))
			p.run(time.Hour, time.Minute)
			if got := p.has("name-a"); !slices.Equal(got, []string{"group/staff"}) {
				t.Errorf("the account holds %v, want what needs no approval", got)
			}
			if got := p.reasons(); !slices.Equal(got, []string{c.reason}) || p.count(event.ProvisionFailed) != 1 || p.count(event.ProvisionApplied) != 0 {
				t.Errorf("exceptions %v, events %v", got, p.kinds())
			}
			p.want(payer(2, signed(key, "a", time.Time{})))
			p.Perform()
			p.mustBe(payer(2))
		})
	}
}

func TestAnApprovedRoleIsGivenUntilItsApprovalEnds(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	proof := signed(p.signer(), "a", start.Add(time.Hour))
	p.want(payer(1, proof))
	p.Perform()
	p.mustBe(payer(1))
	p.Advance(2 * time.Hour)
	p.nudge(event.DriftEvent{Meta: event.Meta{IdentityID: "a", Target: "chat"}, Drift: "attribute", Action: "repair", Version: 1})
	p.Perform()
	if got := p.has("name-a"); !slices.Equal(got, []string{"group/staff"}) || !slices.Equal(p.reasons(), []string{"approval_expired"}) {
		t.Errorf("the account holds %v; exceptions %v", got, p.reasons())
	}
}

func TestAPrivilegedBirthrightNeedsNoApprovalAndWhatNoRoleGivesDoes(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	d := desired("a", 1)
	d.Entitlements = []string{"group/keepers", "group/news", "group/root"}
	p.want(d)
	p.Perform()
	if got := p.has("name-a"); !slices.Equal(got, []string{"group/keepers", "group/news"}) || !slices.Equal(p.reasons(), []string{"approval_missing"}) {
		t.Errorf("the account holds %v; exceptions %v", got, p.reasons())
	}
}

func TestAPolicyOfYesterdayOpensNoDoor(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.publish(lax, start.Add(-time.Hour))
	d := payer(1)
	d.Policy = hash(lax)
	p.want(d)
	p.Perform()
	if got := p.has("name-a"); !slices.Equal(got, []string{"group/staff"}) {
		t.Errorf("the account holds %v", got)
	}
}

func TestAPolicyOrKeyThatIsOnItsWayIsWaitedFor(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	d := payer(1)
	d.Policy = hash(lax)
	p.put(lax) // published, not activated
	p.want(d)
	p.run(time.Minute, time.Second)
	if p.has("name-a") != nil || p.count(event.ProvisionDeferred) == 0 || p.count(event.ExceptionOpened) != 0 {
		t.Fatalf("without its policy: %v, %v", p.has("name-a"), p.kinds())
	}
	p.publish(lax, start.Add(time.Minute))
	p.run(2*time.Minute, time.Second)
	p.mustBe(payer(1))

	p = newPipe(t)
	elsewhere := newPipe(t)
	p.want(payer(1, signed(elsewhere.signer(), "a", time.Time{})))
	p.run(time.Minute, time.Second)
	if p.has("name-a") != nil || p.count(event.ExceptionOpened) != 0 {
		t.Fatalf("without the key: %v, %v", p.has("name-a"), p.kinds())
	}
	p.want(payer(2, signed(p.signer(), "a", time.Time{})))
	p.run(2*time.Minute, time.Second)
	p.mustBe(payer(2))
}

func TestTakingAccessAwayWaitsForNoPolicyAndNoKey(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.target.Put(connector.Object{Ref: connector.Ref{Account: "name-a", ExternalID: "a"}, Enabled: true, Entitlements: []string{"group/payments"}})
	d := desired("a", 1)
	d.State, d.Entitlements, d.Lane, d.Policy = event.AccountDisabled, nil, event.LaneLeaver, "unheard-of"
	p.want(d)
	p.Perform()
	if o := p.target.Objects()[0]; o.Enabled || len(o.Entitlements) != 0 {
		t.Errorf("account: %+v", o)
	}
}

func TestAnAccountThatOnlyAPrivilegedRoleGivesIsNotMadeAndWhereItIsDisabled(t *testing.T) {
	t.Parallel()
	p := newPipe(t, func(d *desk.Target) { d.Name = "vault" })
	d := desired("a", 1)
	d.Target, d.Entitlements = "vault", nil
	p.want(d)
	p.Perform()
	if n := len(p.target.Objects()); n != 0 {
		t.Fatalf("%d accounts, want none", n)
	}
	d.Version, d.Approvals = 2, []event.Approval{signed(p.signer(), "a", time.Time{})}
	p.want(d)
	p.Perform()
	p.mustBe(d)
	d.Version, d.Approvals = 3, nil
	p.want(d)
	p.Perform()
	if o := p.target.Objects(); len(o) != 1 || o[0].Enabled || p.count(event.ExceptionOpened) != 2 {
		t.Errorf("accounts %+v, events %v", o, p.kinds())
	}
}

package access_test

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/transcript"
	"joinery.internal/services/policy-resolver/internal/access"
)

// A transcript is prose, then blocks: commands, a line of four dashes, and what follows from the commands up to an
// empty line. One person is concerned, whose id is "ada".
//
//	policy NAME                            testdata/policies/NAME comes into force
//	at TIME                                moves the clock without firing timers
//	wait DURATION                          moves the clock through all timers due
//	event KIND [field=value ...]           the person becomes this (field of the person; effective=, reason=, as words)
//	job ID [field=value ...]               the person has this employment too; event says so
//	nojob ID                               and has it no more
//	ask KIND [ROLE] id=ID [for=DURATION] [from=PERSON]    an access request; max asks unless it says otherwise
//	adopt from=IDENTITY [TARGET=ACCOUNT ...]   the accounts of another identity come
//	left PERSON                            somebody else leaves, and who decides is looked at again
//	answer OUTCOME ID [until=DURATION] [proof=none]    granted, refused or expired
//	provision [TARGET=OUTCOME ...]         the targets answer: all not named are applied
//	roles                                  shows the roles held
func TestTranscripts(t *testing.T) {
	t.Parallel()
	transcript.Run(t, func(t *testing.T, text string) string {
		p := newPlay(t)
		return transcript.Blocks(text, func(commands []string) string {
			for _, command := range commands {
				p.run(command)
			}
			return p.flush()
		})
	})
}

// play is the stage of one transcript: the person, the clock, and targets that do as they are told.
type play struct {
	t       testing.TB
	bundle  *policy.Bundle
	now     time.Time
	state   access.State
	person  event.Person
	records int
	desired map[string]*event.Desired // latest
	applied map[string]int64
	cases   map[event.CaseID]string
	wake    time.Time
	left    map[event.IdentityID]bool
	out     strings.Builder
}

func newPlay(t testing.TB) *play { return newPlayWith(t, load(t, "corp")) }

func newPlayWith(t testing.TB, bundle *policy.Bundle) *play {
	return &play{t: t, bundle: bundle, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), cases: map[event.CaseID]string{}, left: map[event.IdentityID]bool{},
		desired: map[string]*event.Desired{}, applied: map[string]int64{},
		person: event.Person{ID: "ada", Profile: event.Profile{EmployeeNumber: "12", GivenName: "Ada", FamilyName: "Novak", WorkerType: "employee", Manager: "1"}}}
}

func load(t testing.TB, name string) *policy.Bundle {
	t.Helper()
	b, err := policy.Check(config.LoadDir(filepath.Join("testdata", "policies", name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// board is who is whose manager: ada's is max, his is eva, and hers, by mistake, ada; lea owns, and sue is second to her. Who left is in it.
type board map[event.IdentityID]bool

func (b board) ManagerOf(id event.IdentityID) (event.IdentityID, bool) {
	m, ok := map[event.IdentityID]event.IdentityID{"ada": "max", "max": "eva", "eva": "ada"}[id]
	if ok && b[m] {
		return b.ManagerOf(m)
	}
	return m, ok
}
func (b board) Present(id event.IdentityID) bool  { return !b[id] }
func (board) MembersOf(string) []event.IdentityID { return []event.IdentityID{"kim"} }
func (board) ByEmployeeNumber(n string) (event.IdentityID, bool) {
	id, known := map[string]event.IdentityID{"1": "max", "2": "eva", "7": "lea", "8": "sue", "12": "ada"}[n]
	return id, known
}

func (p *play) work() access.Work {
	p.records++
	return access.Work{State: p.state, ID: "ada", Bundle: p.bundle, Dir: board(p.left), Cause: fmt.Sprintf("record-%d", p.records), Now: p.now}
}

func (p *play) run(command string) {
	words := strings.Fields(command)
	args := map[string]string{}
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			args[k] = v
		}
	}
	switch words[0] {
	case "policy":
		p.bundle = load(p.t, words[1])
		p.show(p.work().Republished(access.Activation{Event: event.EventID(fmt.Sprintf("activation-%d", p.records)), At: p.now}))
	case "at":
		p.now = p.time(words[1])
	case "wait":
		p.waitFor(p.duration(words[1]))
	case "event":
		p.happen(event.Kind(words[1]), args)
	case "job":
		p.job(words[1], args)
	case "nojob":
		p.person.Spells = slices.DeleteFunc(slices.Clone(p.person.Spells), func(s event.Spell) bool { return s.ID == words[1] })
	case "adopt":
		q := event.AccessRequest{ID: "adopt", Kind: event.RequestAdopt, IdentityID: "ada", Requester: event.IdentityID(args["from"])}
		for _, target := range []string{"chat", "erp"} {
			if name := args[target]; name != "" {
				q.Accounts = append(q.Accounts, event.Handover{Target: target, Account: name, State: event.AccountActive})
			}
		}
		p.show(p.work().Adopted(q))
	case "left":
		p.left[event.IdentityID(words[1])] = true
		p.show(p.work().Revisited())
	case "ask":
		q := event.AccessRequest{ID: args["id"], Kind: event.RequestKind(words[1]), IdentityID: "ada", Role: words[2],
			Requester: event.IdentityID(cmp.Or(args["from"], "max")), DurationMS: p.duration(args["for"]).Milliseconds()}
		if strings.Contains(q.Role, "=") {
			q.Role = ""
		}
		p.show(p.work().Asked(q))
	case "answer":
		p.show(p.work().Answered(p.answer(words[1], words[2], args)))
	case "provision":
		p.provision(args)
	case "roles":
		for _, a := range p.state.Roles {
			fmt.Fprintf(&p.out, "  %s%s\n", a.Role, until(a.Grace, a.Expires))
		}
	default:
		p.t.Fatalf("unknown command %q", command)
	}
}

func until(grace, expires time.Time) string {
	s := ""
	if !grace.IsZero() {
		s += ", grace until " + stamp(grace)
	}
	if !expires.IsZero() {
		s += ", expires " + stamp(expires)
	}
	return s
}

func (p *play) time(s string) time.Time {
	at, err := time.Parse("2006-01-02T15:04", s)
	if err != nil {
		p.t.Fatal(err)
	}
	return at
}

func (p *play) duration(s string) time.Duration {
	if s == "" {
		return 0
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		s = days + "h"
		d, err := time.ParseDuration(s)
		if err != nil {
			p.t.Fatal(err)
		}
		return 24 * d
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

func (p *play) waitFor(d time.Duration) {
	end := p.now.Add(d)
	for !p.wake.IsZero() && !p.wake.After(end) {
		p.now = p.wake
		fmt.Fprintf(&p.out, "-- %s\n", stamp(p.now))
		p.show(p.work().Due())
	}
	p.now = end
}

func (p *play) happen(kind event.Kind, args map[string]string) {
	before := p.person.Clone()
	if p.state.Person != nil {
		before = p.state.Person.Clone()
	}
	e := event.IdentityEvent{Meta: event.Meta{Kind: kind, EventID: event.EventID(fmt.Sprintf("event-%d", p.records)), IdentityID: "ada", Source: "hr",
		Reason: args["reason"], EffectiveAt: p.now, KnownAt: p.now, OccurredAt: p.now}, Before: &before}
	for k, v := range args {
		switch k {
		case "reason":
		case "into":
			p.person.MergedInto = event.IdentityID(v)
		case "related":
			e.Related = event.IdentityID(v)
		case "effective":
			e.EffectiveAt = p.time(v)
		case "start":
			p.person.Start = p.time(v)
		case "end":
			p.person.End = p.time(v)
		case "emergency":
			p.person.Emergency = v == "true"
		case "status":
			p.person.Status = event.Status(v)
		case "hold":
			p.person.Attributes = map[string]string{"legal_hold": v}
		default:
			p.set(&p.person.Profile, k, v)
		}
	}
	person := p.person.Clone()
	e.Person = &person
	p.show(p.work().Happened(e))
}

func (p *play) set(to *event.Profile, k, v string) {
	field, ok := map[string]*string{"department": &to.Department, "title": &to.Title, "type": &to.WorkerType, "number": &to.EmployeeNumber,
		"given": &to.GivenName, "family": &to.FamilyName, "manager": &to.Manager}[k]
	if !ok {
		p.t.Fatalf("unknown field %q", k)
	}
	*field = strings.Trim(v, `"`)
}

// job sets an employment beside the one that counts.
func (p *play) job(id string, args map[string]string) {
	s := event.Spell{ID: id, Status: event.StatusActive, Start: p.now, Profile: event.Profile{WorkerType: "employee"}}
	for k, v := range args {
		switch k {
		case "start":
			s.Start = p.time(v)
		case "end":
			s.End = p.time(v)
		case "status":
			s.Status = event.Status(v)
		case "hold":
			s.Attributes = map[string]string{"legal_hold": v}
		default:
			p.set(&s.Profile, k, v)
		}
	}
	p.run("nojob " + id)
	p.person.Spells = append(p.person.Spells, s)
}

func (p *play) answer(outcome, id string, args map[string]string) event.ApprovalEvent {
	e := event.ApprovalEvent{RequestID: id, Meta: event.Meta{EventID: "answer", Kind: event.Kind("approval." + outcome), Reason: map[string]string{"refused": "denied"}[outcome]}}
	if outcome == "granted" && args["proof"] != "none" {
		for _, q := range p.state.Requests {
			if q.ID == id {
				e.Proof = &event.Approval{RequestID: id, Role: q.Role, Entitlements: []string{"erp:account", "erp:role/" + q.Role}, Policy: p.bundle.Hash(),
					ExpiresAt: p.now.Add(p.duration(cmp.Or(args["until"], "30d"))), Signature: []byte("signed")}
			}
		}
	}
	return e
}

// provision lets every target answer that has not the latest version.
func (p *play) provision(args map[string]string) {
	for _, target := range slices.Sorted(maps.Keys(p.desired)) {
		d := p.desired[target]
		if p.applied[target] >= d.Version {
			continue
		}
		p.now = p.now.Add(time.Second)
		e := event.ProvisionEvent{Meta: event.Meta{EventID: "provisioned", Kind: event.ProvisionApplied, IdentityID: "ada", Target: target, Account: d.AccountName},
			Version: d.Version, State: d.State, CallEnded: p.now}
		outcome, account, _ := strings.Cut(args[target], ":")
		e.Account = cmp.Or(account, e.Account)
		switch outcome {
		case "", "applied":
			e.Changes = []event.Change{{Verb: "update"}}
		case "skip":
			continue
		case "broken":
			e.Kind, e.Reason = event.ExceptionOpened, "retry_exhausted"
		case "ticket":
			e.Kind, e.Reason = event.ProvisionDeferred, "waiting"
		default:
			e.Kind = event.Kind("provision." + outcome)
		}
		if e.Kind != event.ExceptionOpened && e.Kind != event.ProvisionHeld && e.Kind != event.ProvisionDeferred {
			p.applied[target] = d.Version
		}
		p.show(p.work().Provisioned(e))
	}
}

func (p *play) flush() string {
	s := p.out.String()
	p.out.Reset()
	return s
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04") }

package policy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// Holder is a person and what they hold, as a comparison sees them.
type Holder struct {
	Person event.Person
	Roles  []string // held now, birthrights and requested ones, sorted
}

// Effect is what a policy would change for one person. All lists are sorted.
type Effect struct {
	Gains     []string // roles given by birthright
	Loses     []string // roles that neither a rule nor a condition of a request gives any more
	Adds      []string // entitlements, `target:kind/name`
	Removes   []string
	Conflicts []string // separations of duties that would be broken, and are not now
}

// Nothing says that the person has the same as before.
func (e Effect) Nothing() bool {
	return len(e.Gains)+len(e.Loses)+len(e.Adds)+len(e.Removes)+len(e.Conflicts) == 0
}

// Compare says what a person would gain and lose if next came into force in place of the policy under which they hold
// what they hold. It is decided by what decides it when next is in force. now is the moment asked about.
func Compare(current, next *Bundle, h Holder, now time.Time) (Effect, error) {
	in := Input{Before: &h.Person, Now: now, Event: EventInfo{Kind: string(event.PolicyActivated), EffectiveAt: now}}
	jobs := next.jobs(h.Person, now)
	var then []string
	for _, job := range jobs {
		in.Person = job
		roles, err := next.granted(in)
		if err != nil {
			return Effect{}, fmt.Errorf("decide %s by the new policy: %w", h.Person.ID, err)
		}
		then = append(then, roles...)
	}
	slices.Sort(then)
	then = slices.Compact(then)
	var e Effect
	after := slices.Clone(then)
	for _, role := range h.Roles {
		switch {
		case slices.Contains(then, role):
		case keeps(current, next, role, jobs, in):
			after = append(after, role)
		default:
			e.Loses = append(e.Loses, role)
		}
	}
	slices.Sort(after)
	e.Gains = without(after, h.Roles)
	was, is := entitlements(current, h.Roles), entitlements(next, after)
	e.Adds, e.Removes = without(is, was), without(was, is)
	had := map[string]bool{}
	for _, c := range current.Conflicts(h.Roles) {
		had[c.Name] = true
	}
	for _, c := range next.Conflicts(after) {
		if !had[c.Name] {
			e.Conflicts = append(e.Conflicts, c.Name)
		}
	}
	return e, nil
}

// Turn is what a policy decides otherwise than another about one event. Lists are sorted.
type Turn struct {
	Gains []string // roles it gives, and the other does not
	Loses []string
	Keeps []string // roles that are kept after the event for another time, as in "payer: 14d, was 0s"
}

// Nothing says that both decide the same.
func (t Turn) Nothing() bool { return len(t.Gains)+len(t.Loses)+len(t.Keeps) == 0 }

// Revisit decides one event of the past by both policies: the roles by birthright after it, and which of those before it
// are kept, for how long. It is what tests of a policy are decided by.
func Revisit(base, next *Bundle, in Input) (Turn, error) {
	was, kept, err := base.decide(in)
	if err != nil {
		return Turn{}, fmt.Errorf("decide by the policy compared with: %w", err)
	}
	is, keeps, err := next.decide(in)
	if err != nil {
		return Turn{}, fmt.Errorf("decide by the new policy: %w", err)
	}
	t := Turn{Gains: without(is, was), Loses: without(was, is)}
	for _, role := range slices.Sorted(maps.Keys(kept)) {
		if keeps[role] != kept[role] && !slices.Contains(is, role) {
			t.Keeps = append(t.Keeps, fmt.Sprintf("%s: %s, was %s", role, days(keeps[role]), days(kept[role])))
		}
	}
	for _, role := range slices.Sorted(maps.Keys(keeps)) {
		if _, both := kept[role]; !both {
			t.Keeps = append(t.Keeps, fmt.Sprintf("%s: %s, was 0s", role, days(keeps[role])))
		}
	}
	return t, nil
}

func (b *Bundle) decide(in Input) (roles []string, kept map[string]time.Duration, err error) {
	if roles, err = b.granted(in); err == nil {
		kept, err = b.kept(in, roles)
	}
	return roles, kept, err
}

// jobs are the employments that give access: those whose accounts are due, and that policy does not end or hold back.
func (b *Bundle) jobs(p event.Person, now time.Time) (out []event.Person) {
	all := []event.Person{p}
	for _, s := range p.Spells {
		all = append(all, p.As(s))
	}
	l := b.lifecycle
	for _, job := range all {
		contract := job.WorkerType == "contractor"
		switch {
		case job.Status == event.StatusEnded, job.Status == event.StatusPrehire && now.Before(job.Start.Add(-l.Prehire)):
		case contract && l.ContractorRequireEnd && job.End.IsZero():
		case contract && l.ContractorMaxTerm > 0 && !now.Before(job.Start.Add(l.ContractorMaxTerm)):
		default:
			out = append(out, job)
		}
	}
	return out
}

// keeps says whether a role that no rule of next gives stays all the same: it was asked for and may still be had, or it is
// kept for a grace that goes on.
func keeps(current, next *Bundle, role string, jobs []event.Person, in Input) bool {
	if _, there := next.roles[role]; !there {
		return false
	}
	for _, job := range jobs {
		in.Person = job
		if birthrightOf(current, role, in) {
			return false
		}
	}
	if was, there := current.roles[role]; there && was.info.Requestable == nil {
		return true
	}
	return slices.ContainsFunc(jobs, func(job event.Person) bool {
		in.Person = job
		may, _, err := next.MayRequest(role, in)
		return may || err != nil
	})
}

// birthrightOf says whether a person has the role by a rule.
func birthrightOf(b *Bundle, role string, in Input) bool {
	r, ok := b.roles[role]
	if !ok || r.birthright == nil {
		return false
	}
	granted, err := r.birthright.evalBool(b.activate(&in))
	return granted && err == nil
}

func entitlements(b *Bundle, roles []string) []string {
	var out []string
	for _, g := range b.Grants(roles...) {
		out = append(out, g.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// without is what is in list and not in other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

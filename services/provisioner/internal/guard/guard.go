// Package guard is what holds changes that come in masses: which changes a guard of the policy counts, how many it lets
// through, and how people decide on what it holds.
//
// It owns rules, scopes, limits and trips. It does not own the counting (package desk, for it goes over all partitions of
// an instance), nor the held accounts (package account). It is pure; nothing is safe for concurrent use.
//
//	for _, rule := range guard.Of(bundle) {
//		if rule.Counts(lane, connector.Disable) { scope := rule.Scope("chat", "hr", ""); ... }
//	}
//	trip, events := trip.Take(command, cause, now)
package guard

import (
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// Rule is one guard of a policy.
type Rule struct {
	Name    string
	Action  string // a verb of connectors, or emergency: anything in the emergency lane
	Window  time.Duration
	Count   int     // accounts in a window; 0: no such bound
	Percent float64 // of the accounts the guard looks over; 0: no such bound
	// Per: what is counted apart. A role is counted by the entitlement it gives.
	Per []string
}

// actionEmergency is the action of guards over the emergency lane; no other guard looks at that lane.
const actionEmergency = "emergency"

// Of gives the guards of a policy.
func Of(b *policy.Bundle) []Rule {
	var out []Rule
	for _, g := range b.Guards() {
		out = append(out, Rule{Name: g.Name.Value, Action: g.Action, Window: g.Window, Count: g.Count, Percent: g.Percent, Per: g.Per})
	}
	return out
}

// Counts says whether the guard looks at a change in a lane.
func (r Rule) Counts(lane event.Lane, verb connector.Verb) bool {
	if lane == event.LaneEmergency || r.Action == actionEmergency {
		return lane == event.LaneEmergency && r.Action == actionEmergency
	}
	return r.Action == string(verb)
}

// Scope is what is counted together, as text: guard[:target][:entitlement][@source].
type Scope string

// Scope of a change that came of a source's record; item is the entitlement of a grant or revoke.
func (r Rule) Scope(target, source, item string) Scope {
	s := r.Name
	if r.PerTarget() {
		s += ":" + target
	}
	if item != "" && slices.Contains(r.Per, "role") {
		s += ":" + item
	}
	if source != "" && slices.Contains(r.Per, "source") {
		s += "@" + source
	}
	return Scope(s)
}

// PerTarget says whether targets are counted apart.
func (r Rule) PerTarget() bool { return slices.Contains(r.Per, "target") }

// Population is accounts of one target whose people one source employs.
type Population struct{ Target, Source string }

// Base is how many accounts a percentage is of, for changes in a target that came of a source's record: those of the
// target and of the people of the source, as far as they are counted apart. Nobody's people are everybody's: so for a
// source that employs nobody, and for changes that came of no record.
func (r Rule) Base(there iter.Seq2[Population, int], target, source string) (n int) {
	all := 0
	for p, accounts := range there {
		if r.PerTarget() && p.Target != target {
			continue
		}
		all += accounts
		if p.Source == source {
			n += accounts
		}
	}
	if n == 0 || source == "" || !slices.Contains(r.Per, "source") {
		return all
	}
	return n
}

// smallest is what a percentage lets through at least: two leavers of a team of ten are no mass. Count bounds exactly.
const smallest = 10

// Limit is how many accounts may be changed in a window by who holds share of the partitions (0 to 1) with that many
// accounts: the stricter of count and percent, and at least one, for a bound below that would be a stop.
func (r Rule) Limit(accounts int, share float64) int {
	limit := math.MaxInt
	if r.Count > 0 {
		limit = int(math.Ceil(float64(r.Count) * share))
	}
	if r.Percent > 0 {
		limit = min(limit, max(smallest, int(r.Percent*float64(accounts)/100)))
	}
	return max(1, limit)
}

// Count is that an account was counted in a scope. It lasts until the window ends.
type Count struct {
	Scope Scope     `json:"s"`
	At    time.Time `json:"a"`
	Until time.Time `json:"u"`
}

// TripID names a trip of a scope; cause tells it from others.
func TripID(s Scope, cause string) string {
	return string(s) + "." + strings.TrimPrefix(event.DeriveID("", 0, string(s), cause), "-")[:8]
}

// ScopeOf is the scope that a trip is of; ok is false for what is no trip's id.
func ScopeOf(trip string) (s Scope, ok bool) {
	at := strings.LastIndexByte(trip, '.')
	if at <= 0 {
		return "", false
	}
	return Scope(trip[:at]), true
}

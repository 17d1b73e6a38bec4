package access

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// level says of every account what it should be, where that differs from what was said last.
func (w *Work) level() {
	grants := map[string][]policy.Grant{}
	for _, g := range w.Bundle.Grants(w.State.LiveRoles()...) {
		grants[g.Target] = append(grants[g.Target], g)
	}
	targets := slices.Collect(maps.Keys(grants))
	for _, a := range w.State.Accounts {
		targets = append(targets, a.Target)
	}
	slices.Sort(targets)
	for _, target := range slices.Compact(targets) {
		if _, there := w.Bundle.Target(target); there {
			w.levelOne(target, grants[target])
		}
	}
	for i := range w.State.Cases { // a target that is gone gives no answer any more
		c := &w.State.Cases[i]
		c.Waits = slices.DeleteFunc(c.Waits, func(wait Wait) bool {
			_, there := w.Bundle.Target(wait.Target)
			return !there
		})
	}
}

func (w *Work) levelOne(target string, grants []policy.Grant) {
	if len(grants) == 0 && !w.State.known(target) {
		return
	}
	was := *w.State.account(target)
	if !was.exists() && len(w.State.Merging.Expected) > 0 { // one may be on its way
		return
	}
	a := was
	state := w.state(&a, len(grants) > 0)
	if state == "" {
		if was.Version == 0 { // never had, not needed now
			w.State.Accounts = slices.DeleteFunc(w.State.Accounts, func(o Account) bool { return o.Target == target })
			return
		}
		*w.State.account(target) = a
		return
	}
	d := &event.Desired{IdentityID: w.ID, Target: target, CaseID: w.caseID, State: state, AccountName: cmp.Or(a.Name, a.Wanted),
		Kinds: w.kinds(target), Policy: w.Bundle.Hash(), EffectiveAt: w.by.effective, KnownAt: w.by.known, EndSessions: w.standing() == held, Formerly: a.From}
	if state != event.AccountAbsent {
		w.fill(d, grants)
		if err := w.describe(d, a); err != nil && (state == event.AccountActive || !was.exists()) {
			w.find("account/"+target, finding{class: classInvalid, target: target, blocks: true, message: err.Error()})
			if was.Version == 0 {
				w.State.Accounts = slices.DeleteFunc(w.State.Accounts, func(o Account) bool { return o.Target == target })
			}
			return
		}
	}
	hash := content(d)
	if hash != a.Hash || (a.Name == "" && d.AccountName != a.Wanted) {
		a.Version++
		a.Hash, a.State, a.Wanted = hash, state, d.AccountName
		w.publish(d, was, a)
	}
	*w.State.account(target) = a
}

// state is what the account should be; empty: nothing is said of it. It notes since when nobody needs the account.
func (w *Work) state(a *Account, needed bool) event.AccountState {
	standing := w.standing()
	absent := event.AccountAbsent
	if w.State.onLegalHold() { // disable yes, delete no
		absent, a.Retired = event.AccountDisabled, false
	}
	if a.Retired = a.Retired && (a.exists() || a.Applied < a.Version); a.Retired {
		return absent
	}
	if needed && standing == present {
		status := w.status()
		s := event.AccountState(w.Bundle.AccountState(a.Target, status))
		a.Idle = time.Time{}
		switch {
		case s == event.AccountAbsent && !a.exists():
			return ""
		case s == event.AccountAbsent && status == event.StatusPrehire: // there from before: kept
			return event.AccountDisabled
		case s == event.AccountAbsent:
			return absent
		}
		return s
	}
	switch {
	case a.exists():
	case a.State == event.AccountAbsent && a.Applied < a.Version && w.State.onLegalHold(): // it may not be gone yet
		return event.AccountDisabled
	default:
		return ""
	}
	if standing == held {
		return event.AccountDisabled
	}
	if standing == gone && w.Bundle.AccountState(a.Target, event.StatusEnded) == config.AccountAbsent {
		return absent
	}
	if a.Idle.IsZero() {
		a.Idle, a.Case = w.base(), w.caseID
	}
	if !w.at.Before(a.Idle.Add(w.Bundle.DeleteAfter(a.Target))) {
		return absent
	}
	return event.AccountDisabled
}

// retire marks accounts that are too old to be used again by who comes back: they go, and others are made. What counts
// is how long the person is away, whenever that they come back was known.
func (s *State) retire(l policy.Lifecycle) {
	for i, a := range s.Accounts {
		old := !l.ReuseAccounts || s.Person.Start.After(a.Idle.Add(l.RehireWithin))
		if a.exists() && !a.Idle.IsZero() && old {
			s.Accounts[i].Retired = true
		}
	}
}

// kinds are the entitlement kinds under management, sorted.
func (w *Work) kinds(target string) []string {
	t, _ := w.Bundle.Target(target)
	var out []string
	for _, k := range t.Entitlements {
		out = append(out, k.Value)
	}
	slices.Sort(out)
	return out
}

// fill says what the roles give. What a proof was made for and does not cover is not given.
func (w *Work) fill(d *event.Desired, grants []policy.Grant) {
	for _, g := range grants {
		a, _ := w.State.role(g.Role)
		name := g.String()
		if a.Proof != nil && g.Kind != config.KindAccount && !approvalproof.Covers(*a.Proof, name) {
			continue
		}
		if g.Kind != config.KindAccount {
			d.Entitlements = append(d.Entitlements, g.Kind+"/"+g.Name)
		}
		if !slices.Contains(d.Roles, g.Role) {
			d.Roles = append(d.Roles, g.Role)
			if a.Proof != nil {
				d.Approvals = append(d.Approvals, *a.Proof)
			}
		}
	}
	slices.Sort(d.Entitlements)
	d.Entitlements = slices.Compact(d.Entitlements)
	slices.Sort(d.Roles)
	slices.SortFunc(d.Approvals, func(a, b event.Approval) int { return cmp.Compare(a.RequestID, b.RequestID) })
}

// describe computes the account's name and attributes.
func (w *Work) describe(d *event.Desired, a Account) error {
	in := w.input(*w.State.Person)
	in.AccountName = a.Name
	account, err := w.Bundle.Account(d.Target, in)
	if err != nil {
		return fmt.Errorf("describe account: %w", err)
	}
	d.AccountName, d.Numbered, d.Attributes = account.Name, account.Numbered, account.Attributes
	return nil
}

// content names what a desired state says about the account, not why and when. The name is not part of it: it is fixed
// once the account exists.
func content(d *event.Desired) string {
	b, err := json.Marshal([]any{d.State, d.Attributes, d.Entitlements, d.Kinds, d.Roles, d.Approvals})
	if err != nil {
		panic("access: a desired state cannot be written as JSON: " + err.Error())
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

func (w *Work) publish(d *event.Desired, was, is Account) {
	d.Version, d.Lane, d.Source, d.PersonSource = is.Version, w.lane(was, is), w.by.source, w.State.Source
	if d.State == event.AccountAbsent && w.by.kind == event.AccessExpired {
		w.access(event.AccessEvent{Meta: event.Meta{Kind: event.AccessExpired, Target: d.Target, Account: d.AccountName, Outcome: "expired", Reason: "delete_after"}})
	}
	e := w.access(event.AccessEvent{Desired: d, Meta: event.Meta{Kind: event.AccessDesiredChanged, Target: d.Target, Account: d.AccountName, Outcome: string(d.State),
		Message: fmt.Sprintf("Version %d: %s, was %s.", is.Version, is.State, cmp.Or(was.State, "unknown"))}})
	d.CausationID = string(e.EventID)
	w.out.Desired = append(w.out.Desired, d)
	w.await(d.Target, d.Version)
}

// reorganisation are the reason codes by which a source marks the moves of one batch.
var reorganisation = []string{"reorganisation", "reorganization"}

// lane orders the work in the targets.
func (w *Work) lane(was, is Account) event.Lane {
	standing := w.standing()
	leaves := (standing == gone || standing == held) && (was.State != is.State || w.revoked())
	switch {
	case w.by.kind == event.PolicyActivated || (w.by.kind == event.AccessExpired && is.State == event.AccountAbsent):
		return event.LaneBulk
	case leaves && standing == held:
		return event.LaneEmergency
	case leaves:
		// A rule that cannot be decided must not slow an end down.
		if urgent, err := w.Bundle.Urgent(w.input(*w.State.Person)); urgent && err == nil {
			return event.LaneEmergency
		}
		return event.LaneLeaver
	case !was.exists(), w.by.kind == event.Started:
		return event.LaneJoiner
	case slices.Contains(reorganisation, w.by.reason): // thousands at once, which nobody waits for
		return event.LaneBulk
	}
	return event.LaneMover
}

// revoked says whether this decision takes a role away.
func (w *Work) revoked() bool {
	return slices.ContainsFunc(w.out.Events, func(t event.Transition) bool { return t.EventMeta().Kind == event.AccessRevoked })
}

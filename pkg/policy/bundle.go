package policy

import (
	"cmp"
	"slices"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
)

// Bundle is a compiled configuration.
type Bundle struct {
	cfg         *config.Config
	types       objectTypes
	lifecycle   Lifecycle
	urgent      *program
	roles       map[string]*role
	roleNames   []string
	birthrights []*role // those with a rule, by name
	approvals   map[string][]stage
	accounts    map[string]account
	targets     []string
	mappings    map[string]*mapping
	separations []config.Separation
	guards      []config.Guard
	tests       []test
	owned       map[string][]Owned // by employee number
}

type objectTypes struct{ person, event, account *objectType }

type role struct {
	info       RoleInfo
	spec       config.Role
	at         config.Pos
	birthright *program
	when       *program
	expanded   []string // itself and all it includes, by name
	grants     []Grant
}

type account struct {
	name       *program
	attributes []attribute
}

type attribute struct {
	name    string
	program *program
}

type test struct {
	policy string
	spec   config.Test
}

// Hash names the files the bundle was compiled from.
func (b *Bundle) Hash() string { return b.cfg.Hash }

// Source returns a source by name.
func (b *Bundle) Source(name string) (*config.Source, bool) { return b.cfg.Source(name) }

// Target returns a target by name.
func (b *Bundle) Target(name string) (*config.Target, bool) { return b.cfg.Target(name) }

// Sources returns the names of the sources, sorted.
func (b *Bundle) Sources() []string {
	names := make([]string, len(b.cfg.Sources))
	for i, s := range b.cfg.Sources {
		names[i] = s.Name.Value
	}
	return names
}

// Targets returns the names of the targets, sorted.
func (b *Bundle) Targets() []string { return slices.Clone(b.targets) }

// Roles returns the names of the roles, sorted.
func (b *Bundle) Roles() []string { return slices.Clone(b.roleNames) }

// Guards returns the guards, in the order of the policies.
func (b *Bundle) Guards() []config.Guard { return slices.Clone(b.guards) }

// RoleInfo is what the bundle says about a role.
type RoleInfo struct {
	Name        string
	Description string
	Privileged  bool // or a role it includes is
	Birthright  bool // it has a birthright rule
	Requestable *Requestable
	Owner       string // employee number, empty if it has none
	File        string
	Line        int
	Column      int
}

// Requestable is how a role is asked for.
type Requestable struct {
	Approval    string        // empty: granted without one
	MaxDuration time.Duration // zero: no limit
}

// Role returns what the bundle says about a role.
func (b *Bundle) Role(name string) (RoleInfo, bool) {
	r, ok := b.roles[name]
	if !ok {
		return RoleInfo{}, false
	}
	return r.info, true
}

// Grant is one entitlement that a role gives. Kind "account" is the account itself and has no Name.
type Grant struct {
	Role   string
	Target string
	Kind   string
	Name   string
}

// String is the grant as in a policy: target:account or target:kind/name.
func (g Grant) String() string {
	if g.Name == "" {
		return g.Target + ":" + g.Kind
	}
	return g.Target + ":" + g.Kind + "/" + g.Name
}

func compareGrants(a, b Grant) int {
	return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Role, b.Role))
}

// Grants returns what the roles give, with what they include and the accounts their entitlements imply. Role is
// the role that was asked about. Sorted by target, kind, name and role; roles that the bundle lacks give nothing.
func (b *Bundle) Grants(roles ...string) []Grant {
	var out []Grant
	for _, name := range roles {
		if r, ok := b.roles[name]; ok {
			out = append(out, r.grants...)
		}
	}
	slices.SortFunc(out, compareGrants)
	return slices.Compact(out)
}

// AccountState returns what an account in a target is while its person has a status: "active", "disabled" or
// "absent". A target that the bundle lacks has no accounts.
func (b *Bundle) AccountState(target string, status event.Status) string {
	t, ok := b.cfg.Target(target)
	if !ok {
		return config.AccountAbsent
	}
	switch status {
	case event.StatusActive:
		return config.AccountActive
	case event.StatusPrehire:
		return t.Lifecycle.Prehire
	case event.StatusLeave:
		return cmp.Or(t.Lifecycle.Leave, b.lifecycle.LeaveAccounts)
	}
	return t.Lifecycle.Ended
}

// Lifecycle is what policy says around the beginning, the change and the end of an employment.
type Lifecycle struct {
	Prehire              time.Duration // accounts exist this long before the start
	MoverGrace           time.Duration
	MoverPrivilegedGrace time.Duration
	LeaverDeleteAfter    time.Duration
	RehireWithin         time.Duration
	ReuseAccounts        bool
	LeaveAccounts        string // "active", "disabled" or "absent"
	ContractorRequireEnd bool
	ContractorMaxTerm    time.Duration   // zero: no limit
	ContractorRemind     []time.Duration // before the end, longest first
}

// Lifecycle returns the lifecycle, or its defaults where no policy says it.
func (b *Bundle) Lifecycle() Lifecycle {
	l := b.lifecycle
	l.ContractorRemind = slices.Clone(l.ContractorRemind)
	return l
}

// Grace returns how long a role is kept that a move takes away.
func (b *Bundle) Grace(role string) time.Duration {
	if r, ok := b.roles[role]; !ok || r.info.Privileged {
		return b.lifecycle.MoverPrivilegedGrace
	}
	return b.lifecycle.MoverGrace
}

// DeleteAfter returns how long a disabled account of a leaver is kept in a target.
func (b *Bundle) DeleteAfter(target string) time.Duration {
	if t, ok := b.cfg.Target(target); ok && t.Lifecycle.DeleteAfter != nil {
		return *t.Lifecycle.DeleteAfter
	}
	return b.lifecycle.LeaverDeleteAfter
}

// Conflict is a separation of duties that a set of roles breaks.
type Conflict struct {
	Name       string
	Roles      []string // those held, directly or by inclusion, sorted
	AtMost     int
	OnConflict string  // "refuse" or "report"
	Waiver     *Waiver // nil: nobody may allow it
}

// Waiver is who may allow a conflict and for how long.
type Waiver struct {
	Approval    string
	MaxDuration time.Duration
}

// Conflicts returns the separations of duties that holding all the roles would break, in the order of the policies.
func (b *Bundle) Conflicts(roles []string) []Conflict {
	held := map[string]bool{}
	for _, name := range roles {
		if r, ok := b.roles[name]; ok {
			for _, included := range r.expanded {
				held[included] = true
			}
		}
	}
	var out []Conflict
	for _, s := range b.separations {
		c := Conflict{Name: s.Name.Value, AtMost: s.AtMost, OnConflict: s.OnConflict}
		for _, r := range s.Roles {
			if held[r.Value] {
				c.Roles = append(c.Roles, r.Value)
			}
		}
		if len(c.Roles) <= s.AtMost {
			continue
		}
		slices.Sort(c.Roles)
		if s.Waiver != nil {
			c.Waiver = &Waiver{s.Waiver.Approval.Value, s.Waiver.MaxDuration}
		}
		out = append(out, c)
	}
	return out
}

package policy

import (
	"errors"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	"joinery.internal/pkg/config"
)

// Check compiles what config.Load or config.LoadDir returned and reports the faults of both together.
//
//	bundle, err := policy.Check(config.LoadDir(dir))
func Check(cfg *config.Config, loadErr error) (*Bundle, error) {
	var faults config.Faults
	if loadErr != nil && !errors.As(loadErr, &faults) {
		return nil, loadErr
	}
	bundle, err := Compile(cfg)
	var more config.Faults
	if err != nil && !errors.As(err, &more) {
		return nil, err
	}
	if err := append(slices.Clone(faults), more...).Err(); err != nil {
		return nil, err
	}
	return bundle, nil
}

// Compile compiles a configuration. The error is config.Faults if the configuration is wrong. It may be given
// what was understood of a faulty one, to find further faults; see Check.
func Compile(cfg *config.Config) (*Bundle, error) {
	scopes, err := newScopes()
	if err != nil {
		return nil, err
	}
	c := &compiler{cfg: cfg, scopes: scopes, bundle: &Bundle{
		cfg: cfg, lifecycle: lifecycleOf(config.DefaultLifecycle()), roles: map[string]*role{}, approvals: map[string][]stage{},
		accounts: map[string]account{}, mappings: map[string]*mapping{},
		types: objectTypes{scopes.attributes.variables["person"], scopes.attributes.variables["event"], scopes.attributes.variables["account"]},
	}}
	c.declare()
	for _, s := range cfg.Sources {
		c.compileMapping(s)
	}
	for _, t := range cfg.Targets {
		c.compileTarget(t)
	}
	for _, p := range cfg.Policies {
		c.compileLifecycle(p)
		c.compileApprovals(p)
		c.compileTests(p)
	}
	c.compileRoles()
	c.checkSeparations()
	if err := c.faults.Err(); err != nil {
		return nil, err
	}
	c.bundle.settleOwners()
	return c.bundle, nil
}

// compiler builds a bundle and collects every fault.
type compiler struct {
	cfg       *config.Config
	scopes    *scopes
	bundle    *Bundle
	faults    config.Faults
	approvals map[string]config.Pos // declared processes
	lifecycle config.Pos            // of the policy that has one
}

func (c *compiler) fault(at config.Pos, format string, args ...any) {
	c.faults = append(c.faults, config.FaultAt(at, format, args...))
}

// declare collects the names that others refer to, over all policies.
func (c *compiler) declare() {
	b := c.bundle
	c.approvals = map[string]config.Pos{}
	separations, guards := map[string]config.Pos{}, map[string]config.Pos{}
	once := func(seen map[string]config.Pos, what string, name config.Text) bool {
		if first, twice := seen[name.Value]; twice && name.Value != "" {
			c.fault(name.Pos, "%s %q is already defined at %s", what, name.Value, first)
			return false
		}
		seen[name.Value] = name.Pos
		return true
	}
	roles := map[string]config.Pos{}
	for _, p := range c.cfg.Policies {
		for _, r := range p.Roles {
			if once(roles, "role", r.Key) {
				b.roles[r.Key.Value] = newRole(r)
				b.roleNames = append(b.roleNames, r.Key.Value)
			}
		}
		for _, a := range p.Approvals {
			once(c.approvals, "approval process", a.Key)
		}
		for _, s := range p.Separation {
			once(separations, "separation of duties", s.Name)
			b.separations = append(b.separations, s)
		}
		for _, g := range p.Guards {
			once(guards, "guard", g.Name)
			b.guards = append(b.guards, g)
		}
	}
	slices.Sort(b.roleNames)
}

func newRole(e config.Entry[config.Role]) *role {
	spec := e.Value
	r := &role{spec: spec, at: e.Key.Pos, info: RoleInfo{
		Name: e.Key.Value, Description: spec.Description, Privileged: spec.Privileged, Birthright: !spec.Birthright.IsZero(),
		File: e.Key.File, Line: e.Key.Line, Column: e.Key.Column,
	}}
	if spec.Owner != nil {
		r.info.Owner = spec.Owner.EmployeeNumber.Value
	}
	if q := spec.Requestable; q != nil {
		r.info.Requestable = &Requestable{Approval: q.Approval.Value, MaxDuration: q.MaxDuration}
	}
	return r
}

// knownRole reports a role that is not there. While files are missing nothing can be said about names.
func (c *compiler) knownRole(name config.Text, where string) bool {
	if _, ok := c.bundle.roles[name.Value]; ok || c.cfg.Incomplete {
		return ok
	}
	c.fault(name.Pos, "%s names the role %q, which no policy defines%s", where, name.Value, config.DidYouMean(name.Value, c.bundle.roleNames))
	return false
}

func (c *compiler) knownTarget(name string, at config.Pos, where string) (*config.Target, bool) {
	t, ok := c.cfg.Target(name)
	if !ok && !c.cfg.Incomplete {
		var names []string
		for _, t := range c.cfg.Targets {
			names = append(names, t.Name.Value)
		}
		c.fault(at, "%s names the target %q, which is not there%s", where, name, config.DidYouMean(name, names))
	}
	return t, ok
}

func (c *compiler) knownApproval(name config.Text, where string) {
	if _, ok := c.approvals[name.Value]; ok || c.cfg.Incomplete || name.Value == "" {
		return
	}
	var names []string
	for n := range c.approvals {
		names = append(names, n)
	}
	c.fault(name.Pos, "%s names the approval process %q, which no policy defines%s", where, name.Value, config.DidYouMean(name.Value, names))
}

func (c *compiler) compileTarget(t *config.Target) {
	names := []*cel.Type{cel.StringType, numberedType}
	if t.Connector == "ticket" { // nobody says which names are taken
		names = names[:1]
	}
	a := account{name: c.compile(t.Account.Name, c.scopes.account, "account.name", names...)}
	if workers := t.Workers(); workers.Value != "" {
		c.knownRole(workers, "connection.workers")
	}
	for _, e := range t.Account.Attributes {
		if p := c.compile(e.Value, c.scopes.attributes, "account.attributes."+e.Key.Value, cel.StringType); p != nil {
			a.attributes = append(a.attributes, attribute{e.Key.Value, p})
		}
	}
	c.bundle.accounts[t.Name.Value] = a
	c.bundle.targets = append(c.bundle.targets, t.Name.Value)
}

func (c *compiler) compileLifecycle(p *config.Policy) {
	if p.Lifecycle == nil {
		return
	}
	if c.lifecycle.File != "" {
		c.fault(p.Name.Pos, "policy %q has a lifecycle; the policy at %s has one already, keep one", p.Name.Value, c.lifecycle)
	}
	c.lifecycle = p.Name.Pos
	c.bundle.lifecycle = lifecycleOf(*p.Lifecycle)
	c.bundle.urgent = c.compile(p.Lifecycle.Leaver.Urgent, c.scopes.rules, "lifecycle.leaver.urgent", cel.BoolType)
}

func lifecycleOf(l config.Lifecycle) Lifecycle {
	remind := slices.Clone(l.Contractor.Remind)
	slices.Sort(remind)
	slices.Reverse(remind)
	return Lifecycle{
		Prehire: l.Prehire, MoverGrace: l.Mover.Grace, MoverPrivilegedGrace: l.Mover.Privileged,
		LeaverDeleteAfter: l.Leaver.DeleteAfter, RehireWithin: l.Rehire.Within, ReuseAccounts: l.Rehire.ReuseAccounts,
		LeaveAccounts: l.Leave.Accounts, ContractorRequireEnd: l.Contractor.RequireEnd,
		ContractorMaxTerm: l.Contractor.MaxTerm, ContractorRemind: slices.Compact(remind),
	}
}

func (c *compiler) compileApprovals(p *config.Policy) {
	people := cel.ListType(cel.StringType)
	for _, a := range p.Approvals {
		if len(a.Value) == 0 {
			c.fault(a.Key.Pos, "approval process %q has no stages: nobody could approve", a.Key.Value)
		}
		names := map[string]bool{}
		var stages []stage
		for _, s := range a.Value {
			if names[s.Name.Value] {
				c.fault(s.Name.Pos, "approval process %q has two stages named %q", a.Key.Value, s.Name.Value)
			}
			names[s.Name.Value] = true
			exclude := s.Exclude
			if exclude == nil {
				exclude = []string{"requester", "beneficiary"}
			}
			stages = append(stages, stage{
				Stage: Stage{s.Name.Value, s.Quorum, exclude, s.EscalateAfter, s.DenyAfter, !s.Fallback.IsZero()},

				approvers:  c.compile(s.Approvers, c.scopes.rules, "approvers", people),
				escalateTo: c.compile(s.EscalateTo, c.scopes.rules, "escalateTo", people),
				fallback:   c.compile(s.Fallback, c.scopes.rules, "fallback", people),
			})
		}
		c.bundle.approvals[a.Key.Value] = stages
	}
}

func (c *compiler) compileTests(p *config.Policy) {
	for _, t := range p.Tests {
		if t.Expect.Roles != nil {
			for _, name := range *t.Expect.Roles {
				c.knownRole(name, "expect.roles")
			}
		}
		if t.Expect.Keep != nil {
			for _, e := range *t.Expect.Keep {
				c.knownRole(e.Key, "expect.keep")
			}
		}
		c.bundle.tests = append(c.bundle.tests, test{p.Name.Value, t})
	}
}

func (c *compiler) compileRoles() {
	for _, name := range c.bundle.roleNames {
		r := c.bundle.roles[name]
		r.birthright = c.compile(r.spec.Birthright, c.scopes.birthright, "birthright", cel.BoolType)
		if r.birthright != nil {
			c.bundle.birthrights = append(c.bundle.birthrights, r)
		}
		if q := r.spec.Requestable; q != nil {
			r.when = c.compile(q.When, c.scopes.rules, "requestable.when", cel.BoolType)
			c.knownApproval(q.Approval, "requestable.approval")
		}
		for _, included := range r.spec.Include {
			c.knownRole(included, "include")
		}
		for _, g := range r.spec.Grants {
			c.checkGrant(g)
		}
		c.expand(r, r, nil)
	}
	for _, name := range c.bundle.roleNames {
		c.bundle.roles[name].settle(c.bundle)
	}
	for _, name := range c.bundle.roleNames {
		c.checkRole(c.bundle.roles[name])
	}
}

func (c *compiler) checkGrant(g config.Grant) {
	if g.Target == "" { // a fault of its form, reported when it was read
		return
	}
	t, ok := c.knownTarget(g.Target, g.Pos, "the grant "+g.String())
	if !ok || g.Kind == config.KindAccount || t.Offers(g.Kind) {
		return
	}
	kinds := []string{config.KindAccount}
	for _, k := range t.Entitlements {
		kinds = append(kinds, k.Value)
	}
	c.fault(g.Pos, "the grant %s names the kind %q, which target %q does not offer%s", g, g.Kind, g.Target, config.DidYouMean(g.Kind, kinds))
}

// expand adds to top what r and all it includes are, and reports a cycle through top once, at top.
func (c *compiler) expand(top, r *role, path []string) {
	if slices.Contains(top.expanded, r.info.Name) {
		return
	}
	top.expanded = append(top.expanded, r.info.Name)
	path = append(path, r.info.Name)
	for _, name := range r.spec.Include {
		included, ok := c.bundle.roles[name.Value]
		if !ok {
			continue
		}
		if included == top {
			if slices.Min(path) == top.info.Name { // the same cycle is seen from each of its roles
				c.fault(name.Pos, "roles include one another in a circle: %s", strings.Join(append(slices.Clone(path), top.info.Name), " > "))
			}
			continue
		}
		c.expand(top, included, path)
	}
}

// settle computes what follows from all that the role includes.
func (r *role) settle(b *Bundle) {
	slices.Sort(r.expanded)
	for _, name := range r.expanded {
		included := b.roles[name].spec
		r.info.Privileged = r.info.Privileged || included.Privileged
		for _, g := range included.Grants {
			r.grants = append(r.grants, Grant{r.info.Name, g.Target, g.Kind, g.Name}, Grant{Role: r.info.Name, Target: g.Target, Kind: config.KindAccount})
		}
	}
	slices.SortFunc(r.grants, compareGrants)
	r.grants = slices.Compact(r.grants)
}

// checkRole reports a role that can never be given as it is written.
func (c *compiler) checkRole(r *role) {
	if r.info.Privileged && r.info.Requestable != nil && r.info.Requestable.Approval == "" {
		c.fault(r.at, "role %q is privileged and requestable without approval; name one in requestable.approval", r.info.Name)
	}
	for _, conflict := range c.bundle.Conflicts([]string{r.info.Name}) {
		c.fault(r.at, "role %q by itself breaks the separation of duties %q: it includes %s", r.info.Name, conflict.Name, strings.Join(conflict.Roles, " and "))
	}
}

func (c *compiler) checkSeparations() {
	for _, s := range c.bundle.separations {
		for _, r := range s.Roles {
			c.knownRole(r, "separationOfDuties")
		}
		if s.Waiver != nil {
			c.knownApproval(s.Waiver.Approval, "waiver.approval")
		}
	}
}

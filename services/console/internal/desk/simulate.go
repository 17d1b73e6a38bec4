package desk

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// Simulating asks what a folder of policy would do to everybody who is here.
type Simulating struct {
	Files []config.File
	Base  []config.File // compared with; none: the policy in force
}

// Simulation is the answer. Nothing was changed.
type Simulation struct {
	People    int               `json:"people" doc:"who were decided"`
	Affected  int               `json:"affected"`
	Items     []SimulatedPerson `json:"items" doc:"those affected, by id"`
	Roles     []SimulatedRole   `json:"roles" doc:"who gains and loses, by role"`
	Guards    []SimulatedGuard  `json:"guards" doc:"by name"`
	Conflicts int               `json:"conflicts" doc:"people for whom a separation of duties would be broken"`
}

// SimulatedPerson is what changes for one person.
type SimulatedPerson struct {
	ID        event.IdentityID `json:"id"`
	Name      string           `json:"name"`
	Gains     []string         `json:"gains"`
	Loses     []string         `json:"loses"`
	Adds      []string         `json:"adds" doc:"entitlements"`
	Removes   []string         `json:"removes" doc:"entitlements"`
	Conflicts []string         `json:"conflicts"`
	Fault     string           `json:"fault,omitempty" doc:"why it could not be decided; nothing would change"`
}

// SimulatedRole is how many gain and lose a role.
type SimulatedRole struct {
	ID     string `json:"id"`
	Gained int    `json:"gained"`
	Lost   int    `json:"lost"`
}

// SimulatedGuard is how many a guard would count.
type SimulatedGuard struct {
	ID      string  `json:"id"`
	Action  string  `json:"action"`
	People  int     `json:"people" doc:"it would count, all within its window"`
	Percent float64 `json:"percent" doc:"of all who are here"`
	Trips   bool    `json:"trips"`
}

// Simulate decides everybody who is here by another policy, with the code that decides when it is in force.
func (d *Desk) Simulate(ctx context.Context, s Simulating) (Simulation, error) {
	next, err := d.compiled(s.Files)
	if err != nil {
		return Simulation{}, err
	}
	base, err := d.compared(s.Base)
	if err != nil {
		return Simulation{}, err
	}
	people, err := d.Archive.Population(ctx)
	if err != nil {
		return Simulation{}, unavailable("read everybody who is here from the evidence", err)
	}
	out := Simulation{People: len(people), Items: []SimulatedPerson{}}
	roles := tally{}
	now := d.Clock.Now()
	for _, h := range people {
		e, err := policy.Compare(base, next, h, now)
		if err == nil && e.Nothing() {
			continue
		}
		p := SimulatedPerson{ID: h.Person.ID, Name: displayName(h.Person), Gains: some(e.Gains), Loses: some(e.Loses), Adds: some(e.Adds), Removes: some(e.Removes), Conflicts: some(e.Conflicts)}
		if err != nil {
			p.Fault = err.Error()
		}
		if len(e.Conflicts) > 0 {
			out.Conflicts++
		}
		roles.count(e.Gains, e.Loses)
		out.Items = append(out.Items, p)
	}
	out.Affected, out.Roles = len(out.Items), roles.sorted()
	out.Guards = guarded(next, out)
	return out, nil
}

// tally counts who gains and loses, by role.
type tally map[string]SimulatedRole

func (t tally) count(gains, loses []string) {
	for _, name := range gains {
		r := t[name]
		t[name] = SimulatedRole{name, r.Gained + 1, r.Lost}
	}
	for _, name := range loses {
		r := t[name]
		t[name] = SimulatedRole{name, r.Gained, r.Lost + 1}
	}
}

func (t tally) sorted() []SimulatedRole {
	out := []SimulatedRole{}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		out = append(out, t[name])
	}
	return out
}

func some(list []string) []string { return append([]string{}, list...) }

// guarded says which guards of a policy what it does would trip, if it all came within their windows.
func guarded(b *policy.Bundle, s Simulation) []SimulatedGuard {
	out := []SimulatedGuard{}
	for _, g := range b.Guards() {
		n := 0
		for _, p := range s.Items {
			if g.Action == "grant" && len(p.Adds) > 0 || g.Action == "revoke" && len(p.Removes) > 0 || g.Action == "disable" && slices.ContainsFunc(p.Removes, isAccount) ||
				g.Action == "create" && slices.ContainsFunc(p.Adds, isAccount) {
				n++
			}
		}
		percent := 100 * float64(n) / float64(max(1, s.People))
		out = append(out, SimulatedGuard{ID: g.Name.Value, Action: g.Action, People: n, Percent: percent,
			Trips: g.Count > 0 && n > g.Count || g.Percent > 0 && percent > g.Percent})
	}
	slices.SortFunc(out, func(a, b SimulatedGuard) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func isAccount(entitlement string) bool {
	return len(entitlement) > 8 && entitlement[len(entitlement)-8:] == ":account"
}

// compiled reads a folder, or says what is wrong with it.
func (d *Desk) compiled(files []config.File) (*policy.Bundle, error) {
	cfg, findings, err := d.Check(files)
	if err != nil {
		return nil, unavailable("check the policy", err)
	}
	if len(findings) > 0 {
		return nil, &Fault{Kind: Invalid, Detail: "the policy is not fit to be simulated", Items: findings}
	}
	b, err := policy.Compile(cfg)
	if err != nil {
		return nil, unavailable("compile the policy", err)
	}
	return b, nil
}

// compared is the policy to compare with.
func (d *Desk) compared(files []config.File) (*policy.Bundle, error) {
	if len(files) > 0 {
		return d.compiled(files)
	}
	current, ok, err := d.Policies.Current()
	if err != nil {
		return nil, unavailable("read the policy in force", err)
	}
	if !ok {
		return nil, fault(Conflict, "no policy is in force to compare with: name one, or publish one first")
	}
	b, err := policy.Compile(current.Config)
	if err != nil {
		return nil, unavailable("compile the policy in force", err)
	}
	return b, nil
}

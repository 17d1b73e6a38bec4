package policy

import (
	"slices"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
)

// Owner is who answers for a role or a target, by employee number.
type Owner struct {
	Number    string // empty: nobody
	Secondary string // in place of an owner who has left; empty: nobody
}

func owner(o *config.Owner) Owner {
	if o == nil {
		return Owner{}
	}
	return Owner{o.EmployeeNumber.Value, o.Secondary.Value}
}

// present is who answers now: the owner; once that one has left, the secondary, then the owner's manager.
func (o Owner) present(dir Directory) (event.IdentityID, bool) {
	id, known := dir.ByEmployeeNumber(o.Number)
	if o.Number == "" || known && dir.Present(id) {
		return id, known
	}
	if second, ok := dir.ByEmployeeNumber(o.Secondary); ok && dir.Present(second) {
		return second, true
	}
	if !known {
		return "", false
	}
	return dir.ManagerOf(id)
}

// Owned is what a person answers for: `role:x` and `target:y`, with who is next in line.
type Owned struct {
	What string
	Owner
}

// OwnedBy returns what the person of that employee number owns, roles before targets, by name.
func (b *Bundle) OwnedBy(number string) []Owned { return slices.Clone(b.owned[number]) }

// settleOwners notes who owns what.
func (b *Bundle) settleOwners() {
	b.owned = map[string][]Owned{}
	add := func(what string, o Owner) {
		if o.Number != "" {
			b.owned[o.Number] = append(b.owned[o.Number], Owned{what, o})
		}
	}
	for _, name := range b.roleNames {
		add("role:"+name, owner(b.roles[name].spec.Owner))
	}
	for _, name := range b.targets {
		t, _ := b.cfg.Target(name) // the targets are those of the configuration
		add("target:"+name, owner(t.Owner))
	}
}

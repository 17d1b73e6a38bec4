package connector_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"joinery.internal/pkg/connector"
)

// says writes a plan the way the table above Plan does.
func says(ops []connector.Op) string {
	var out []string
	for _, op := range ops {
		s := string(op.Verb)
		for _, e := range op.Want.Entitlements {
			s += " " + e
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func TestThePlanIsAsTheTableSays(t *testing.T) {
	t.Parallel()
	account := func(enabled bool, entitlements ...string) *connector.Object {
		return &connector.Object{
			Ref: connector.Ref{Account: "ana", RemoteID: "7", ExternalID: "id-1"}, Enabled: enabled,
			Attributes: map[string]string{"title": "Engineer", "floor": "2"}, Entitlements: entitlements,
		}
	}
	for _, row := range []struct {
		name  string
		have  *connector.Object
		state connector.State
		title string
		want  string
	}{
		{"nothing stays nothing", nil, connector.Absent, "", ""},
		{"a hire", nil, connector.Active, "Engineer", "create, grant group/a, grant group/b"},
		{"a hire ahead of the first day", nil, connector.Disabled, "Engineer", "create, grant group/a, grant group/b"},
		{"a deletion", account(true, "group/a"), connector.Absent, "", "delete"},
		{"a leaver", account(true, "group/a", "group/x"), connector.Disabled, "Gone", "disable, revoke group/x, update, grant group/b"},
		{"a mover", account(true, "group/x"), connector.Active, "Lead", "revoke group/x, update, grant group/a, grant group/b"},
		{"a rehire", account(false, "group/x"), connector.Active, "Lead", "revoke group/x, update, enable, grant group/a, grant group/b"},
		{"a disabled one stays so", account(false, "group/a", "group/b"), connector.Disabled, "Engineer", ""},
		{"as it should be", account(true, "group/a", "group/b", "licence/gold"), connector.Active, "Engineer", ""},
	} {
		ops := connector.Plan(row.have, connector.Desired{
			Account: "Ana", ExternalID: "id-1", State: row.state, Attributes: map[string]string{"title": row.title},
			Entitlements: []string{"group/b", "group/a", "group/b"}, ManagedKinds: []string{"group"},
		})
		if got := says(ops); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestACreateCarriesTheAccountAndNoEmptyValues(t *testing.T) {
	t.Parallel()
	attributes := map[string]string{"title": "Engineer", "floor": ""}
	ops := connector.Plan(nil, connector.Desired{Account: "ana", ExternalID: "id-1", State: connector.Active, Attributes: attributes})
	got := ops[0].Want
	if got.Account != "ana" || got.ExternalID != "id-1" || !got.Enabled || len(got.Attributes) != 1 || got.Attributes["title"] != "Engineer" {
		t.Errorf("create carries %+v", got)
	}
	if len(attributes) != 2 {
		t.Error("the plan changed what it was given")
	}
}

func TestAnUpdateCarriesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	have := &connector.Object{Ref: connector.Ref{Account: "ana"}, Enabled: true, Attributes: map[string]string{"title": "x", "floor": "2", "desk": "9"}}
	ops := connector.Plan(have, connector.Desired{
		Account: "ana2", ExternalID: "id-1", State: connector.Active,
		Attributes: map[string]string{"title": "y", "floor": "", "room": "", "desk": "9"},
	})
	if got := fmt.Sprint(says(ops), ops[0].Want.Attributes, ops[0].Want.Account, ops[0].Want.ExternalID); got != "updatemap[floor: title:y]ana2id-1" {
		t.Errorf("the update is %s", got)
	}
}

// A plan, applied in a model, leads to what is wanted; cut short anywhere, it leaves no access that was neither there
// before nor wanted, and none that was to go first is left behind what was added.
func TestAPlanLeadsToWhatIsWanted(t *testing.T) {
	t.Parallel()
	names := []string{"group/a", "group/b", "group/c", "other/d"}
	draw := func(rt *rapid.T, label string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(e string) bool { return !rapid.Bool().Draw(rt, label+e) })
	}
	rapid.Check(t, func(rt *rapid.T) {
		var have *connector.Object
		if rapid.Bool().Draw(rt, "exists") {
			have = &connector.Object{Ref: connector.Ref{Account: "ana"}, Enabled: rapid.Bool().Draw(rt, "enabled"), Entitlements: draw(rt, "has ")}
		}
		want := connector.Desired{
			Account: "ana", ManagedKinds: []string{"group"}, Entitlements: draw(rt, "wants "),
			State: rapid.SampledFrom([]connector.State{connector.Active, connector.Disabled, connector.Absent}).Draw(rt, "state"),
		}
		ops := connector.Plan(have, want)
		granting := false
		for _, op := range ops {
			if granting && (op.Verb == connector.Revoke || op.Verb == connector.Disable) {
				rt.Fatalf("%s: takes away after it has given", says(ops))
			}
			granting = granting || op.Verb == connector.Grant || op.Verb == connector.Enable
			have = apply(have, op)
		}
		if again := connector.Plan(have, want); len(again) != 0 {
			rt.Fatalf("after %q there is still %q", says(ops), says(again))
		}
	})
}

func apply(have *connector.Object, op connector.Op) *connector.Object {
	switch op.Verb {
	case connector.Create:
		o := op.Want.Clone()
		return &o
	case connector.Delete:
		return nil
	case connector.Enable, connector.Disable:
		have.Enabled = op.Verb == connector.Enable
	case connector.Grant:
		have.Entitlements = append(have.Entitlements, op.Want.Entitlements...)
	case connector.Revoke:
		have.Entitlements = slices.DeleteFunc(have.Entitlements, func(e string) bool { return e == op.Want.Entitlements[0] })
	}
	return have
}

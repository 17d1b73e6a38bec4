package connectortest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"joinery.internal/pkg/connector"
)

func (k kit) desired(name string) connector.Desired {
	return connector.Desired{
		Account: name, ExternalID: "id of " + name, State: connector.Active,
		Attributes:   map[string]string{k.h.Attributes[0]: "one", k.h.Attributes[1]: "two"},
		Entitlements: []string{k.entitlement(0), k.entitlement(1)},
		ManagedKinds: []string{k.h.Kind},
	}
}

func (k kit) drives(t *testing.T) {
	c := k.h.New(t)
	want := k.desired("ana.berg")
	steps := []struct {
		say    string
		change func()
		ops    []connector.Verb
	}{
		{"hired", func() {}, []connector.Verb{connector.Create, connector.Grant, connector.Grant}},
		{"moved", func() {
			want.Attributes[k.h.Attributes[0]] = "three"
			want.Entitlements = []string{k.entitlement(1), k.entitlement(2)}
		}, []connector.Verb{connector.Revoke, connector.Update, connector.Grant}},
		{"left", func() { want.State, want.Entitlements = connector.Disabled, nil },
			[]connector.Verb{connector.Disable, connector.Revoke, connector.Revoke}},
		{"rehired", func() { want.State = connector.Active }, []connector.Verb{connector.Enable}},
		{"forgotten", func() { want.State = connector.Absent }, []connector.Verb{connector.Delete}},
	}
	for _, step := range steps {
		step.change()
		out := k.mustDrive(t, c, want)
		if got := verbs(out.Changes); !slices.Equal(got, step.ops) {
			t.Errorf("%s: changes %q, want %q", step.say, got, step.ops)
		}
		want.RemoteID = out.RemoteID
		if again := k.mustDrive(t, k.h.New(t), want); !again.Unchanged() {
			t.Errorf("%s: the second drive changed %q", step.say, verbs(again.Changes))
		}
	}
	if all := k.h.Inspect(t); len(all) != 0 {
		t.Errorf("the target still has %+v", all)
	}
}

func (k kit) adopts(t *testing.T) {
	c := k.h.New(t)
	nobodys := k.account("ana.berg")
	nobodys.ExternalID = ""
	k.mustApply(t, c, connector.Op{Key: "k", Verb: connector.Create, Ref: nobodys.Ref, Want: nobodys}, true)
	gone := k.desired("ana.berg")
	gone.State = connector.Absent
	_, err := connector.Drive(t.Context(), c, "k", gone)
	wantClass(t, err, connector.Conflict) // deleting is not for what may be another's

	out := k.mustDrive(t, c, k.desired("ana.berg"))
	if !out.Adopted || out.Before == nil {
		t.Errorf("the drive says adopted=%v before=%v", out.Adopted, out.Before)
	}
	if got := k.one(t); got.ExternalID != "id of ana.berg" {
		t.Errorf("the adopted account carries the external id %q", got.ExternalID)
	}
	if again := k.mustDrive(t, c, k.desired("ana.berg")); again.Adopted || !again.Unchanged() {
		t.Errorf("the second drive says adopted=%v and changed %q", again.Adopted, verbs(again.Changes))
	}

	mine := k.desired("ana.berg")
	mine.ExternalID = "somebody else"
	before := k.one(t)
	out, err = connector.Drive(t.Context(), c, "k", mine)
	wantClass(t, err, connector.Conflict)
	if len(out.Changes) > 0 || k.one(t).ExternalID != before.ExternalID {
		t.Errorf("another's account was changed: %q", verbs(out.Changes))
	}
	name, adopted, err := connector.FindFree(t.Context(), c, "ana.berg", connector.Ours("somebody else"))
	if err != nil || name != "ana.berg2" || adopted != nil {
		t.Errorf("the next free name is %q (%v, %v), want ana.berg2", name, adopted, err)
	}
	name, adopted, err = connector.FindFree(t.Context(), c, "ana.berg", connector.Ours("id of ana.berg"))
	if err != nil || name != "ana.berg" || adopted == nil {
		t.Errorf("the owner gets %q (%v, %v), want ana.berg, adopted", name, adopted, err)
	}
}

func (k kit) mustDrive(t *testing.T, c connector.Connector, want connector.Desired) connector.Outcome {
	t.Helper()
	out, err := connector.Drive(t.Context(), c, "key", want)
	if err != nil {
		t.Fatalf("drive %s: %v", want.Account, err)
	}
	return out
}

func verbs(ops []connector.Op) []connector.Verb {
	out := make([]connector.Verb, len(ops))
	for i, op := range ops {
		out[i] = op.Verb
	}
	return out
}

// random drives a few accounts to random wishes and compares the target with a map.
func (k kit) random(t *testing.T) {
	c := k.h.New(t)
	began := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if k.h.RandomFor > 0 && time.Since(began) > k.h.RandomFor {
			return
		}
		k.h.Reset(t)
		model := map[string]connector.Object{}
		for i := range rapid.IntRange(1, 5).Draw(rt, "steps") {
			want := k.drawDesired(rt)
			out, err := connector.Drive(context.Background(), c, fmt.Sprint("key", i), want)
			if err != nil {
				rt.Fatalf("drive %+v: %v", want, err)
			}
			expect(model, want)
			want.RemoteID = out.RemoteID
			again, err := connector.Drive(context.Background(), c, "again", want)
			if err != nil || !again.Unchanged() {
				rt.Fatalf("the second drive of %+v changed %q: %v", want, verbs(again.Changes), err)
			}
			k.compare(rt, k.h.Inspect(t), model)
		}
	})
}

func (k kit) drawDesired(rt *rapid.T) connector.Desired {
	name := rapid.SampledFrom(k.h.Accounts[:4]).Draw(rt, "account")
	want := connector.Desired{
		Account: name, ExternalID: "id of " + name, ManagedKinds: []string{k.h.Kind}, Attributes: map[string]string{},
		State: rapid.SampledFrom([]connector.State{connector.Active, connector.Disabled, connector.Absent}).Draw(rt, "state"),
	}
	for _, attribute := range k.h.Attributes {
		if rapid.Bool().Draw(rt, "names "+attribute) {
			want.Attributes[attribute] = rapid.SampledFrom([]string{"", "x", "Zoë", `"q" 'r' \s`}).Draw(rt, attribute)
		}
	}
	for i := range Names() {
		if rapid.Bool().Draw(rt, "holds "+Names()[i]) {
			want.Entitlements = append(want.Entitlements, k.entitlement(i))
		}
	}
	return want
}

// expect makes in the model what a drive should make in the target.
func expect(model map[string]connector.Object, want connector.Desired) {
	if want.State == connector.Absent {
		delete(model, want.Account)
		return
	}
	o, there := model[want.Account]
	if !there {
		o = connector.Object{Ref: connector.Ref{Account: want.Account, ExternalID: want.ExternalID}, Attributes: map[string]string{}}
	}
	o.Enabled = want.State == connector.Active
	maps.Copy(o.Attributes, want.Attributes)
	o.Entitlements = slices.Sorted(slices.Values(want.Entitlements))
	model[want.Account] = o
}

func (k kit) compare(rt *rapid.T, there []connector.Object, model map[string]connector.Object) {
	if len(there) != len(model) {
		rt.Fatalf("the target has %d accounts, the model %d: %+v", len(there), len(model), there)
	}
	for _, got := range there {
		want, ok := model[got.Account]
		if !ok {
			rt.Fatalf("the target has %q, the model not", got.Account)
		}
		if got.ExternalID != want.ExternalID || got.Enabled != want.Enabled || !slices.Equal(got.Entitlements, want.Entitlements) {
			rt.Fatalf("the target has %+v, the model %+v", got, want)
		}
		for _, attribute := range k.h.Attributes {
			if got.Attributes[attribute] != want.Attributes[attribute] {
				rt.Fatalf("%s of %s is %q, the model has %q", attribute, got.Account, got.Attributes[attribute], want.Attributes[attribute])
			}
		}
	}
}

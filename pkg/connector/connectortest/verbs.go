package connectortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"joinery.internal/pkg/connector"
)

func (k kit) create(t *testing.T) {
	c := k.h.New(t)
	want := k.account("ana.berg")
	op := connector.Op{Key: "k1", Verb: connector.Create, Ref: want.Ref, Want: want}
	res := k.mustApply(t, c, op, true)

	_, err := c.Apply(t.Context(), op)
	wantClass(t, err, connector.Conflict)

	there := k.one(t)
	if there.Account != want.Account || there.ExternalID != want.ExternalID || !there.Enabled {
		t.Errorf("the target has %+v, want %+v", there, want)
	}
	name := k.h.Attributes[0]
	if there.Attributes[name] != want.Attributes[name] {
		t.Errorf("attribute %s is %q, want %q", name, there.Attributes[name], want.Attributes[name])
	}
	if got := k.get(t, c, connector.Ref{Account: "ana.berg"}); got.RemoteID != res.RemoteID {
		t.Errorf("found by name it has id %q, created with %q", got.RemoteID, res.RemoteID)
	}
}

func (k kit) deletes(t *testing.T) {
	c := k.h.New(t)
	ref := k.mustCreate(t, c, "ana.berg")
	op := connector.Op{Key: "k2", Verb: connector.Delete, Ref: ref}
	k.mustApply(t, c, op, true)
	k.mustApply(t, c, op, false)
	if all := k.h.Inspect(t); len(all) != 0 {
		t.Errorf("the target still has %+v", all)
	}
	if _, err := c.Get(t.Context(), ref); !errors.Is(err, connector.ErrNotFound) {
		t.Errorf("get after delete: %v, want ErrNotFound", err)
	}
}

func (k kit) enables(t *testing.T) {
	c := k.h.New(t)
	ref := k.mustCreate(t, c, "ana.berg")
	for _, step := range []struct {
		verb    connector.Verb
		changed bool
	}{{connector.Enable, false}, {connector.Disable, true}, {connector.Disable, false}, {connector.Enable, true}} {
		k.mustApply(t, c, connector.Op{Key: "k", Verb: step.verb, Ref: ref}, step.changed)
		want := step.verb == connector.Enable
		if got := k.one(t); got.Enabled != want {
			t.Fatalf("after %s the target has enabled=%v", step.verb, got.Enabled)
		}
		if got := k.get(t, c, ref); got.Enabled != want {
			t.Fatalf("after %s the connector reads enabled=%v", step.verb, got.Enabled)
		}
	}
	o := k.account("born.disabled")
	o.Enabled = false
	k.mustApply(t, c, connector.Op{Key: "k3", Verb: connector.Create, Ref: o.Ref, Want: o}, true)
	if got := k.get(t, c, o.Ref); got.Enabled {
		t.Error("an account created disabled is enabled")
	}
}

func (k kit) grants(t *testing.T) {
	c := k.h.New(t)
	ref := k.mustCreate(t, c, "ana.berg")
	other := k.mustCreate(t, c, "other.one")
	k.mustApply(t, c, connector.Op{Key: "o", Verb: connector.Grant, Ref: other, Want: connector.Object{Entitlements: []string{k.entitlement(0)}}}, true)
	for i := range Names() {
		e := connector.Object{Entitlements: []string{k.entitlement(i)}}
		for _, step := range []struct {
			verb    connector.Verb
			changed bool
		}{{connector.Grant, true}, {connector.Grant, false}, {connector.Revoke, true}, {connector.Revoke, false}, {connector.Grant, true}} {
			k.mustApply(t, c, connector.Op{Key: "k", Verb: step.verb, Ref: ref, Want: e}, step.changed)
		}
	}
	want := []string{k.entitlement(0), k.entitlement(1), k.entitlement(2)}
	slices.Sort(want)
	for _, got := range []connector.Object{sorted(k.h.Inspect(t))[0], k.get(t, c, ref)} {
		if !slices.Equal(got.Entitlements, want) {
			t.Errorf("entitlements are %q, want %q", got.Entitlements, want)
		}
	}
	if got := k.get(t, c, other); !slices.Equal(got.Entitlements, []string{k.entitlement(0)}) {
		t.Errorf("the other account has %q, untouched it would have %q", got.Entitlements, k.entitlement(0))
	}
	// A connector opened anew has no caches to go by.
	k.mustApply(t, k.h.New(t), connector.Op{Key: "k", Verb: connector.Revoke, Ref: ref, Want: connector.Object{Entitlements: []string{k.entitlement(0)}}}, true)
}

func (k kit) updates(t *testing.T) {
	c := k.h.New(t)
	ref := k.mustCreate(t, c, "ana.berg")
	first, second := k.h.Attributes[0], k.h.Attributes[1]
	was := k.account("ana.berg").Attributes[first]
	update := func(attributes map[string]string, changed bool) connector.Object {
		t.Helper()
		k.mustApply(t, c, connector.Op{Key: "k", Verb: connector.Update, Ref: ref, Want: connector.Object{Attributes: attributes}}, changed)
		return k.one(t)
	}
	got := update(map[string]string{second: "new"}, true)
	if got.Attributes[first] != was || got.Attributes[second] != "new" {
		t.Errorf("attributes are %q; %s should have stayed %q", got.Attributes, first, was)
	}
	update(map[string]string{second: "new"}, false)
	got = update(map[string]string{first: "", second: "newer"}, true)
	if got.Attributes[first] != "" || got.Attributes[second] != "newer" {
		t.Errorf("attributes are %q; %s should be gone", got.Attributes, first)
	}
	if got.Account != "ana.berg" || got.ExternalID != ref.ExternalID || !got.Enabled {
		t.Errorf("the update changed more than attributes: %+v", got)
	}
}

func (k kit) missing(t *testing.T) {
	c := k.h.New(t)
	ref := connector.Ref{Account: "no.body", ExternalID: "none"}
	if _, err := c.Get(t.Context(), ref); !errors.Is(err, connector.ErrNotFound) {
		t.Errorf("get: %v, want ErrNotFound", err)
	}
	want := connector.Object{Attributes: map[string]string{k.h.Attributes[0]: "x"}, Entitlements: []string{k.entitlement(0)}}
	for _, verb := range []connector.Verb{connector.Update, connector.Enable, connector.Disable, connector.Grant, connector.Revoke} {
		_, err := c.Apply(t.Context(), connector.Op{Key: "k", Verb: verb, Ref: ref, Want: want})
		wantClass(t, err, connector.NotFound)
	}
	_, err := c.Apply(t.Context(), connector.Op{Key: "k", Verb: "paint", Ref: k.mustCreate(t, c, "ana.berg")})
	wantClass(t, err, connector.Unsupported)
}

func (k kit) escaping(t *testing.T) {
	c := k.h.New(t)
	for _, name := range k.h.Accounts {
		k.mustCreate(t, c, name)
	}
	for _, name := range k.h.Accounts {
		if got := k.get(t, c, connector.Ref{Account: name}); got.Account != name {
			t.Errorf("asked for %q, got %q", name, got.Account)
		}
		if got := k.get(t, c, connector.Ref{ExternalID: "id of " + name}); got.Account != name {
			t.Errorf("asked for the account of %q by external id, got %q", name, got.Account)
		}
		k.mustApply(t, c, connector.Op{Key: "k", Verb: connector.Disable, Ref: connector.Ref{Account: name}}, true)
	}
	if got, want := len(k.h.Inspect(t)), len(k.h.Accounts); got != want {
		t.Errorf("the target has %d accounts, want %d", got, want)
	}
}

func (k kit) byExternalID(t *testing.T) {
	c := k.h.New(t)
	ref := k.mustCreate(t, c, "ana.berg")
	k.mustCreate(t, c, "other.one")
	got := k.get(t, c, connector.Ref{Account: "another.name", ExternalID: ref.ExternalID})
	if got.Account != "ana.berg" || got.RemoteID != ref.RemoteID {
		t.Errorf("found %+v, want ana.berg with id %s", got.Ref, ref.RemoteID)
	}
}

func (k kit) stale(t *testing.T) {
	c := k.h.New(t)
	d, err := c.Describe(t.Context())
	if err != nil {
		t.Fatalf("describe: %v", err)
	}
	ref := k.mustCreate(t, c, "ana.berg")
	version := k.get(t, c, ref).Version
	if d.Conditional && version == "" {
		t.Fatal("the target has versions, the account has none")
	}
	update := func(value string) error {
		_, err := c.Apply(t.Context(), connector.Op{Key: "k", Verb: connector.Update, Ref: ref, IfVersion: version,
			Want: connector.Object{Attributes: map[string]string{k.h.Attributes[1]: value}}})
		return err
	}
	if err := update("one"); err != nil {
		t.Fatalf("update of the version just read: %v", err)
	}
	err = update("two")
	if d.Conditional {
		wantClass(t, err, connector.Conflict)
	} else if err != nil {
		t.Errorf("update where there are no versions: %v", err)
	}
}

func (k kit) paging(t *testing.T) {
	c := k.h.New(t)
	lister, ok := c.(connector.Lister)
	if !ok {
		t.Fatalf("%T is no Lister; the reconciler needs one", c)
	}
	const n = 23
	for i := range n {
		k.mustCreate(t, c, fmt.Sprintf("user%02d", i))
	}
	e := connector.Object{Entitlements: []string{k.entitlement(0)}}
	k.mustApply(t, c, connector.Op{Key: "g", Verb: connector.Grant, Ref: connector.Ref{Account: "user03"}, Want: e}, true)

	seen := map[string]connector.Object{}
	pages := 0
	for token := ""; ; pages++ {
		page, err := lister.List(t.Context(), connector.ListRequest{Token: token, Limit: 5})
		if err != nil {
			t.Fatalf("page %d: %v", pages, err)
		}
		if len(page.Objects) > 5 {
			t.Fatalf("page %d has %d accounts, the limit is 5", pages, len(page.Objects))
		}
		for _, o := range page.Objects {
			seen[o.Account] = o
		}
		if token = page.Next; token == "" {
			break
		}
		switch pages {
		case 0: // what comes and goes must not hide those that stay
			k.mustApply(t, c, connector.Op{Key: "d", Verb: connector.Delete, Ref: connector.Ref{Account: "user00"}}, true)
		case 1:
			k.mustCreate(t, c, "a.new.one")
		}
	}
	for i := 1; i < n; i++ {
		if _, ok := seen[fmt.Sprintf("user%02d", i)]; !ok {
			t.Errorf("user%02d is in no page", i)
		}
	}
	if got := seen["user03"].Entitlements; !slices.Equal(got, e.Entitlements) {
		t.Errorf("user03 is listed with %q, want %q", got, e.Entitlements)
	}
	if pages < 2 {
		t.Errorf("%d accounts came in %d pages", n, pages+1)
	}
}

func (k kit) check(t *testing.T) {
	findings, err := k.h.New(t).Check(t.Context())
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	if len(findings) == 0 {
		t.Error("the check found nothing, not even that the target is reachable")
	}
	for _, f := range findings {
		if f.Level == connector.Fault {
			t.Errorf("%s: %s", f.Subject, f.Message)
		}
	}
}

func (k kit) cancelled(t *testing.T) {
	c := k.h.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := k.account("ana.berg")
	if _, err := c.Get(ctx, o.Ref); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v, want context.Canceled inside", err)
	}
	_, err := c.Apply(ctx, connector.Op{Key: "k", Verb: connector.Create, Ref: o.Ref, Want: o})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("create: %v, want context.Canceled inside", err)
	}
	wantClass(t, err, connector.Transient) // nothing was sent
	k.mustCreate(t, c, "ana.berg")
}

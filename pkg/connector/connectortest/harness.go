package connectortest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
)

// Harness is one target and a way to look into it.
type Harness struct {
	// New opens the connector anew on the same target, as after a restart. It closes it with the test.
	New func(t *testing.T) connector.Connector
	// Reset leaves the target without accounts, able to grant each of Names.
	Reset func(t *testing.T)
	// Inspect reads all accounts without the connector. RemoteID and Version may be empty.
	Inspect func(t *testing.T) []connector.Object
	// Attributes are two text attributes the target can hold and remove.
	Attributes [2]string
	// Kind is the entitlement kind under test; the connector is opened to manage it.
	Kind string
	// Accounts are names that tear a query put together by hand; nil: those of the kit. Give others where the target
	// forbids some of the kit's.
	Accounts []string
	// RandomFor bounds the time of random sequences on a slow target; 0: all are tried.
	RandomFor time.Duration
	// HTTP is set for targets reached over a network of the kit's choosing.
	HTTP *HTTP
}

// HTTP lets the kit put a proxy between the connector and its target.
type HTTP struct {
	URL    string // what New's connection.url is
	Secret string // what must not show up in any error
	// Open opens the connector with another URL and time-out.
	Open func(t *testing.T, url string, timeout time.Duration) connector.Connector
	// Proxy stands before targets that do not speak HTTP, whose answers have no statuses; nil: NewProxy.
	Proxy func(t *testing.T, url string) Faulty
}

// Faulty stands between a connector and its target and spoils calls; see Proxy for what each method does.
type Faulty interface {
	URL() string
	Close()
	Writes() int
	Next(HTTPFault)
	Clear()
}

// Names are the names of entitlements that the kit grants.
func Names() []string {
	return []string{"engineering", "O'Brien \"& Söhne\" (\\ü)", "a) or (displayName pr"}
}

// accounts are names that tear a filter or a statement that is put together by hand.
func accounts() []string {
	return []string{
		"ana.berg", "o'brien", `quote"d`, `back\slash`, `a" or userName pr or userName eq "`, "'; delete from accounts; --",
		"žluťoučký.kůň", "李.小龍", "per%cent", "under_score", "plus+and space", "(paren)*", ":account", "slash/ed?x#y",
	}
}

// Run runs the whole kit.
func Run(t *testing.T, h Harness) {
	if h.Accounts == nil {
		h.Accounts = accounts()
	}
	k := kit{h}
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"create makes one account and a second create with the same key is a conflict", k.create},
		{"delete removes the account and finds it gone the second time", k.deletes},
		{"enable and disable are idempotent", k.enables},
		{"grant and revoke are idempotent", k.grants},
		{"update changes what is named and nothing else", k.updates},
		{"a change to a missing account is not found", k.missing},
		{"names with quotes, filters and Unicode are found exactly", k.escaping},
		{"an account is found by its external id under any name", k.byExternalID},
		{"a stale version is a conflict where the target has versions", k.stale},
		{"pages hold every account while others come and go", k.paging},
		{"a drive reaches what is wanted and the second one changes nothing", k.drives},
		{"a drive adopts an account that is nobody's and leaves another's alone", k.adopts},
		{"the check of a target that works finds no fault", k.check},
		{"a cancelled call says so and can be made again", k.cancelled},
		{"random sequences end as the model says", k.random},
	} {
		t.Run(part.name, func(t *testing.T) {
			h.Reset(t)
			part.run(t)
		})
	}
	if h.HTTP != nil {
		k.runHTTP(t)
	}
}

type kit struct{ h Harness }

// account returns a whole account of that name.
func (k kit) account(name string) connector.Object {
	return connector.Object{
		Ref:        connector.Ref{Account: name, ExternalID: "id of " + name},
		Enabled:    true,
		Attributes: map[string]string{k.h.Attributes[0]: "Chief \"Ünit\" O'ffice"},
	}
}

func (k kit) entitlement(i int) string { return connector.Entitlement(k.h.Kind, Names()[i]) }

// mustApply makes a change and fails the test if it did not succeed, or not with that Changed.
func (k kit) mustApply(t *testing.T, c connector.Connector, op connector.Op, changed bool) connector.Result {
	t.Helper()
	res, err := c.Apply(t.Context(), op)
	if err != nil {
		t.Fatalf("%s: %v", op.Verb, err)
	}
	if res.Changed != changed {
		t.Errorf("%s: changed is %v, want %v", op.Verb, res.Changed, changed)
	}
	return res
}

// create makes an account and returns how to find it.
func (k kit) mustCreate(t *testing.T, c connector.Connector, name string) connector.Ref {
	t.Helper()
	o := k.account(name)
	res := k.mustApply(t, c, connector.Op{Key: "create " + name, Verb: connector.Create, Ref: o.Ref, Want: o}, true)
	if res.RemoteID == "" {
		t.Fatalf("create %s gave no remote id", name)
	}
	return connector.Ref{Account: name, RemoteID: res.RemoteID, ExternalID: o.ExternalID}
}

// one returns the only account there is.
func (k kit) one(t *testing.T) connector.Object {
	t.Helper()
	all := k.h.Inspect(t)
	if len(all) != 1 {
		t.Fatalf("the target has %d accounts, want 1: %+v", len(all), all)
	}
	return all[0]
}

func (k kit) get(t *testing.T, c connector.Connector, ref connector.Ref) connector.Object {
	t.Helper()
	o, err := c.Get(t.Context(), ref)
	if err != nil {
		t.Fatalf("get %+v: %v", ref, err)
	}
	return o
}

func wantClass(t *testing.T, err error, want connector.Class) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want class %s", want)
	}
	if got := connector.ClassOf(err); got != want {
		t.Errorf("class %s, want %s: %v", got, want, err)
	}
}

// sorted puts accounts into the order of their names.
func sorted(objects []connector.Object) []connector.Object {
	slices.SortFunc(objects, func(a, b connector.Object) int { return strings.Compare(a.Account, b.Account) })
	return objects
}

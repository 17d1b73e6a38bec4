package listing

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"joinery.internal/pkg/connector"
	"joinery.internal/services/reconciler/internal/drift"
)

func sealed(t testing.TB, objects ...connector.Object) *spool {
	t.Helper()
	s, err := newSpool(t.TempDir(), 6)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := s.add(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.seal(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhatIsSpooledReadsTheSame(t *testing.T) {
	t.Parallel()
	text := rapid.String()
	account := rapid.Custom(func(t *rapid.T) connector.Object {
		return connector.Object{Ref: connector.Ref{Account: text.Draw(t, "account"), RemoteID: text.Draw(t, "remote"), ExternalID: text.Draw(t, "owner")},
			Version: text.Draw(t, "version"), Enabled: rapid.Bool().Draw(t, "enabled"), Entitlements: rapid.SliceOfN(text, 0, 4).Draw(t, "entitlements"),
			Attributes: rapid.MapOfN(text, text, 0, 4).Draw(t, "attributes")}
	})
	rapid.Check(t, func(r *rapid.T) {
		o := account.Draw(r, "o")
		got, err := parseObject(appendObject(nil, o))
		if err != nil || got.Ref != o.Ref || got.Version != o.Version || got.Enabled != o.Enabled || !slices.Equal(got.Entitlements, o.Entitlements) || !maps.Equal(got.Attributes, o.Attributes) {
			r.Fatalf("%+v reads %+v", o, got)
		}
	})
}

func TestAnAccountIsFoundByRemoteIDThenOwnerThenName(t *testing.T) {
	t.Parallel()
	a := connector.Object{Ref: connector.Ref{Account: "Ann.Lee", RemoteID: "r1", ExternalID: "id-a"}}
	b := connector.Object{Ref: connector.Ref{Account: "bob", RemoteID: "r2", ExternalID: "id-b"}}
	s := sealed(t, a, b, connector.Object{Ref: connector.Ref{Account: "nobody"}})
	for want, ref := range map[string]connector.Ref{
		"Ann.Lee": {RemoteID: "r1", ExternalID: "id-b", Account: "bob"},
		"bob":     {RemoteID: "gone", ExternalID: "id-b", Account: "Ann.Lee"},
		"nobody":  {Account: "NOBODY"},
	} {
		if o := s.Find(ref); o == nil || o.Account != want {
			t.Errorf("%+v finds %+v, want %s", ref, o, want)
		}
	}
	if o := s.Find(connector.Ref{}); o != nil {
		t.Errorf("nothing asked for, %+v found", o)
	}
}

func TestEachPartitionHasItsOwnAccountsAndAnEmptyListingHasNone(t *testing.T) {
	t.Parallel()
	var objects []connector.Object
	for i := range 500 {
		objects = append(objects, connector.Object{Ref: connector.Ref{Account: fmt.Sprint("a", i)}})
	}
	s := sealed(t, objects...)
	seen := map[string]bool{}
	for p := range int32(6) {
		for o := range s.Of(p) {
			seen[drift.Owner(o)] = true
		}
	}
	if len(seen) != 500 || s.Len() != 500 {
		t.Errorf("%d seen of %d", len(seen), s.Len())
	}
	if empty := sealed(t); empty.Len() != 0 || empty.Find(connector.Ref{Account: "a1"}) != nil {
		t.Error("something in an empty listing")
	}
}

func TestWhatCannotBeReadBackIsNotFoundAndSaidToBeSo(t *testing.T) {
	t.Parallel()
	s := sealed(t, connector.Object{Ref: connector.Ref{Account: "ann"}}, connector.Object{Ref: connector.Ref{Account: "bob"}})
	if err := s.file.Close(); err != nil {
		t.Fatal(err)
	}
	if o := s.Find(connector.Ref{Account: "ann"}); o != nil {
		t.Errorf("%+v found", o)
	}
	for o := range s.Of(0) {
		t.Errorf("%+v found", o)
	}
	if err := s.Err(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the fault is %v", err)
	}
}

// A hundred thousand accounts of 1.5 KB are 150 MB; what their listing keeps on the heap is bounded per account.
func TestTheHeapHoldsAnIndexAndNotTheAccounts(t *testing.T) {
	before := heap()
	s, err := newSpool(t.TempDir(), 6)
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	notes := strings.Repeat("n", 1400)
	for i := range n {
		o := connector.Object{Ref: connector.Ref{Account: fmt.Sprint("a", i), RemoteID: fmt.Sprint("r", i), ExternalID: fmt.Sprint("id-", i)}, Attributes: map[string]string{"notes": notes}}
		if err := s.add(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.seal(); err != nil {
		t.Fatal(err)
	}
	perAccount := float64(heap()-before) / n
	t.Logf("%.0f bytes of heap an account", perAccount)
	if perAccount > 200 {
		t.Errorf("%.0f bytes of heap an account", perAccount)
	}
	if o := s.Find(connector.Ref{Account: "a99999"}); o == nil || o.Attributes["notes"] != notes {
		t.Error("the last account reads otherwise")
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

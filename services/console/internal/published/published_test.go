package published_test

import (
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/published"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func bundle(hash, name string) event.PolicyBundle {
	return event.PolicyBundle{Hash: hash, PublishedAt: start, Files: map[string]string{
		"policy/p.yaml": "apiVersion: joinery/v1\nkind: Policy\nmetadata: {name: " + name + "}\nspec: {}\n"}}
}

func TestTheBundleActivatedLastIsInForce(t *testing.T) {
	t.Parallel()
	v := published.New(t.TempDir())
	if _, ok, err := v.Current(); ok || err != nil {
		t.Fatalf("before the first publication: %v, %v", ok, err)
	}
	v.Bundle(bundle("one", "p"))
	v.Bundle(bundle("two", "q"))
	v.Activation(0, event.PolicyActivation{Hash: "one", At: start})
	v.Activation(1, event.PolicyActivation{Hash: "one", At: start})
	v.Activation(1, event.PolicyActivation{Hash: "two", At: start.Add(time.Minute), Reason: "shorter grace"})
	b, ok, err := v.Current()
	if !ok || err != nil || b.Hash != "two" || b.Reason != "shorter grace" || b.Partitions != 1 || b.Everywhere {
		t.Fatalf("half way: %+v, %v, %v", b, ok, err)
	}
	if b.Config.Policies[0].Name.Value != "q" {
		t.Errorf("the files are those of %s", b.Config.Policies[0].Name.Value)
	}
	v.Activation(0, event.PolicyActivation{Hash: "two", At: start.Add(time.Minute)})
	if b, _, _ = v.Current(); b.Partitions != 2 || !b.Everywhere {
		t.Errorf("everywhere: %+v", b)
	}
}

func TestAMarkerWithoutItsBundleIsNotYetAPolicy(t *testing.T) {
	t.Parallel()
	v := published.New(t.TempDir())
	v.Activation(0, event.PolicyActivation{Hash: "one", At: start})
	if _, ok, err := v.Current(); ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

func TestABundleThatCannotBeReadSaysSo(t *testing.T) {
	t.Parallel()
	v := published.New(t.TempDir())
	b := bundle("one", "p")
	b.Files["policy/p.yaml"] = "kind: Nonsense\n"
	v.Bundle(b)
	v.Activation(0, event.PolicyActivation{Hash: "one", At: start})
	if _, ok, err := v.Current(); ok || err == nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

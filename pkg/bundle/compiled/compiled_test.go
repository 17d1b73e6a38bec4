package compiled_test

import (
	"errors"
	"testing"
	"time"

	"joinery.internal/pkg/bundle/compiled"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
)

const acme = `apiVersion: joinery/v1
kind: Policy
metadata: {name: acme}
spec:
  roles:
    staff-base: {birthright: 'person.worker_type == "employee"', grants: [chat:account]}
`

const chat = `apiVersion: joinery/v1
kind: Target
metadata: {name: chat}
spec: {connector: memory, account: {name: person.employee_number}}
`

func published(t *testing.T) event.PolicyBundle {
	t.Helper()
	files := map[string]string{"policy/acme.yaml": acme, "targets/chat.yaml": chat}
	cfg, err := config.Load([]config.File{{Name: "policy/acme.yaml", Data: []byte(acme)}, {Name: "targets/chat.yaml", Data: []byte(chat)}})
	if err != nil {
		t.Fatal(err)
	}
	return event.PolicyBundle{Hash: cfg.Hash, Files: files}
}

func TestABundleIsCompiledOnceAndKnownByItsHash(t *testing.T) {
	t.Parallel()
	v, b := compiled.New(), published(t)
	v.Activate(event.PolicyActivation{Hash: b.Hash}) // the marker may be seen first
	if _, err := v.Bundle(b.Hash); !errors.Is(err, compiled.ErrMissing) {
		t.Fatalf("before it came: %v, want ErrMissing", err)
	}
	v.Put(b)
	first, err := v.Bundle(b.Hash)
	if err != nil || first.Hash() != b.Hash {
		t.Fatalf("got %v, %v", first, err)
	}
	v.Put(b) // published again
	if again, err := v.Bundle(b.Hash); err != nil || again != first {
		t.Fatalf("compiled anew: %v", err)
	}
}

func TestABundleWhoseFilesAreNotThoseOfItsHashIsRefused(t *testing.T) {
	t.Parallel()
	v, b := compiled.New(), published(t)
	b.Hash = "another"
	v.Put(b)
	if _, err := v.Bundle("another"); err == nil || errors.Is(err, compiled.ErrMissing) {
		t.Fatalf("got %v, want a fault of its files", err)
	}
}

func TestTheBundleInForceIsTheOneActivatedLastInWhateverOrderPartitionsAreRead(t *testing.T) {
	t.Parallel()
	v := compiled.New()
	if v.InForce() != "" || v.Activated("a") {
		t.Fatal("a policy is in force that nobody activated")
	}
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for _, a := range []event.PolicyActivation{{Hash: "a", At: at}, {Hash: "b", At: at.Add(time.Hour)}, {Hash: "a", At: at}} { // partition 0, then 1
		v.Activate(a)
	}
	if v.InForce() != "b" || !v.Activated("a") || !v.Activated("b") || v.Activated("c") {
		t.Errorf("in force: %s", v.InForce())
	}
}

package bundles_test

import (
	"errors"
	"path/filepath"
	"testing"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/services/policy-resolver/internal/shell/bundles"
)

func published(t *testing.T) event.PolicyBundle {
	t.Helper()
	cfg, err := config.LoadDir(filepath.Join("..", "..", "access", "testdata", "policies", "corp"))
	if err != nil {
		t.Fatal(err)
	}
	b := event.PolicyBundle{Hash: cfg.Hash, Files: map[string]string{}}
	for _, f := range cfg.Files {
		b.Files[f.Name] = string(f.Data)
	}
	return b
}

func TestABundleIsCompiledOnceAndKnownByItsHash(t *testing.T) {
	t.Parallel()
	v, b := bundles.New(), published(t)
	if _, err := v.Bundle(b.Hash); !errors.Is(err, bundles.ErrMissing) {
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
	v, b := bundles.New(), published(t)
	b.Hash = "another"
	v.Put(b)
	if _, err := v.Bundle("another"); err == nil || errors.Is(err, bundles.ErrMissing) {
		t.Fatalf("got %v, want a fault of its files", err)
	}
}

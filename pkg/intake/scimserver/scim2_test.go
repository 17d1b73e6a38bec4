package scimserver_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// scim2 installs scim2-tester from PyPI, pinned, into a cache folder named by the pins: once.
func scim2(t *testing.T) (python string) {
	t.Helper()
	pins, err := os.ReadFile("testdata/scim2/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(pins)
	dir := filepath.Join(cache, "joinery", "scim2-"+hex.EncodeToString(sum[:8]))
	python = filepath.Join(dir, "bin", "python")
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return python
	}
	for _, args := range [][]string{{"python3", "-m", "venv", "--clear", dir}, {python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", "testdata/scim2/requirements.txt"}} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("install scim2-tester (python3 with venv and a package index are needed): %v\n%s", err, out)
		}
	}
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return python
}

func TestAComplianceTesterOfOthersFindsNothing(t *testing.T) {
	t.Parallel()
	python := scim2(t)
	w := start(t)
	out, err := exec.CommandContext(t.Context(), python, "testdata/scim2/check.py", w.url, token).Output()
	if err != nil {
		t.Fatalf("scim2-tester: %v\n%s", err, out)
	}
	var report struct {
		Counts map[string]int
		Found  []string
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, f := range report.Found {
		t.Error(f)
	}
	if report.Counts["SUCCESS"] < 130 {
		t.Errorf("only %v checks were made", report.Counts)
	}
	t.Logf("scim2-tester: %v", report.Counts)
}

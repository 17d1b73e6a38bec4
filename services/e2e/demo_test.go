package e2e_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestTheDemoFindsEveryEndStateInTheTargets(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), joineryBinary, "demo")
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("joinery demo: %v\n%s", err, out)
	}
	for _, want := range []string{"KPI", "workflow success rate", ", 0 wrong."} {
		if !strings.Contains(string(out), want) {
			t.Errorf("joinery demo does not say %q:\n%s", want, out)
		}
	}
}

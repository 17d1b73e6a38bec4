package process_test

import (
	"path/filepath"
	"testing"
	"time"
)

// TestAWriteUnderWayWhenItsCallerDiesIsWaitedFor kills the provisioner when it has sent a creation, which arrives most of limits.timeout later:
// whoever drives the account next waits as long as that before reading. The target would make two accounts of two creations.
func TestAWriteUnderWayWhenItsCallerDiesIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := restSubjects(t)(t, filepath.Join(dir, "target"))
	write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "rest", s, "concurrency: 4, timeout: 2s"))
	w := newWorld(t, dir, map[string]string{"app": s.kind})
	w.connector = "rest"
	const late = 900 * time.Millisecond
	h := history{w: w, s: s, f: netFaults(s.gate)[0], expected: map[change]int{}}
	for n := range 3 {
		h.join(h.person("joiner", n))
		h.dieAt(place{name: "a write sent", nth: 1, at: wrote, late: late}, "provisioner")
	}
	w.start("provisioner")
	w.rest("app", s)
	w.pass(late) // all have arrived
	h.verdict()
}

package process_test

import (
	"path/filepath"
	"testing"

	"joinery.internal/pkg/event"
)

// TestAnEmergencyEndsSessionsWhoeverDies stops people who are signed in, and kills the provisioner at every step: each is disabled once, and
// only then signed out of everything.
func TestAnEmergencyEndsSessionsWhoeverDies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := sqlSubjects(t)(t, filepath.Join(dir, "target"))
	write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "sql", s, "concurrency: 4, timeout: 1s"))
	w := newWorld(t, dir, map[string]string{"app": s.kind})
	w.connector = "sql"
	h := history{w: w, s: s, f: netFaults(s.gate)[0], expected: map[change]int{}}
	i := w.start("provisioner")
	for n := range places {
		h.join(h.person("victim", n))
	}
	w.rest("app", s)
	i.Kill()
	for n, p := range places {
		id := h.person("victim", n)
		for _, device := range []string{"phone", "laptop"} {
			s.exec("insert into sessions (account, token) values ($1, $2)", "u-"+id, device+" of "+id)
			h.expect(id, "end_sessions", device+" of "+id)
		}
		h.w.want(id, "app", func(d *event.Desired) {
			d.State, d.Lane, d.Entitlements, d.EndSessions = event.AccountDisabled, event.LaneEmergency, nil, true
		})
		h.expect(id, "disable", "")
		h.expect(id, "revoke", s.kind+"/x")
		h.dieAt(p, "provisioner")
	}
	w.start("provisioner")
	w.rest("app", s)
	disabled := map[string]bool{}
	for _, c := range s.journal(t) {
		disabled[c.account] = disabled[c.account] || c.verb == "disable"
		if c.verb == "end_sessions" && !disabled[c.account] {
			t.Errorf("%s was signed out before the account was disabled, and can sign in again", c.account)
		}
	}
	h.verdict()
}

package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"joinery.internal/pkg/event"
)

// checkSimulation simulates another policy, publishes it, and compares who gained and lost what with what was said.
func (s *stage) checkSimulation(t *testing.T, dir string) {
	if out, errs, code := s.joinery("policy", "simulate", "--policy", dir); code != 0 {
		t.Errorf("the policy in force changes something: exit %d, %s%s", code, out, errs)
	}
	if out, _, code := s.joinery("policy", "explain", "4006"); code != 0 || !strings.Contains(out, "policy/corp.yaml:") || !strings.Contains(out, "wiki:group/engineering") {
		t.Errorf("explain: exit %d, %s", code, out)
	}
	next := t.TempDir()
	if err := os.CopyFS(next, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(next, "policy", "corp.yaml")
	change(t, policy, `'person.department == "Sales"'`, `'person.department in ["Sales", "Finance"]'`)
	change(t, policy, `'person.worker_type == "contractor"'`, `'person.worker_type == "contractor" && person.title != "Engineer"'`)
	change(t, policy, "requestable: {}\n", "requestable: {when: 'person.department == \"Sales\"'}\n")
	if out, errs, code := s.joinery("policy", "simulate", "--policy", dir, "--history", "--since", "100d"); code != 0 || !strings.Contains(out, "AFFECTED  0") {
		t.Errorf("the policy in force decides the past otherwise: exit %d, %s%s", code, out, errs)
	}
	if out, errs, code := s.joinery("policy", "simulate", "--policy", next, "--history", "--since", "100d"); code != 3 || !strings.Contains(out, "identity.hire") {
		t.Errorf("another policy decides nothing of the past otherwise: exit %d, %s%s", code, out, errs)
	}
	out, errs, code := s.joinery("policy", "diff", dir, next, "-o", "json")
	var said struct {
		Items []struct {
			ID           event.IdentityID
			Gains, Loses []string
		}
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || code != 3 || len(said.Items) == 0 {
		t.Fatalf("diff: exit %d, %s%s", code, out, errs)
	}
	before := latest[membership](s, event.AccessMembers)
	if out, errs, code := s.joinery("policy", "publish", next, "--reason", "as simulated"); code != 0 {
		t.Fatalf("publish: exit %d, %s%s", code, out, errs)
	}
	s.eventually("everybody is decided anew", func() string {
		return differs(s.sql("select count() >= 3 from joinery.evidence where kind = 'access.revoked' and reason = 'policy'"), "[[1]]")
	})
	s.settled()
	after := latest[membership](s, event.AccessMembers)
	type pair struct{ gains, loses []string }
	predicted := map[event.IdentityID]pair{}
	for _, p := range said.Items {
		predicted[p.ID] = pair{p.Gains, p.Loses}
	}
	for id, now := range after {
		gained, lost := apart(now.Roles, before[id].Roles), apart(before[id].Roles, now.Roles)
		if !slices.Equal(gained, predicted[id].gains) || !slices.Equal(lost, predicted[id].loses) {
			t.Errorf("%s gained %v and lost %v; the simulation said %v and %v", id, gained, lost, predicted[id].gains, predicted[id].loses)
		}
	}
}

// apart is what is in one list and not in the other.
func apart(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(r string) bool { return slices.Contains(other, r) })
}

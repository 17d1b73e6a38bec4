package e2e_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const alertRules = "../../deploy/prometheus/joinery.rules.yaml"

func TestEachAlertFiresWhenItShouldAndHasARunbook(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"check", "rules", alertRules}, {"test", "rules", strings.Replace(alertRules, ".rules.", ".rules.test.", 1)}} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations map[string]string
			}
		}
	}
	text, err := os.ReadFile(alertRules)
	if err == nil {
		err = yaml.Unmarshal(text, &rules)
	}
	if err != nil {
		t.Fatal(err)
	}
	tested, err := os.ReadFile(strings.Replace(alertRules, ".rules.", ".rules.test.", 1))
	if err != nil {
		t.Fatal(err)
	}
	books := map[string]bool{}
	for _, r := range rules.Groups[0].Rules {
		book := r.Annotations["runbook"]
		books[filepath.Base(book)] = true
		if _, err := os.Stat(filepath.Join("../..", book)); err != nil || filepath.Base(book) != r.Alert+".md" {
			t.Errorf("runbook of %s: %q, %v", r.Alert, book, err)
		}
		if !strings.Contains(string(tested), "alertname: "+r.Alert+"\n") && !strings.Contains(string(tested), "alertname: "+r.Alert+" #") {
			t.Errorf("no test has %s fire", r.Alert)
		}
	}
	entries, err := os.ReadDir("../../deploy/runbooks")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !books[e.Name()] {
			t.Errorf("no alert has the runbook %s", e.Name())
		}
	}
}

// checkMetrics demands that the pipeline exports each metric that an alert is about, and each label.
func (p *pipeline) checkMetrics(t *testing.T) {
	rules, err := os.ReadFile(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.http.Get(p.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	there, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`joinery_[a-z_]+`).FindAllString(string(rules), -1)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !strings.Contains(string(there), "\n"+name) {
			t.Errorf("an alert is about %s, which nobody exports", name)
		}
	}
	for _, label := range []string{`joinery_provisioner_calls_total{outcome="done",target="chat"}`, `joinery_stream_dead_letters_total{topology="ingest"}`,
		`joinery_group_lag_seconds{group="evidence-sink"}`, `joinery_source_expected_seconds{source="hr"}`} {
		if !strings.Contains(string(there), label) {
			t.Errorf("there is no %s", label)
		}
	}
}

package example_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/services/example"
)

var update = flag.Bool("update", false, "write the records of the folder anew")

// seed is the one of the company whose records lie in the folder.
const seed = 1

func TestTheRecordsOfTheFolderAreTheGenerators(t *testing.T) {
	t.Parallel()
	c := example.New(seed)
	same(t, "workers.ndjson", c.Records(), example.Size)
	c.Month()
	same(t, "month.ndjson", c.Records(), example.MonthSize)
}

func same(t *testing.T, name string, records []event.SourceRecord, n int) {
	t.Helper()
	var lines bytes.Buffer
	for _, r := range records {
		if err := json.NewEncoder(&lines).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join("acme", "records", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, lines.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != n || !bytes.Equal(have, lines.Bytes()) {
		t.Errorf("%s is not what the generator makes: %d records (go test -update writes it anew)", file, len(records))
	}
}

func TestTheCompanyHasManagersToFiveLevelsAndFourPlacesInThreeZones(t *testing.T) {
	t.Parallel()
	c := example.New(seed)
	manager, places, zones, contractors := map[string]string{}, map[string]bool{}, map[string]bool{}, 0
	for _, w := range c.Workers {
		manager[w.EmployeeNumber] = w.Manager
		places[w.Location], zones[w.Timezone] = true, true
		if w.WorkerType == "contractor" {
			contractors++
		}
	}
	deepest := 0
	for number := range manager {
		levels := 1
		for m := manager[number]; m != ""; m = manager[m] {
			levels++
		}
		deepest = max(deepest, levels)
	}
	if len(c.Workers) != 300 || deepest != 5 || len(places) != 4 || len(zones) != 3 || contractors < 30 {
		t.Errorf("%d workers, %d levels, %d places, %d zones, %d contractors", len(c.Workers), deepest, len(places), len(zones), contractors)
	}
}

func TestTheFolderHasNoFaultAndItsPolicyKeepsItsWord(t *testing.T) {
	t.Parallel()
	b, err := policy.Check(config.LoadDir("acme"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range b.Test() {
		if !r.Passed {
			t.Errorf("%s: %v", r.Name, r.Failures)
		}
	}
}

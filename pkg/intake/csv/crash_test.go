package csv

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"joinery.internal/pkg/config"
)

// errCrash is where a process would have died.
var errCrash = errors.New("crash")

func TestKilledAtAnyStepEveryRowHasEffectOnceAndEveryFileIsFiled(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"snapshot", "delta"} {
		var rows strings.Builder
		for n := range 2*chunk + 10 {
			fmt.Fprintf(&rows, "%d,Ann,Finance,\n", n)
		}
		rows.WriteString("bad\n")
		for step := 1; ; step++ {
			d := newDrops(t, config.CSVIntake{Mode: mode, Manifest: "optional"})
			d.drop("1.csv", head+rows.String())
			d.drop("2.csv", "\"none")
			r := d.open()
			steps := 0
			r.step = func(string) error {
				if steps++; steps == step {
					return errCrash
				}
				return nil
			}
			var err error
			for range 2 {
				err = errors.Join(err, r.scan(t.Context()))
			}
			d.scan(d.open())
			if n := len(d.Records(2*chunk + 10)); n != 2*chunk+10 {
				t.Fatalf("%s, killed at step %d: %d records", mode, step, n)
			}
			ids := map[string]bool{}
			for _, r := range d.Rejects(2) {
				ids[r.ID] = true
			}
			if len(ids) != 2 {
				t.Errorf("%s, killed at step %d: dead letters %v", mode, step, ids)
			}
			d.expect("done/000001-1.csv done/000001-1.csv.rejects.csv refused/2.csv refused/2.csv.reason.txt")
			if !errors.Is(err, errCrash) {
				if step < 6 {
					t.Errorf("only %d steps", step)
				}
				break
			}
		}
	}
}

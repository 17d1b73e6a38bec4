package stream

import (
	"encoding/json"
	"fmt"
	"testing"

	"joinery.internal/pkg/event"
)

func TestEveryRecordCountsOnceOverRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	i := w.start("0", nil)
	for range 4 {
		for n := range 300 {
			w.feed(fmt.Sprintf("k%d", n%7), `"count"`)
		}
		i.restart() // somewhere in the middle
	}
	w.check()
}

func TestTimersAndEffectsEnterThroughTicks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.feed("later", `"timer"`)
	w.feed("outside", `"effect"`)
	w.start("0", nil)
	w.check()
}

func TestPoisonGoesToTheDeadLettersAndTheRestFlows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.feed("a", `"count"`)
	w.feed("a", "not json")
	w.feed("a", `"count"`)
	w.start("0", nil)
	audit := w.audit()
	for _, fault := range audit.faults() {
		t.Error(fault)
	}
	var dl event.DeadLetter
	if err := json.Unmarshal(audit.dead[0].Value, &dl); err != nil {
		t.Fatal(err)
	}
	if dl.Reason != "decode" || dl.Topic != "in" || dl.Offset != 1 || string(dl.Value) != "not json" {
		t.Errorf("dead letter %+v", dl)
	}
}

package remedy_test

import (
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/services/console/internal/remedy"
)

func TestWhatPeopleDoBecomesEvidenceAndALetterIsResolvedOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	h := streamtest.New(t, remedy.Topology(), now)
	c := event.ReplayCommand{ID: "act-1", Topic: "jml.source.record.v1", Filter: "dead letter dl-1", ExceptionID: "dl-1", Resolution: "replay", Count: 1, Actor: "id-boss", Reason: "the schema is there now", At: now}
	for _, kind := range []event.ReplayAct{event.ReplayStart, event.ReplayResolve, event.ReplayFinish, event.ReplayResolve, "undo"} {
		c.Kind = kind
		h.Feed(event.ReplayCommands, c.ID, &c)
	}
	c.Kind, c.Reason = event.ReplayStart, " "
	h.Feed(event.ReplayCommands, c.ID, &c)
	var kinds []event.Kind
	for _, e := range streamtest.Out[event.DeadLetter](h, event.DeadLetters) {
		kinds = append(kinds, e.Kind)
		if e.Kind == event.ExceptionResolved && (e.ExceptionID != "dl-1" || e.Resolution != "replay" || e.Actor != "id-boss") {
			t.Errorf("resolved: %+v", e)
		}
	}
	want := []event.Kind{event.ReplayStarted, event.ExceptionResolved, event.ReplayFinished, event.ExceptionOpened, event.ExceptionOpened} // two are poison
	if len(kinds) != len(want) {
		t.Fatalf("evidence: %v", kinds)
	}
	for i := range want {
		if kinds[i] != want[i] {
			t.Errorf("evidence: %v", kinds)
		}
	}
}

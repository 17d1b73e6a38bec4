package app_test

import (
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

func (p *pipe) halt(kind event.GuardAct, id string) {
	p.t.Helper()
	c := event.GuardCommand{ID: id, Kind: kind, Hold: "chat", Actor: "id-boss", Reason: "their upgrade", At: p.Now()}
	p.FeedAll(event.GuardCommands, "chat", &c)
	p.Perform()
}

func TestNothingIsSentToAPausedTargetOverARestartUntilItIsResumed(t *testing.T) {
	t.Parallel()
	p := newPipe(t)
	p.halt(event.TargetPause, "act-1")
	p.halt(event.TargetPause, "act-2")
	p.want(desired("a", 1))
	p.run(time.Minute, time.Second)
	p.newDesk()
	p.Restart()
	p.want(desired("b", 1))
	p.run(time.Minute, time.Second)
	if n := len(p.target.Objects()); n != 0 || p.count(event.TargetPaused) != 1 {
		t.Fatalf("%d accounts, events %v", n, p.kinds())
	}
	p.halt(event.TargetResume, "act-3")
	p.run(5*time.Second, time.Second)
	if n := len(p.target.Objects()); n != 2 || p.count(event.TargetResumed) != 1 || p.count(event.ExceptionOpened) != 0 {
		t.Errorf("%d accounts after the pause, events %v", n, p.kinds())
	}
	for _, e := range p.all() {
		if e.Kind == event.TargetPaused && (e.Actor != "id-boss" || e.Message != "their upgrade" || e.Target != "chat") {
			t.Errorf("evidence: %+v", e)
		}
	}
}

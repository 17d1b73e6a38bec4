package app

import (
	"testing"
	"time"
)

func TestFactsWaitWhileThePolicyIsBehindButNotForOneThatStandsStill(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	p := new(pressure)
	read := int64(0)
	for _, c := range []struct {
		name   string
		by     int64         // read since the last look
		left   int64         // not read
		after  time.Duration // since the last look
		behind bool
	}{
		{"at rest", 0, 0, time.Second, false},
		{"a few", 10, 900, time.Second, false},
		{"many", 10, tooMany + 1, time.Second, true},
		{"fewer, not few", 10, fewAgain + 1, time.Second, true},
		{"few again", 10, fewAgain - 1, time.Second, false},
		{"between", 10, fewAgain + 1, time.Second, false},
		{"many, and slow", 0, tooMany + 1, standing, true},
		{"it stands still", 0, 3 * tooMany, time.Millisecond, false},
		{"still", 0, 3 * tooMany, time.Second, false},
		{"it moves again", 1, 3 * tooMany, time.Second, true},
	} {
		at, read = at.Add(c.after), read+c.by
		p.look(read, c.left, at)
		if got := p.behind.Load(); got != c.behind {
			t.Errorf("%s: behind %v", c.name, got)
		}
	}
}

package clock_test

import (
	"path/filepath"
	"testing"
	"time"

	"joinery.internal/pkg/clock"
)

func TestAClockGoesOnWhereItWasAfterARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "clock.json")
	start := time.Date(2031, 3, 1, 8, 0, 0, 0, time.UTC)
	c, err := clock.Open(file, start)
	if err != nil {
		t.Fatal(err)
	}
	if d := c.Now().Sub(start); d < 0 || d > time.Minute {
		t.Errorf("starts %s off", d)
	}
	if _, err := c.Advance(36 * time.Hour); err != nil {
		t.Fatal(err)
	}
	again, err := clock.Open(file, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if d := again.Now().Sub(c.Now()).Abs(); d > time.Second {
		t.Errorf("after a restart it is %s off", d)
	}
	if _, err := again.Advance(-time.Second); err == nil {
		t.Error("it went back")
	}
}

package clock_test

import (
	"errors"
	"math"
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

func TestAClockStaysWhereEvidenceCanBeKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "clock.json")
	for _, year := range []int{1969, 2150, 2299, 9998} {
		if _, err := clock.Open(file, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)); !errors.Is(err, clock.ErrBeyond) {
			t.Errorf("starting in %d: error %v, want ErrBeyond", year, err)
		}
	}
	c, err := clock.Open(file, time.Date(2148, 12, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []time.Duration{60 * 24 * time.Hour, math.MaxInt64} {
		if now, err := c.Advance(d); !errors.Is(err, clock.ErrBeyond) {
			t.Errorf("%s ahead: %s, error %v, want ErrBeyond", d, now, err)
		}
	}
	if _, err := c.Advance(24 * time.Hour); err != nil {
		t.Error(err)
	}
}

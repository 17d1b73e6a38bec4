package dirlock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"joinery.internal/pkg/dirlock"
)

func TestAFolderHasOneHolderWhoIsNamed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	lock, err := dirlock.Acquire(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	once, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = dirlock.Acquire(once, dir)
	if !errors.Is(err, dirlock.ErrHeld) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := dirlock.Acquire(once, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

func TestAcquireWaitsForTheHolderToGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := dirlock.Acquire(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error)
	go func() {
		lock, err := dirlock.Acquire(t.Context(), dir)
		if err == nil {
			err = lock.Release()
		}
		second <- err
	}()
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Error(err)
	}
}

func TestAFolderThatCannotBeIsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dirlock.Acquire(t.Context(), filepath.Join(file, "dir")); err == nil || !strings.Contains(err.Error(), "create data folder") {
		t.Errorf("Acquire: %v", err)
	}
}

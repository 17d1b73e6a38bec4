// Package dirlock lets one process at a time use a data folder.
//
// The lock is the kernel's (flock on the file LOCK in the folder), so it ends with its process, however that ends. It says
// nothing about what is in the folder. A Lock is used by one goroutine.
//
//	lock, err := dirlock.Acquire(ctx, dir) // waits until ctx ends for a process that is still shutting down
//	defer lock.Release()
package dirlock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const pollEvery = 20 * time.Millisecond

// ErrHeld means that another process has the folder.
var ErrHeld = errors.New("in use by another process")

// Lock is a held lock.
type Lock struct{ file *os.File }

// Acquire creates the folder where it is missing and takes its lock. While another process holds it, Acquire tries again until ctx ends
// and then returns ErrHeld with that process' id. A context that has ended already means: try once.
func Acquire(ctx context.Context, dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return &Lock{file: f}, writePID(f)
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock %s: %w%s: stop it, or choose another folder", dir, ErrHeld, holder(f)), f.Close())
		case <-ticker.C:
		}
	}
}

// Release gives the folder up.
func (l *Lock) Release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("release lock: %w", err)
	}
	return nil
}

func writePID(f *os.File) error {
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	if _, err := f.WriteAt([]byte(pid), 0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

func holder(f *os.File) string {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0) // the id is only a hint; none is as good
	pid := strings.TrimSpace(string(b[:n]))
	if pid == "" {
		return ""
	}
	return " (pid " + pid + ")"
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile opens the file and takes an exclusive lock on it, waiting for it no longer than ctx allows.
// The lock is given up when every descriptor of the returned file is closed, by Close or by death.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	got := make(chan error, 1)
	go func() {
		for {
			err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			got <- err
			return
		}
	}()
	select {
	case err := <-got:
		if err != nil {
			f.Close() // nothing was written
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		return f, nil
	case <-ctx.Done():
		go func() { // the kernel call cannot be called off; it owns the file until it returns
			_ = errors.Join(<-got, f.Close()) // nobody waits for it any more
		}()
		return nil, fmt.Errorf("lock %s: %w", path, ctx.Err())
	}
}

package child

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// ParentGone is for the child: the channel closes when the parent has closed the pipe or is gone, and on SIGTERM. Call it once, first
// thing: it also makes writes to a vanished parent harmless errors instead of a deadly SIGPIPE, so that the child can flush in peace.
func ParentGone() <-chan struct{} {
	signal.Ignore(syscall.SIGPIPE)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	gone := make(chan struct{})
	eof := make(chan struct{})
	go func() { // lives as long as the process: its read ends with the parent
		_, _ = io.Copy(io.Discard, os.Stdin) // any end of it means that nobody holds the pipe
		close(eof)
	}()
	go func() {
		select {
		case <-eof:
		case <-term:
		}
		close(gone)
	}()
	return gone
}

// SayReady is for the child: it sends one line to the parent's Ready.
func SayReady(line string) error {
	if _, err := fmt.Fprintln(os.Stdout, line); err != nil {
		return fmt.Errorf("tell the parent that the child is ready: %w", err)
	}
	return nil
}

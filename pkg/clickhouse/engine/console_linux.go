package engine

import (
	"bytes"
	"fmt"
	"golang.org/x/sys/unix"
	"os"
)

// console is the master side of the pseudo-terminal that is the engine's standard input and output.
type console struct {
	master  *os.File
	prompts chan struct{} // one for each prompt seen
}

// openConsole puts the slave side of a new pseudo-terminal on descriptors 0 and 1.
func openConsole() (*console, error) {
	// dumb: no line editor, so what is typed is a plain line and Ctrl-D the end of input
	if err := os.Setenv("TERM", "dumb"); err != nil {
		return nil, fmt.Errorf("set TERM: %w", err)
	}
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a pseudo-terminal (/dev/ptmx): %w", err)
	}
	if err := unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock the pseudo-terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(m, unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("name the pseudo-terminal's other side: %w", err)
	}
	s, err := unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the pseudo-terminal's other side: %w", err)
	}
	for fd := range 2 {
		if err := unix.Dup2(s, fd); err != nil {
			return nil, fmt.Errorf("put the pseudo-terminal on descriptor %d: %w", fd, err)
		}
	}
	if err := unix.Close(s); err != nil {
		return nil, fmt.Errorf("close the spare descriptor: %w", err)
	}
	c := &console{master: os.NewFile(uintptr(m), "console"), prompts: make(chan struct{}, 16)}
	go c.read()
	return c, nil
}

// read drains what the engine writes, which would block it otherwise, and reports prompts. It ends with the process.
func (c *console) read() {
	mark := []byte(prompt + " :)")
	var tail []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.master.Read(buf)
		if err != nil {
			return
		}
		tail = append(tail, buf[:n]...)
		for {
			i := bytes.Index(tail, mark)
			if i < 0 {
				break
			}
			tail = tail[i+len(mark):]
			select {
			case c.prompts <- struct{}{}:
			default: // more prompts than statements: nobody waits
			}
		}
		if len(tail) > len(mark) {
			tail = append([]byte(nil), tail[len(tail)-len(mark):]...)
		}
	}
}

func (c *console) awaitPrompt(stop, ended <-chan struct{}) bool {
	select {
	case <-c.prompts:
		return true
	case <-stop:
	case <-ended:
	}
	return false
}

func (c *console) typeLine(s string) error {
	if _, err := c.master.WriteString(s + "\n"); err != nil {
		return fmt.Errorf("type %q: %w", s, err)
	}
	return nil
}

// endInput types Ctrl-D. It fails only when the engine is gone already.
func (c *console) endInput() {
	const ctrlD = "\x04"
	if _, err := c.master.WriteString(ctrlD); err != nil {
		fmt.Fprintln(os.Stderr, "engine host: end the engine's input:", err)
	}
}

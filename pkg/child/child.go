package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	logLimit = 4 << 20 // a log file larger than this when the child starts is begun afresh
	logTail  = 600     // bytes of the log quoted in the error of a child that failed
)

// ErrKilled is the error of a child that did not stop in the time Stop gave it.
var ErrKilled = errors.New("killed: it did not stop in time")

// Spec says what to run.
type Spec struct {
	Args []string // program and arguments
	Dir  string   // working directory; empty is the parent's
	Env  []string // KEY=VALUE, added to the parent's environment
	Log  string   // file that gets stderr and all of stdout after the ready line, appended; empty discards both
}

// Process is a running child.
type Process struct {
	cmd   *exec.Cmd
	pipe  io.Closer // closing it asks the child to stop
	close func() error
	log   string
	ready chan string // holds the first line of stdout, closed when stdout ends
	done  chan struct{}

	mu     sync.Mutex
	err    error // set before done closes
	killed bool
}

// Start runs the program. When ctx ends the child is asked to stop, as by Stop, without waiting for it.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	if len(spec.Args) == 0 {
		return nil, errors.New("start child process: no program given")
	}
	name := filepath.Base(spec.Args[0])
	log, err := openLog(spec.Log)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...)
	cmd.Dir = spec.Dir
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, stdout, err := startWithPipes(cmd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	p := &Process{
		cmd: cmd, pipe: pipe, log: spec.Log,
		ready: make(chan string, 1), done: make(chan struct{}),
	}
	p.close = sync.OnceValue(pipe.Close)
	stop := context.AfterFunc(ctx, func() { _ = p.close() }) // a pipe whose reader is gone closes as well
	go p.wait(name, stdout, log, stop)
	return p, nil
}

func startWithPipes(cmd *exec.Cmd) (io.Closer, io.ReadCloser, error) {
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, errors.Join(err, pipe.Close())
	}
	if err := closeInheritedOnExec(); err != nil {
		return nil, nil, errors.Join(err, pipe.Close(), stdout.Close())
	}
	if err := cmd.Start(); err != nil { // closes both pipes on failure
		return nil, nil, err
	}
	return pipe, stdout, nil
}

// closeInheritedOnExec marks every descriptor above 2 of this process close-on-exec. Go marks those it opens itself; those
// that this process inherited (from a shell, make, a service manager) would otherwise live on in the child.
func closeInheritedOnExec() error {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return fmt.Errorf("list open descriptors: %w", err)
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

func openLog(path string) (*os.File, error) {
	if path == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > logLimit {
		flags |= os.O_TRUNC
	}
	return os.OpenFile(path, flags, 0o600)
}

// wait owns the child from start to exit: it reads stdout to its end, then reaps the process.
func (p *Process) wait(name string, stdout io.Reader, log *os.File, stop func() bool) {
	r := bufio.NewReader(stdout)
	if line, err := r.ReadString('\n'); err == nil {
		p.ready <- strings.TrimSuffix(line, "\n")
	}
	close(p.ready)
	_, copyErr := io.Copy(log, r)
	waitErr := p.cmd.Wait()
	stop()
	_ = p.close() // Wait has closed it; an error of a second close says nothing
	closeErr := log.Close()
	p.mu.Lock()
	switch {
	case p.killed:
		p.err = fmt.Errorf("stop %s: %w", name, ErrKilled)
	case waitErr != nil:
		p.err = fmt.Errorf("%s ended: %w%s", name, waitErr, tail(p.log))
	default:
		p.err = errors.Join(copyErr, closeErr)
	}
	p.mu.Unlock()
	close(p.done)
}

// Ready returns the line the child printed with SayReady. It fails when ctx ends or the child exits without saying it.
func (p *Process) Ready(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.ready:
		if ok {
			return line, nil
		}
	case <-ctx.Done():
		return "", fmt.Errorf("wait until %s is ready: %w", filepath.Base(p.cmd.Path), context.Cause(ctx))
	}
	<-p.done
	if err := p.Err(); err != nil {
		return "", err
	}
	return "", fmt.Errorf("%s ended before it was ready", filepath.Base(p.cmd.Path))
}

// PID is the process id of the child, which is also the id of its process group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has exited and has been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is nil while the child runs and after a clean exit; otherwise it says how the child ended, with the end of its log.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Stop closes the pipe and waits. A child that still runs after the timeout is killed with its whole group, and Stop
// returns ErrKilled. A second Stop returns what the first did.
func (p *Process) Stop(timeout time.Duration) error {
	_ = p.close() // a child that has gone already leaves nothing to close
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.Err()
	case <-timer.C:
	}
	p.mu.Lock()
	select {
	case <-p.done:
	default:
		p.killed = true
		_ = unix.Kill(-p.PID(), unix.SIGKILL) // fails only when it has just gone
	}
	p.mu.Unlock()
	<-p.done
	return p.Err()
}

// tail quotes the end of the child's log, where it has said why it ended.
func tail(path string) string {
	if path == "" {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > logTail {
		if _, err := f.Seek(-logTail, io.SeekEnd); err != nil {
			return ""
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, logTail))
	if text := strings.TrimSpace(string(b)); err == nil && text != "" {
		return ": " + text
	}
	return " (see " + path + ")"
}

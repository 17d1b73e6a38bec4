package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	startTimeout = 90 * time.Second // from exec to ready; an old host's shutdown and a long recovery included
	stopTimeout  = 20 * time.Second // from closing the pipe to the end; a stop takes well under a second
	logTail      = 2 << 10          // bytes of the host's log shown with an error
)

// up is the one line a host writes: where it listens, or why it does not.
type up struct {
	HTTP   string `json:"http,omitempty"`   // host:port
	Native string `json:"native,omitempty"` // host:port
	Error  string `json:"error,omitempty"`
}

// child is a running host as its parent sees it.
type child struct {
	cmd      *exec.Cmd
	pipe     io.Closer // the host stops when it closes
	folder   folder
	asked    atomic.Bool
	done     chan struct{}
	err      error // why it ended; read after done
	stopOnce sync.Once
	stopErr  error
}

// startChild runs a host and waits for its line.
func startChild(ctx context.Context, dir string, argv []string) (*child, up, error) {
	f := folder(dir)
	cmd := exec.Command(argv[0], argv[1:]...) // not bound to ctx: that only bounds the start
	cmd.Env = plainEnv()                      // functions of SQL can read the process's own environment
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The log is a file and not a pipe, so that a host can still write when its parent is gone.
	log, err := os.OpenFile(f.hostLog(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, up{}, fmt.Errorf("open host log: %w", err)
	}
	defer log.Close()
	cmd.Stderr = log
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, up{}, fmt.Errorf("make host pipe: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, up{}, fmt.Errorf("make ready pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, up{}, fmt.Errorf("start host %s: %w", argv[0], err)
	}
	c := &child{cmd: cmd, pipe: pipe, folder: f, done: make(chan struct{})}
	first := make(chan up, 1)
	go c.wait(out, first)
	u, err := c.awaitUp(ctx, first)
	if err != nil {
		return nil, up{}, errors.Join(err, c.stop())
	}
	return c, u, nil
}

// plainEnv is what a host needs of our environment, which may hold secrets.
func plainEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "TZ", "GOTRACEBACK", "GOCOVERDIR", "GORACE"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// wait owns the process: it passes the first line on, and then waits for the end.
func (c *child) wait(out io.Reader, first chan<- up) {
	var u up
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &u)
	}
	if err != nil {
		u.Error = "it ended before it was ready"
	}
	first <- u
	err = c.cmd.Wait()
	if !c.asked.Load() {
		if err == nil {
			err = errors.New("it stopped by itself")
		}
		c.err = fmt.Errorf("ClickHouse engine ended: %w%s", err, c.folder.tail())
	}
	close(c.done)
}

func (c *child) awaitUp(ctx context.Context, first <-chan up) (up, error) {
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case u := <-first:
		if u.Error == "" {
			return u, nil
		}
		return up{}, fmt.Errorf("%s%s", u.Error, c.folder.tail())
	case <-timeout.C:
		return up{}, fmt.Errorf("not ready after %v%s", startTimeout, c.folder.tail())
	case <-ctx.Done():
		return up{}, ctx.Err()
	}
}

// stop asks by closing the pipe, waits, and kills what does not listen.
func (c *child) stop() error {
	c.stopOnce.Do(func() {
		c.asked.Store(true)
		if err := c.pipe.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			c.stopErr = fmt.Errorf("close host pipe: %w", err)
		}
		timeout := time.NewTimer(stopTimeout)
		defer timeout.Stop()
		select {
		case <-c.done:
		case <-timeout.C:
			err := syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
			<-c.done
			c.stopErr = errors.Join(fmt.Errorf("ClickHouse engine did not stop within %v and was killed", stopTimeout), err)
		}
	})
	return c.stopErr
}

func (c *child) ended() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// tail is the end of the host's log, to be appended to an error; empty when there is nothing to say.
func (f folder) tail() string {
	b, err := os.ReadFile(f.hostLog())
	if err != nil {
		return ""
	}
	if len(b) > logTail {
		b = b[len(b)-logTail:]
	}
	said := strings.TrimSpace(string(b))
	if said == "" {
		return ""
	}
	return "\n" + said + "\n(more in " + f.logs() + ")"
}

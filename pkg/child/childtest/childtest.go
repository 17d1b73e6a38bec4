// Package childtest runs processes that tests kill.
//
// It owns the program's build, a process until the test ends, and what it said. A Process is used by one goroutine at a time, but for Gone and Kill.
//
//	i := childtest.Start(t, "provisioner", binary, "-instance", "0")
//	if !childtest.Within(t.Context(), time.Minute, time.Second, i.Gone) {
//		i.Kill()
//	}
package childtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"joinery.internal/pkg/child"
)

// shown is how many bytes of what a process said last are shown.
const shown = 1500

// Process is one.
type Process struct {
	*child.Process
	Name string
	Log  string // file of what it says
}

// Start runs a program and its arguments. It ends with the test at the latest.
func Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	p := &Process{Name: name, Log: filepath.Join(t.TempDir(), "log")}
	var err error
	if p.Process, err = child.Start(context.WithoutCancel(t.Context()), child.Spec{Args: args, Log: p.Log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Signal(unix.SIGCONT)
		_ = p.Stop(0) // what became of it has been judged
	})
	return p
}

// Gone says whether it has ended.
func (p *Process) Gone() bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// Signal sends it a signal, unless it has ended.
func (p *Process) Signal(s unix.Signal) {
	if !p.Gone() {
		_ = unix.Kill(p.PID(), s) // fails only if it has just ended
	}
}

// Kill is `kill -9`.
func (p *Process) Kill() {
	p.Signal(unix.SIGKILL)
	<-p.Done()
}

// Stopped says whether it stands still after SIGSTOP.
func (p *Process) Stopped() bool { return Stopped(p.PID()) }

// Stopped says whether every thread of a process stands still after SIGSTOP.
func Stopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, stat := range threads {
		b, err := os.ReadFile(stat)
		if _, state, _ := strings.Cut(string(b), ") "); err != nil || !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// Show shows what it said last.
func (p *Process) Show(t testing.TB) {
	t.Helper()
	if b, err := os.ReadFile(p.Log); err == nil {
		t.Logf("%s:\n%s", p.Name, b[max(0, len(b)-shown):])
	}
}

// Within checks every so often whether check holds, for a while, and says whether it came to that.
func Within(ctx context.Context, d, every time.Duration, check func() bool) bool {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	for !check() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Main is what a TestMain does: it builds a program into a folder that goes with the tests, runs them, and returns their exit code. parallel is how
// many of them run at once; 0: as many as usual.
func Main(m *testing.M, program string, binary *string, parallel int) int {
	code, err := buildAndRun(m, program, binary, parallel)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func buildAndRun(m *testing.M, program string, binary *string, parallel int) (code int, err error) {
	dir, err := os.MkdirTemp("", "joinery-test-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	*binary = filepath.Join(dir, path.Base(program))
	if out, err := exec.Command("go", "build", "-o", *binary, program).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build %s: %w\n%s", program, err, out)
	}
	if parallel > 0 {
		if err := flag.Set("test.parallel", strconv.Itoa(parallel)); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

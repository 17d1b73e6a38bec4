package child_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"joinery.internal/pkg/child"
)

// The test binary plays the child, and the parent that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "good":
			os.Exit(good(os.Args[2]))
		case "deaf":
			os.Exit(deaf())
		case "bad":
			fmt.Fprintln(os.Stderr, "the disk is made of cheese")
			os.Exit(3)
		case "parent":
			os.Exit(parent(os.Args[2]))
		}
	}
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil { // or every child under the race detector ends a second late
		panic(err)
	}
	os.Exit(m.Run())
}

// good says which descriptors above 2 are open, runs until its parent is gone and then leaves a file, after writing to where nobody reads.
func good(dir string) int {
	gone := child.ParentGone()
	open := []string{}
	for fd := 3; fd < 256; fd++ {
		if target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil && strings.HasSuffix(target, "inherited") {
			open = append(open, target)
		}
	}
	if err := child.SayReady(fmt.Sprint("ready", open)); err != nil {
		return 1
	}
	fmt.Println("more on stdout")
	<-gone
	for range 100 {
		fmt.Println("into the void")
	}
	if err := os.WriteFile(filepath.Join(dir, "flushed"), nil, 0o600); err != nil {
		return 1
	}
	return 0
}

func deaf() int {
	fmt.Println("ready")
	_ = unix.Pause() // not select{}, which the runtime ends as a deadlock
	return 0
}

func parent(dir string) int {
	p, err := child.Start(context.Background(), child.Spec{Args: []string{os.Args[0], "good", dir}})
	if err != nil {
		return 1
	}
	if _, err := p.Ready(context.Background()); err != nil {
		return 1
	}
	fmt.Println(p.PID())
	<-p.Done()
	return 0
}

func start(t *testing.T, spec child.Spec, args ...string) *child.Process {
	t.Helper()
	spec.Args = append([]string{os.Args[0]}, args...)
	p, err := child.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(0) }) // whatever it has become
	return p
}

func TestAChildIsReadyThenStopsCleanlyWhenAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	p := start(t, child.Spec{Log: log}, "good", dir)
	line, err := p.Ready(t.Context())
	if err != nil || !strings.HasPrefix(line, "ready") {
		t.Fatalf("%q, %v", line, err)
	}
	if group, err := unix.Getpgid(p.PID()); err != nil || group != p.PID() {
		t.Errorf("its group is %d, %v", group, err)
	}
	if err := p.Stop(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "flushed")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(log); err != nil || !strings.HasPrefix(string(b), "more on stdout\n") {
		t.Errorf("log: %q, %v", b, err)
	}
	if err := p.Stop(0); err != nil || p.Err() != nil {
		t.Errorf("a second Stop: %v, %v", err, p.Err())
	}
}

func TestAChildStopsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := child.Start(ctx, child.Spec{Args: []string{os.Args[0], "good", dir}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-p.Done()
	if p.Err() != nil {
		t.Error(p.Err())
	}
}

func TestAChildOutlivesAKilledParentOnlyToFinish(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "parent", dir)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(bufio.NewReader(stdout), &pid); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(filepath.Join(dir, "flushed")); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("process %d has not finished", pid)
		case <-ticker.C:
		}
	}
}

func TestAChildThatDoesNotStopIsKilledAndSaidToBe(t *testing.T) {
	t.Parallel()
	p := start(t, child.Spec{}, "deaf", "")
	if _, err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(10 * time.Millisecond); !errors.Is(err, child.ErrKilled) {
		t.Errorf("Stop: %v", err)
	}
	if err := syscall.Kill(p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestAChildThatFailsSaysWhatItsLogSays(t *testing.T) {
	t.Parallel()
	p := start(t, child.Spec{Log: filepath.Join(t.TempDir(), "log")}, "bad", "")
	_, err := p.Ready(t.Context())
	if err == nil || !strings.Contains(err.Error(), "made of cheese") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("Ready: %v", err)
	}
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) {
		t.Errorf("Err: %v", p.Err())
	}
}

// A foreign program: sleep knows nothing of its parent.
func TestAGuardedProgramIsKilledWhenItsParentAsks(t *testing.T) {
	t.Parallel()
	p, err := child.Start(t.Context(), child.Spec{Args: child.Guarded("sleep", "1000")})
	if err != nil {
		t.Fatal(err)
	}
	line, err := p.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	_ = p.Stop(10 * time.Second) // it reports the signal the program died of
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func TestAProgramThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := child.Start(t.Context(), child.Spec{Args: []string{"/nowhere/at-all"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start: %v", err)
	}
	if _, err := child.Start(t.Context(), child.Spec{}); err == nil {
		t.Error("started nothing")
	}
}

// A descriptor that this process got without close-on-exec, as from a shell, is not in the child.
func TestInheritedDescriptorsDoNotLeak(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fd, err := unix.Open(filepath.Join(dir, "inherited"), unix.O_CREAT|unix.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	p := start(t, child.Spec{}, "good", dir)
	if line, err := p.Ready(t.Context()); err != nil || line != "ready[]" {
		t.Errorf("%q, %v", line, err)
	}
}

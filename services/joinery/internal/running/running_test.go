package running

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The folder comes from the environment, which is one for the process: these tests do not run in parallel.

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	want := Dev{Console: "http://127.0.0.1:8080", PID: os.Getpid()}
	if err := Write(want); err != nil {
		t.Fatal(err)
	}
	got, err := Read()
	if err != nil || got != want {
		t.Fatalf("read %+v, %v; want %+v", got, err, want)
	}
}

func TestThereIsNoneBeforeTheFirstAndAfterRemove(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if _, err := Read(); !errors.Is(err, ErrNone) {
		t.Fatalf("read before the first: %v", err)
	}
	if err := Write(Dev{Console: "http://127.0.0.1:1", PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	if err := Remove(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(); !errors.Is(err, ErrNone) {
		t.Fatalf("read after remove: %v", err)
	}
}

func TestAKilledPipelineIsNotFound(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	ended := exec.CommandContext(t.Context(), "true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	if err := Write(Dev{Console: "http://127.0.0.1:1", PID: ended.Process.Pid}); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(); !errors.Is(err, ErrNone) {
		t.Fatalf("read of a dead pipeline: %v", err)
	}
}

func TestRemoveLeavesThePipelineOfAnother(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if err := Write(Dev{Console: "http://127.0.0.1:1", PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	if err := Remove(os.Getpid() + 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedFileSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if err := os.MkdirAll(filepath.Join(dir, "joinery"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "joinery", "dev.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(); err == nil || errors.Is(err, ErrNone) {
		t.Fatalf("read of a damaged file: %v", err)
	}
}

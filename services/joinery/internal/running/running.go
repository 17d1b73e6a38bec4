// Package running remembers where this user's `joinery dev` can be reached, so that the other verbs find it.
//
// It owns one small file, dev.json, in the user's runtime folder. It does not own the pipeline: the file is a hint, and
// one that a killed pipeline left behind is recognised by its process being gone. Write replaces the file atomically, so
// a reader sees either pipeline whole; when two run at once, the one started last is found.
//
//	err := running.Write(running.Dev{Console: "http://127.0.0.1:8080", PID: os.Getpid()})
//	defer running.Remove(os.Getpid())
package running

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrNone means that no pipeline of this user is running.
var ErrNone = errors.New("no running pipeline")

// Dev is a running pipeline.
type Dev struct {
	Console string `json:"console"` // base URL
	PID     int    `json:"pid"`
}

// Write says where the pipeline is.
func Write(d Dev) error {
	file, err := path()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("create folder of running pipeline: %w", err)
	}
	b, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode running pipeline: %w", err)
	}
	next := fmt.Sprintf("%s.%d", file, os.Getpid())
	if err := os.WriteFile(next, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write running pipeline: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("write running pipeline: %w", err)
	}
	return nil
}

// Read returns the running pipeline, or ErrNone when there is none or its process is gone.
func Read() (Dev, error) {
	file, err := path()
	if err != nil {
		return Dev{}, err
	}
	d, err := load(file)
	if err != nil {
		return Dev{}, err
	}
	if !alive(d.PID) {
		return Dev{}, fmt.Errorf("%w: process %d of %s has ended", ErrNone, d.PID, d.Console)
	}
	return d, nil
}

// Remove forgets the pipeline of that process; one that another process has written since stays.
func Remove(pid int) error {
	file, err := path()
	if err != nil {
		return err
	}
	d, err := load(file)
	if errors.Is(err, ErrNone) || err == nil && d.PID != pid {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove running pipeline: %w", err)
	}
	return nil
}

func load(file string) (Dev, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Dev{}, ErrNone
	}
	if err != nil {
		return Dev{}, fmt.Errorf("read running pipeline: %w", err)
	}
	var d Dev
	if err := json.Unmarshal(b, &d); err != nil || d.Console == "" || d.PID <= 0 {
		return Dev{}, fmt.Errorf("read running pipeline: %s is damaged; delete it, or start `joinery dev` again", file)
	}
	return d, nil
}

// path is dev.json in XDG_RUNTIME_DIR, which ends with the session, else in the user's cache folder.
func path() (string, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(dir) {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find folder of running pipeline: %w", err)
		}
		dir = cache
	}
	return filepath.Join(dir, "joinery", "dev.json"), nil
}

// alive asks whether the process is there; one of another user is, too.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

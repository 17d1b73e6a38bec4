// Package nodetest runs programs of others from npm for tests: a folder with package.json, its lock and server.js, which
// prints its loopback port as its first line and ends when its input does.
//
// It owns the processes, which end with the test, and the cache their packages are installed in, once per content of the
// folder. Processes are independent of one another.
//
//	origin := nodetest.Start(t, "scimmy", files, "argument")
package nodetest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Start starts server.js of the folder and returns its origin, such as http://127.0.0.1:4711.
func Start(t testing.TB, name string, files fs.FS, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", append([]string{"server.js"}, args...)...)
	cmd.Dir = install(t, name, files)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // the server ends when it closes, however this process ends
	if err != nil {
		t.Fatalf("pipe to %s: %v", name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("pipe from %s: %v", name, err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s (is Node installed?): %v", name, err)
	}
	t.Cleanup(func() {
		if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil && t.Context().Err() == nil {
			t.Errorf("stop %s: %v", name, err)
		}
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("read the port of %s: %v", name, err)
	}
	return "http://127.0.0.1:" + strings.TrimSpace(port)
}

// install copies the folder into a cache folder named by its content, with its dependencies: once per content.
func install(t testing.TB, name string, files fs.FS) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("find the cache folder: %v", err)
	}
	sum := sha256.New()
	for _, file := range []string{"package-lock.json", "package.json", "server.js"} {
		content, err := fs.ReadFile(files, file)
		if err != nil {
			t.Fatalf("read %s: %v", name, err)
		}
		sum.Write(content)
	}
	dir := filepath.Join(cache, "joinery", name+"-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		t.Fatalf("make the cache folder: %v", err)
	}
	staging, err := os.MkdirTemp(filepath.Dir(dir), "staging-")
	if err != nil {
		t.Fatalf("make the cache folder: %v", err)
	}
	if err := os.CopyFS(staging, files); err != nil {
		t.Fatalf("copy %s: %v", name, err)
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
	npm.Dir = staging
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci for %s (Node with npm and a package registry are needed): %v\n%s", name, err, out)
	}
	if err := os.Rename(staging, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // another test was faster: its copy is as good
			t.Fatalf("keep %s: %v", name, err)
		}
		if err := os.RemoveAll(staging); err != nil {
			t.Fatalf("remove the second copy of %s: %v", name, err)
		}
	}
	return dir
}

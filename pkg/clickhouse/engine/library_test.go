package engine

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// registry is a fake npm on PATH: it hands out one tarball and counts how often.
type registry struct {
	dir     string
	content []byte
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	r := &registry{dir: t.TempDir(), content: bytes.Repeat([]byte("engine "), 10_000)}
	script := "#!/bin/sh\necho >> " + r.dir + "/calls\n" +
		`while [ "$1" != --pack-destination ]; do shift; done` + "\n" +
		"/bin/cp " + r.dir + `/lib.tar.gz "$2/lib-1.0.0.tgz"` + "\n"
	if err := os.WriteFile(filepath.Join(r.dir, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", r.dir)
	r.publish(t, tarball(t, r.content))
	return r
}

func (r *registry) library() library {
	sum := sha256.Sum256(r.content)
	return library{pkg: "@acme/lib", version: "1.0.0", member: "package/lib.so", file: "lib.so", sha256: hex.EncodeToString(sum[:]),
		size: int64(len(r.content)), download: 1000}
}

func (r *registry) publish(t *testing.T, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, "lib.tar.gz"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *registry) calls(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, "calls"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return len(b)
}

func tarball(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, f := range []struct {
		name string
		body []byte
	}{{"package/package.json", []byte("{}")}, {"package/lib.so", content}} {
		err := tw.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.body))})
		if err == nil {
			_, err = tw.Write(f.body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheLibraryIsFetchedOnceAndKept(t *testing.T) {
	r, root := newRegistry(t), t.TempDir()
	var said bytes.Buffer
	for range 2 {
		path, err := r.library().ensure(t.Context(), root, newMeter(&said))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, r.content) {
			t.Fatalf("library at %s: %d bytes, %v", path, len(got), err)
		}
	}
	if n := r.calls(t); n != 1 {
		t.Errorf("npm was called %d times, want once", n)
	}
	if s := said.String(); strings.Count(s, "\n") != 2 || strings.Contains(s, "\r") {
		t.Errorf("said %q, want two plain lines", s)
	}
	left, err := filepath.Glob(filepath.Join(root, "*", "stage-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestADamagedDownloadIsNeverTakenForTheLibrary(t *testing.T) {
	r, root := newRegistry(t), t.TempDir()
	whole := tarball(t, r.content)
	other := bytes.Clone(r.content)
	other[5]++
	for name, published := range map[string][]byte{
		"cut": whole[:len(whole)/2], "other content": tarball(t, other), "no archive": []byte("<html>"), "empty": nil, "member missing": tarball(t, nil)[:40],
	} {
		r.publish(t, published)
		if path, err := r.library().ensure(t.Context(), root, newMeter(nil)); err == nil {
			t.Errorf("%s: taken as %s", name, path)
		}
		if _, err := os.Stat(filepath.Join(root, "engine-1.0.0", "lib.so")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something bears the library's name: %v", name, err)
		}
	}
	r.publish(t, whole)
	if _, err := r.library().ensure(t.Context(), root, newMeter(nil)); err != nil {
		t.Errorf("a later good download: %v", err)
	}
}

func TestTwoProcessesDoNotFetchAtOnceAndLeftoversAreRemoved(t *testing.T) {
	r, root := newRegistry(t), t.TempDir()
	stale := filepath.Join(root, "engine-1.0.0", "stage-killed")
	if err := os.MkdirAll(stale, 0o755); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 { // locks belong to open files, so goroutines exclude one another as processes do
		all.Go(func() {
			if _, err := r.library().ensure(t.Context(), root, newMeter(nil)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := r.calls(t); n != 1 {
		t.Errorf("npm was called %d times, want once", n)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("leftover of a killed fetch: %v", err)
	}
}

func TestWaitingForAnotherFetchEndsWithTheContext(t *testing.T) {
	r, root := newRegistry(t), t.TempDir()
	dir := filepath.Join(root, "engine-1.0.0")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := lockFile(t.Context(), filepath.Join(dir, "fetch.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.library().ensure(ctx, root, newMeter(nil)); !errors.Is(err, context.Canceled) {
		t.Fatalf("ensure = %v, want it to give up with its context", err)
	}
}

func TestTheBarIsFullExactlyAtTheEnd(t *testing.T) {
	t.Parallel()
	for done, want := range map[int64]int{0: 0, 50 << 20: barWidth / 2, 100 << 20: barWidth, 200 << 20: barWidth} {
		if got := strings.Count(bar("x", done, 100<<20), "="); got != want {
			t.Errorf("bar at %d of 100 MB has %d marks, want %d", done>>20, got, want)
		}
	}
}

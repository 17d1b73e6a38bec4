package engine

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// library is a shared library inside an npm package, pinned by content.
type library struct {
	pkg      string // npm package
	version  string
	member   string // path in the tarball
	file     string // name in the cache
	sha256   string // of the file
	size     int64  // of the file, bytes
	download int64  // of the tarball, bytes; for progress only
}

// engineLibrary is the one version this package was proved with. Later or earlier ones may lack listeners.
var engineLibrary = library{
	pkg:      "@chdb/lib-linux-x64-gnu",
	version:  "26.7.3-stable.1",
	member:   "package/libchdb.so",
	file:     "libchdb.so",
	sha256:   "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5",
	size:     566_330_096,
	download: 177_817_999,
}

const glibcLoader = "/lib64/ld-linux-x86-64.so.2"

// libraryPath returns the path of the engine library, fetching it into the user's cache if it is not there.
func libraryPath(ctx context.Context, progress io.Writer) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("there is no engine library for %s on %s", runtime.GOOS, runtime.GOARCH)
	}
	if _, err := os.Stat(glibcLoader); err != nil {
		return "", fmt.Errorf("the engine library needs glibc: %w", err)
	}
	root, err := cacheRoot()
	if err != nil {
		return "", err
	}
	return engineLibrary.ensure(ctx, root, newMeter(progress))
}

// cacheRoot is JOINERY_CACHE, else the user's cache folder.
func cacheRoot() (string, error) {
	if dir := os.Getenv("JOINERY_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder (JOINERY_CACHE chooses one): %w", err)
	}
	return filepath.Join(dir, "joinery"), nil
}

// ensure returns the library's path under root. The file gets its final name only after its checksum was seen to
// be right, so whatever bears that name is whole; a lock keeps two processes from fetching at once.
func (l library) ensure(ctx context.Context, root string, m *meter) (string, error) {
	dir := filepath.Join(root, "engine-"+l.version)
	path := filepath.Join(dir, l.file)
	if l.present(path) {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the engine cache: %w", err)
	}
	lock, err := lockFile(ctx, filepath.Join(dir, "fetch.lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another process that fetches the engine: %w", err)
	}
	defer lock.Close() // gives the lock up
	if l.present(path) {
		return path, nil
	}
	if err := l.fetch(ctx, dir, path, m); err != nil {
		return "", fmt.Errorf("fetch the engine library: %w", err)
	}
	return path, nil
}

func (l library) present(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Size() == l.size
}

// fetch is called with the lock held: what an earlier, killed fetch left behind belongs to nobody.
func (l library) fetch(ctx context.Context, dir, path string, m *meter) (err error) {
	left, err := filepath.Glob(filepath.Join(dir, "stage-*"))
	if err != nil {
		return fmt.Errorf("list leftovers: %w", err)
	}
	for _, old := range left {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("remove leftover: %w", err)
		}
	}
	stage, err := os.MkdirTemp(dir, "stage-")
	if err != nil {
		return fmt.Errorf("make staging folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	tarball, err := l.runNpm(ctx, stage, m)
	if err != nil {
		return err
	}
	fresh := filepath.Join(stage, l.file)
	if err := l.extract(ctx, tarball, fresh, m); err != nil {
		return fmt.Errorf("unpack %s@%s: %w", l.pkg, l.version, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("put the library in place: %w", err)
	}
	return nil
}

// runNpm runs npm with a cache of its own inside stage: its growth is the progress, and nothing stays behind.
func (l library) runNpm(ctx context.Context, stage string, m *meter) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm is not on PATH")
	}
	spec := l.pkg + "@" + l.version
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--cache", filepath.Join(stage, "npm"), "--pack-destination", stage, spec)
	cmd.Dir = stage
	cmd.WaitDelay = 5 * time.Second
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	stop := m.watch("downloading the ClickHouse engine (once)", l.download, func() int64 { return folderSize(stage) })
	err = cmd.Run()
	stop()
	if err != nil {
		return "", fmt.Errorf("npm pack %s: %w: %s", spec, err, strings.TrimSpace(said.String()))
	}
	found, err := filepath.Glob(filepath.Join(stage, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm pack %s left %d tarballs, want 1", spec, len(found))
	}
	return found[0], nil
}

func (l library) extract(ctx context.Context, tarball, to string, m *meter) error {
	f, err := os.Open(tarball)
	if err != nil {
		return fmt.Errorf("open tarball: %w", err)
	}
	defer f.Close()
	defer context.AfterFunc(ctx, func() { f.Close() })() // a cancelled context ends the reading
	zr, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read tarball: %w", err)
	}
	tr := tar.NewReader(zr)
	for {
		h, err := tr.Next()
		if err != nil {
			return fmt.Errorf("find %s in the tarball: %w", l.member, err)
		}
		if h.Name == l.member {
			return l.writeVerified(tr, to, m)
		}
	}
}

// writeVerified writes the library to `to`, flushed to disk, and fails unless its checksum is the pinned one.
func (l library) writeVerified(r io.Reader, to string, m *meter) (err error) {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("create library: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	counter := &countingHash{Hash: sha256.New()}
	stop := m.watch("unpacking it", l.size, counter.n.Load)
	_, err = io.Copy(io.MultiWriter(out, counter), r)
	stop()
	if err != nil {
		return fmt.Errorf("write library: %w", err)
	}
	if got := hex.EncodeToString(counter.Sum(nil)); got != l.sha256 {
		return fmt.Errorf("checksum of %s is %s, want %s: the download is damaged or not what was published", l.file, got, l.sha256)
	}
	if err := out.Sync(); err != nil {
		return fmt.Errorf("flush library: %w", err)
	}
	return nil
}

func folderSize(dir string) int64 {
	var sum int64
	walk := func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // files come and go while npm works; this is only for progress
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	}
	if err := filepath.WalkDir(dir, walk); err != nil {
		return sum // the walk function never fails
	}
	return sum
}

type countingHash struct {
	hash.Hash
	n atomic.Int64
}

func (c *countingHash) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.Hash.Write(p)
}

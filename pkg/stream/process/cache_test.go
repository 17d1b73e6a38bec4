//go:build process

package process_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"joinery.internal/pkg/stream/process"
)

// folders of all worlds: what is in another's is of another cluster, with topics of the same names.
var folders struct {
	sync.Mutex
	all []string
}

func cacheFolder(t *testing.T) string {
	dir := t.TempDir()
	folders.Lock()
	defer folders.Unlock()
	folders.all = append(folders.all, dir)
	t.Cleanup(func() {
		folders.Lock()
		defer folders.Unlock()
		folders.all = slices.DeleteFunc(folders.all, func(other string) bool { return other == dir })
	})
	return dir
}

// cached gives the cache files of an instance.
func cached(caches, instance string) []string {
	files, _ := filepath.Glob(filepath.Join(caches, process.Name, instance, "*.state")) // the pattern is right
	return files
}

// damageCache does something to a cached partition of an instance that is dead: what a disk, a backup or a person might.
func (w *world) damageCache(instance string) {
	w.t.Helper()
	files := cached(w.caches, instance)
	if len(files) == 0 {
		return
	}
	path := files[w.rng.IntN(len(files))]
	old := filepath.Join(filepath.Dir(w.caches), instance+filepath.Base(path)) // a copy of an earlier life
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	was := b
	switch w.rng.IntN(6) {
	case 0:
		b = b[:w.rng.IntN(len(b)+1)]
	case 1:
		b = append(slices.Clone(b), 0)
		b[w.rng.IntN(len(b))] ^= 1 << w.rng.IntN(8)
	case 2:
		b = w.foreign(filepath.Base(path), instance)
	case 3: // of another partition
		b, err = os.ReadFile(files[w.rng.IntN(len(files))])
	case 4:
		b = nil
	default:
		b, err = os.ReadFile(old)
	}
	if os.IsNotExist(err) {
		b, err = nil, nil
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err == nil && w.rng.IntN(4) == 0 {
		err = os.WriteFile(old, was, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.faults++
}

// foreign gives what another cluster's worker has cached of a partition; nothing if there is none now.
func (w *world) foreign(name, instance string) []byte {
	folders.Lock()
	defer folders.Unlock()
	for _, dir := range folders.all {
		if dir == filepath.Dir(w.caches) {
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, "now", process.Name, instance, name)); err == nil {
			return b
		}
	}
	return nil
}

package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"
)

// TestEveryPrefixOfAFileIsAStateAsItOnceWas, and every changed byte is noticed or cuts it off.
func TestEveryPrefixOfAFileIsAStateAsItOnceWas(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	states := map[int64]map[string][]byte{}
	state := map[string][]byte{"a": []byte("1"), "b": {}, "": []byte("x")}
	f, err := createCache(path, "header", state, anchor{offset: 3})
	must(t, err)
	states[3] = maps.Clone(state)
	for offset := range int64(5) {
		key, value := fmt.Sprint("k", offset), []byte("v")
		if offset == 3 {
			key, value = "a", nil
		}
		fold(state, []byte(key), value)
		must(t, f.append(sealBlock(appendChange(beginBlock(nil), key, value), kindComplete, 1, anchor{offset: 10 + offset})))
		states[10+offset] = maps.Clone(state)
	}
	must(t, f.Close())
	whole, err := os.ReadFile(path)
	must(t, err)
	judge := func(what string, b []byte) {
		must(t, os.WriteFile(path, b, 0o600))
		c, err := readCache(path)
		if err == nil && !maps.EqualFunc(c.state, states[c.at.offset], bytes.Equal) {
			t.Errorf("%s: state %q at offset %d", what, c.state, c.at.offset)
		}
		if err != nil && !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range whole {
		judge(fmt.Sprintf("cut off at %d", n), whole[:n])
		b := bytes.Clone(whole)
		b[n] ^= 1 << (n % 8)
		judge(fmt.Sprintf("changed at %d", n), b)
	}
	judge("untouched", whole)
	last := appendChange(beginBlock(nil), "k4", []byte("v"))
	must(t, os.WriteFile(path, append(whole, sealBlock(last, kindComplete, 1, anchor{offset: 14})...), 0o600))
	if c, err := readCache(path); !errors.Is(err, errDamaged) {
		t.Errorf("its last block comes twice: state up to %d, error %v", c.at.offset, err)
	}
}

func TestAFileIsWrittenAnewWhenMostOfItIsHistory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	f, err := createCache(path, "header", nil, anchor{offset: -1})
	must(t, err)
	value := make([]byte, 1<<20)
	for offset := range int64(40) {
		must(t, f.append(sealBlock(appendChange(beginBlock(nil), "k", value), kindComplete, 1, anchor{offset: offset})))
		f, err = f.compact()
		must(t, err)
	}
	info, err := os.Stat(path)
	must(t, err)
	must(t, f.Close())
	c, err := readCache(path)
	if err != nil || c.at.offset != 39 || len(c.state["k"]) != len(value) || info.Size() > 3<<20+compactAt || info.Size() != c.end {
		t.Errorf("%d bytes, offset %d: %v", info.Size(), c.at.offset, err)
	}
}

func TestAWholeStateOfManyBlocksIsReadBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	state := map[string][]byte{}
	for n := range 3000 {
		state[fmt.Sprint("k", n)] = bytes.Repeat([]byte{byte(n)}, n%1000)
	}
	size, err := writeCache(path, "header", state, anchor{offset: 7})
	must(t, err)
	c, err := readCache(path)
	if err != nil || !maps.EqualFunc(c.state, state, bytes.Equal) || c.whole != size || c.end != size || size < 4*blockSize || c.header != "header" {
		t.Errorf("%d keys of %d, %d bytes of %d: %v", len(c.state), len(state), c.end, size, err)
	}
}

// stateFiles gives the cache files under a folder.
func stateFiles(t testing.TB, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, cacheSuffix) {
			files = append(files, path)
		}
		if errors.Is(err, fs.ErrNotExist) { // nothing was cached yet
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func rewrite(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// reseal writes a file that was changed, with checksums that match.
func reseal(t testing.TB, path string, change func(*cached)) {
	t.Helper()
	c, err := readCache(path)
	if err == nil {
		change(&c)
		_, err = writeCache(path, c.header, c.state, c.at)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// damage does something bad to the cache under a folder: what a disk, a backup or a person might do.
func damage(t testing.TB, rng *rand.Rand, dir, copies string) {
	t.Helper()
	files := stateFiles(t, dir)
	if len(files) == 0 {
		return
	}
	path := pick(rng, files)
	switch rng.IntN(6) {
	case 0:
		rewrite(t, path, func(b []byte) []byte { return b[:rng.IntN(len(b)+1)] })
	case 1:
		rewrite(t, path, func(b []byte) []byte { b[rng.IntN(len(b))] ^= 1 << rng.IntN(8); return b })
	case 2:
		rewrite(t, path, func(b []byte) []byte { return append(b, b[rng.IntN(len(b)):]...) })
	case 3: // of another partition
		b, err := os.ReadFile(pick(rng, files))
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, path, func([]byte) []byte { return b })
	case 4: // an earlier one
		if old := filepath.Join(copies, filepath.Base(path)); exists(old) {
			if err := os.Rename(old, path); err != nil {
				t.Fatal(err)
			}
		}
	default:
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if path = pick(rng, files); exists(path) { // to be put back later
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(copies, filepath.Base(path)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// BenchmarkHandingChangesToTheCache is the processor time that the cache takes for each changed key: of the loop, which copies,
// and of the writer.
func BenchmarkHandingChangesToTheCache(b *testing.B) {
	for _, size := range []int{10, 1000} {
		b.Run(fmt.Sprintf("%d B", size), func(b *testing.B) {
			c := openCache(counting(), Options{CacheDir: b.TempDir(), Instance: "0", Log: slog.New(slog.DiscardHandler)})
			defer c.close()
			c.begin(map[int32]*beginning{0: {header: "h", last: anchor{offset: -1}}})
			var before, after unix.Rusage
			changes := make([]*kgo.Record, 500) // of a transaction
			for i := range changes {
				changes[i] = &kgo.Record{Key: fmt.Appendf(nil, "count/person-%07d", i), Value: make([]byte, size)}
			}
			must(b, unix.Getrusage(unix.RUSAGE_SELF, &before))
			for n := int64(0); b.Loop(); n += int64(len(changes)) {
				for i, r := range changes {
					r.Offset = n + int64(i)
				}
				if c.add(changes); n%10_000 == 0 { // the writer's part, at its pace
					c.flush()
				}
			}
			must(b, unix.Getrusage(unix.RUSAGE_SELF, &after))
			cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
			b.ReportMetric(float64(cpu)/float64(b.N*len(changes)), "cpu-ns/key")
		})
	}
}

package stream

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cachedIn gives an instance a state cache, a registry and a log.
func cachedIn(dir string, reg *prometheus.Registry, log *lockedBuffer) func(*Options) {
	return func(o *Options) {
		o.CacheDir, o.Metrics, o.Log = dir, reg, slog.New(slog.NewTextHandler(log, nil))
	}
}

// lived is an instance that has counted something under every key, with a cache of that, and is stopped.
func lived(t *testing.T, w *world) (i *instance, dir string, reg *prometheus.Registry, log *lockedBuffer) {
	t.Helper()
	dir, reg, log = t.TempDir(), prometheus.NewRegistry(), &lockedBuffer{}
	i = w.start("0", cachedIn(dir, reg, log))
	w.feedAll(2)
	w.audit()
	i.restart() // so that its files have an end that may be missed
	w.feedAll(1)
	w.audit()
	i.stop()
	return i, filepath.Join(dir, "count", "0"), reg, log
}

// feedAll counts every key so many times.
func (w *world) feedAll(times int) {
	w.t.Helper()
	for n := range 20 * times {
		w.feed(fmt.Sprintf("k%d", n%20), `"count"`)
	}
}

// goOn starts the instance again, gives it work, and judges all that was ever done; it returns what the restore read.
func (i *instance) goOn(reg *prometheus.Registry) (read float64) {
	i.w.t.Helper()
	i.run(counting())
	i.w.feedAll(1)
	i.w.check()
	return metric(i.w.t, reg, "restore_records")
}

func TestARestartReadsOnlyTheEndOfTheChangelog(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		i, _, reg, _ := lived(t, w)
		all := len(committed(t.Context(), t, "jml.count.state.v1", w.reach()...))
		if read := i.goOn(reg); read > 2*partitions || all < 10*partitions {
			t.Errorf("read %v of %d records", read, all)
		}
	})
}

// TestACacheInDoubtIsNotUsed: whatever happens to the files, the state is that of the changelog.
func TestACacheInDoubtIsNotUsed(t *testing.T) {
	t.Parallel()
	each := func(f func(t *testing.T, path string)) func(*testing.T, *world, string) {
		return func(t *testing.T, _ *world, dir string) {
			for _, path := range stateFiles(t, dir) {
				f(t, path)
			}
		}
	}
	for name, c := range map[string]struct {
		happens func(t *testing.T, w *world, dir string)
		why     string // in the log; empty: it needs none
	}{
		"a bit is flipped": {each(func(t *testing.T, path string) {
			rewrite(t, path, func(b []byte) []byte { b[len(b)-10] ^= 4; return b })
		}), "a checksum does not match"},
		"it is empty":    {each(func(t *testing.T, path string) { rewrite(t, path, func([]byte) []byte { return nil }) }), "damaged"},
		"it is cut off":  {each(func(t *testing.T, path string) { rewrite(t, path, func(b []byte) []byte { return b[:len(b)-7] }) }), ""},
		"it is all zero": {each(func(t *testing.T, path string) { rewrite(t, path, func(b []byte) []byte { clear(b); return b }) }), "damaged"},
		"it ends in its state": {each(func(t *testing.T, path string) {
			rewrite(t, path, func(b []byte) []byte { return b[:blockFixed+90] })
		}), "before its state is whole"},
		"it is of another partition": {func(t *testing.T, _ *world, dir string) {
			files := stateFiles(t, dir)
			must(t, os.Rename(files[0], files[1]))
		}, "of another changelog"},
		"it is of another instance": {each(func(t *testing.T, path string) {
			reseal(t, path, func(c *cached) { c.header = strings.Replace(c.header, "\n0\n", "\n1\n", 1) })
		}), "of another"},
		"it is of another format": {each(func(t *testing.T, path string) {
			reseal(t, path, func(c *cached) { c.header = strings.Replace(c.header, "format 1", "format 0", 1) })
		}), "of another"},
		"it knows more than the changelog": {each(func(t *testing.T, path string) {
			reseal(t, path, func(c *cached) { c.at.offset += 1000; c.state["count/k1"] = []byte("77") })
		}), "the changelog ends at"},
		"what it ends with was not committed": {each(func(t *testing.T, path string) {
			reseal(t, path, func(c *cached) { c.at.sum[0]++; c.state["count/k1"] = []byte("77") })
		}), "has not what it ends with"},
		"what it ends with is a marker": {each(func(t *testing.T, path string) {
			reseal(t, path, func(c *cached) { c.at.offset++; c.state["count/k1"] = []byte("77") })
		}), "has not what it ends with"},
		"it is of tomorrow": {each(func(t *testing.T, path string) {
			reseal(t, path, func(c *cached) { c.at.at = c.at.at.Add(100 * time.Hour) })
		}), "younger than"},
		"the log begins later": {func(t *testing.T, w *world, _ string) {
			adm := kadm.NewClient(w.client)
			ends, err := adm.ListEndOffsets(t.Context(), "jml.count.state.v1")
			must(t, err)
			w.writeStateAgain()
			_, err = adm.DeleteRecords(t.Context(), ends.Offsets())
			must(t, err)
		}, "the changelog begins at"},
		"tombstones may be gone": {func(*testing.T, *world, string) { time.Sleep(13 * time.Hour) }, "tombstones are kept for 24h0m0s"},
		"nothing at all":         {func(*testing.T, *world, string) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, w *world) {
				i, dir, reg, log := lived(t, w)
				c.happens(t, w, dir)
				i.goOn(reg)
				got := log.String()
				if c.why == "" == strings.Contains(got, "thrown away") || !strings.Contains(got, c.why) {
					t.Errorf("the log does not say %q: %s", c.why, got)
				}
				i.stop()
				if i.goOn(reg); strings.Count(log.String(), "thrown away") != strings.Count(got, "thrown away") {
					t.Errorf("what was written after that is not used: %s", log.String())
				}
			})
		})
	}
}

// writeStateAgain writes the whole state to the end of the changelog.
func (w *world) writeStateAgain() {
	w.t.Helper()
	states := map[int32]map[string][]byte{}
	for _, r := range committed(w.t.Context(), w.t, "jml.count.state.v1", w.reach()...) {
		if states[r.Partition] == nil {
			states[r.Partition] = map[string][]byte{}
		}
		fold(states[r.Partition], r.Key, r.Value)
	}
	for id, state := range states {
		for k, v := range state {
			must(w.t, w.client.ProduceSync(w.t.Context(), &kgo.Record{Topic: "jml.count.state.v1", Partition: id, Key: []byte(k), Value: v}).FirstErr())
		}
	}
}

func TestACacheOfATopicThatWasMadeAnewIsNotUsed(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		i, _, _, log := lived(t, w)
		adm := kadm.NewClient(w.client)
		_, err := adm.DeleteTopics(t.Context(), "jml.count.state.v1")
		must(t, err)
		compact := "compact"
		_, err = adm.CreateTopic(t.Context(), partitions, 1, map[string]*string{"cleanup.policy": &compact}, "jml.count.state.v1")
		must(t, err)
		i.run(counting())
		time.Sleep(10 * time.Second)
		if !strings.Contains(log.String(), "of another changelog") {
			t.Error(log.String())
		}
	})
}

func TestACacheHoldsOnlyWhatHasCommitted(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		dir, log := t.TempDir(), &lockedBuffer{}
		i := w.start("0", cachedIn(dir, prometheus.NewRegistry(), log))
		for n, point := range points {
			w.feedAll(1)
			i.killAt(point)
			w.feed(fmt.Sprintf("k%d", n), `"late"`)
			time.Sleep(3 * time.Second)
		}
		i.killAt("")
		a := w.audit()
		i.stop()
		for _, fault := range append(a.faults(), cacheFaults(t, dir, a.changelog)...) {
			t.Error(fault)
		}
		if n := len(stateFiles(t, dir)); n != partitions || strings.Contains(log.String(), "thrown away") {
			t.Errorf("%d partitions are cached: %s", n, log.String())
		}
	})
}

// cacheFaults compares each cached state that is read with what the changelog says up to its anchor.
func cacheFaults(t *testing.T, dir string, changelog []*kgo.Record) (out []string) {
	t.Helper()
	for _, path := range stateFiles(t, dir) {
		c, err := readCache(path)
		if err != nil {
			continue // and so would a restart
		}
		want := map[string][]byte{}
		for _, r := range changelog {
			if r.Offset <= c.at.offset && fmt.Sprint(r.Partition) == strings.Split(c.header, "\n")[3] {
				fold(want, r.Key, r.Value)
			}
		}
		if !maps.EqualFunc(c.state, want, bytes.Equal) {
			out = append(out, fmt.Sprintf("%s at %d holds %q, the changelog says %q", path, c.at.offset, c.state, want))
		}
	}
	return out
}

func TestAPartitionThatWasElsewhereMeanwhileIsReadFromWhereItWasLeft(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		i, _, reg, log := lived(t, w)
		other := w.start("1", nil)
		time.Sleep(20 * time.Second) // until the group has given up the first
		w.feed("elsewhere", `"count"`)
		w.audit()
		other.stop()
		_, err := kadm.NewClient(w.client).LeaveGroup(t.Context(), kadm.LeaveGroup("count").InstanceIDs("1"))
		must(t, err)
		i.goOn(reg)
		i.stop()
		i.goOn(reg)
		w.feed("elsewhere", `"count"`)
		if w.check(); strings.Contains(log.String(), "thrown away") {
			t.Error(log.String())
		}
	})
}

func TestAFolderThatAnotherProcessHasIsLeftAlone(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		w.start("0", func(o *Options) { o.CacheDir = dir })
		time.Sleep(time.Second)
		var log lockedBuffer
		w.start("0", cachedIn(dir, prometheus.NewRegistry(), &log)) // its twin
		w.feedAll(1)
		w.check()
		if !strings.Contains(log.String(), "no state cache") {
			t.Error(log.String())
		}
	})
}

func TestAFolderThatCannotBeWrittenIsNotNeeded(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		file := filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(file, nil, 0o600))
		w.start("0", func(o *Options) { o.CacheDir = file })
		w.feedAll(1)
		w.check()
	})
}

// TestASlowDiskDoesNotHoldUpTheLoop: what waits is bounded, and the cache is given up at its last whole block.
func TestASlowDiskDoesNotHoldUpTheLoop(t *testing.T) {
	t.Parallel()
	c := openCache(counting(), Options{CacheDir: t.TempDir(), Instance: "0", Log: slog.New(slog.DiscardHandler)})
	c.begin(map[int32]*beginning{0: {header: "h", last: anchor{offset: 4}, state: map[string][]byte{"a": []byte("1")}}})
	c.flush()
	c.files.Lock() // the disk stands still
	value := make([]byte, 1<<20)
	for n := range int64(2 * cachePending >> 20) {
		c.add([]*kgo.Record{{Key: []byte("k"), Value: value, Offset: 5 + n}})
	}
	if c.queued > cachePending {
		t.Errorf("%d bytes wait", c.queued)
	}
	c.files.Unlock()
	c.add([]*kgo.Record{{Key: []byte("b"), Value: []byte("2"), Offset: 1000}})
	path := c.path(0)
	c.close()
	got, err := readCache(path)
	must(t, err)
	if want := map[string][]byte{"a": []byte("1")}; !maps.EqualFunc(got.state, want, bytes.Equal) || got.at.offset != 4 {
		t.Errorf("holds %d keys up to offset %d: what came after a gap must not be there", len(got.state), got.at.offset)
	}
}

//go:build process

package process_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/stream/process"
)

// TestAKilledWorkerCommitsAgainAtOnce measures from the kill of a worker to the next commit of its successor, with a large
// state in its cache, and how long the partitions of the other worker were silent meanwhile. JOINERY_KEYS is the number
// of keys of 1 KB, of both workers.
func TestAKilledWorkerCommitsAgainAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	w.keep(number("JOINERY_KEYS", 400_000))
	other := w.start("1", "-session", "20s")
	w.must("worker 1 has everything", w.settled("1"))
	w.flows()
	t.Logf("restored from the changelog: %s", other.assigned(t))
	i := w.start("0", "-session", "20s")
	w.must("worker 0 has its share", w.settled("0", "1"))
	w.flows()
	w.must("all is cached", func() bool { return w.cachedBytes() > int64(w.kept)*1000 })
	w.watch.hush()
	var took []time.Duration
	for range rounds(9) {
		w.pass(300 * time.Millisecond)
		w.flows()
		i.Kill()
		died := time.Now()
		i = w.start("0", "-session", "20s")
		took = append(took, w.flowsAfter(died))
		w.faults++
	}
	silent := slices.Sorted(slices.Values(slices.Collect(func(yield func(time.Duration) bool) {
		for _, d := range w.watch.hush() {
			yield(d)
		}
	})))
	slices.Sort(took)
	t.Logf("restored from the cache: %s", i.assigned(t))
	fmt.Printf("process tier: kill -9 to the next commit, with %d keys of 1 KB: median %s, worst %s; the other worker's partitions were silent for %s at most\n",
		w.kept/2, took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond), silent[partitions/2-1].Round(time.Millisecond))
	if median := took[len(took)/2]; median > 5*time.Second {
		t.Errorf("a restart took %s: it waited for a session, a transaction or the changelog", median)
	}
	if b, err := os.ReadFile(other.Log); err != nil || strings.Count(string(b), "partitions lost") > 1 {
		t.Errorf("the other worker was disturbed: %v\n%s", err, b)
	}
	w.check()
}

// keep writes a large state into the changelog, before any worker is there.
func (w *world) keep(n int) {
	w.t.Helper()
	for i := range n {
		key := fmt.Sprintf("person-%07d", i)
		w.client.Produce(w.t.Context(), &kgo.Record{Topic: string(process.State), Partition: stream.Partition(key, partitions),
			Key: []byte("kept/" + key), Value: process.Kept(key)}, func(_ *kgo.Record, err error) {
			if err != nil {
				w.t.Error(err)
			}
		})
	}
	if err := w.client.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.kept = n
}

// cachedBytes is the size of all caches.
func (w *world) cachedBytes() (sum int64) {
	for _, instance := range []string{"0", "1"} {
		for _, path := range cached(w.caches, instance) {
			if info, err := os.Stat(path); err == nil {
				sum += info.Size()
			}
		}
	}
	return sum
}

// assigned gives what the worker last said of its restore.
func (i *worker) assigned(t *testing.T) (said string) {
	t.Helper()
	b, err := os.ReadFile(i.Log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "partitions assigned") {
			said = strings.TrimSpace(line)
		}
	}
	return said
}

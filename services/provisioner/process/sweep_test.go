package process_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
)

// sweepPlaces are where the reconciler is killed; the last is one of the provisioner, which repairs.
var sweepPlaces = []place{
	{name: "before EndTxn", nth: 1},
	{name: "sent EndTxn", nth: 1},
	{name: "answered EndTxn", nth: 1},      // the sweep is asked for
	{name: "a request", nth: 1, at: asked}, // listing
	{name: "before EndTxn", nth: 2},        // what it found
	{name: "a repair", nth: 1, at: acted},
}

// TestDriftIsRepairedOnceWhoeverDies changes accounts behind Joinery's back, and kills the reconciler at every step of the
// sweep while the target misbehaves. A listing cut short has nothing "repaired".
func TestDriftIsRepairedOnceWhoeverDies(t *testing.T) {
	t.Parallel()
	for number, name := range slices.Sorted(maps.Keys(subjects)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			make := subjects[name](t)
			for n := range append(netFaults(nil), make(t, t.TempDir()).faults...) {
				sweepCell(t, name, make, func(s *subject) fault { return append(netFaults(s.gate), s.faults...)[n] }, some(sweepPlaces, number, n))
			}
			sweepCell(t, name, make, func(s *subject) fault { return s.short }, sweepPlaces)
		})
	}
}

func sweepCell(t *testing.T, name string, make func(testing.TB, string) *subject, pick func(*subject) fault, places []place) {
	dir := t.TempDir()
	s := make(t, filepath.Join(dir, "target"))
	f := pick(s)
	t.Run(f.name, func(t *testing.T) {
		t.Parallel()
		write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", name, s, "concurrency: 4, timeout: 2s"))
		w := newWorld(t, dir, map[string]string{"app": s.kind})
		w.connector = name
		h := history{w: w, s: s, f: f, expected: map[change]int{}}
		i := w.start("provisioner")
		for n := range 24 { // so many that half of them are no trifle
			h.join(h.person("", n))
		}
		w.rest("app", s)
		i.Kill()
		for n, p := range places {
			h.sweepRound(n, p)
		}
		h.begin()
		w.start("provisioner")
		w.start("reconciler")
		w.pass(time.Second)
		f.end()
		w.sweep()
		took := w.rest("app", s)
		t.Logf("%d faults; at rest %s after the last", w.faults, took.Round(time.Millisecond))
		h.verdict()
	})
}

// sweepRound has an account deleted and one disabled by somebody else, and the target swept while it misbehaves.
func (h *history) sweepRound(n int, p place) {
	w := h.w
	gone, off := h.person("", 2*n), h.person("", 2*n+1)
	h.f.end() // an administrator gets through
	h.s.alter(w.t, "u-"+gone, connector.Delete)
	h.s.alter(w.t, "u-"+off, connector.Disable)
	for _, c := range []change{{gone, "delete", ""}, {gone, "create", ""}, {gone, "grant", h.s.kind + "/x"}, {off, "disable", ""}, {off, "enable", ""}} {
		h.expect(c.account, c.verb, c.item)
	}
	if h.s.cascades {
		h.expect(gone, "revoke", h.s.kind+"/x")
	}
	h.begin()
	w.sweep()
	h.dieAt(p, "reconciler", w.start("provisioner"))
}

// sweep asks for a sweep, in every partition.
func (w *world) sweep() {
	w.t.Helper()
	value, err := w.codec.Encode(string(event.SweepCommands), &event.SweepCommand{ID: fmt.Sprint("sweep-", time.Now().UnixNano()), Target: "app", Reason: "demand", Actor: "test", At: time.Now().UTC()})
	if err != nil {
		w.t.Fatal(err)
	}
	for p := range int32(partitions) {
		if err := w.client.ProduceSync(w.t.Context(), &kgo.Record{Topic: string(event.SweepCommands), Key: []byte("app"), Value: value, Partition: p}).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

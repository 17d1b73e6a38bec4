package process_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"joinery.internal/pkg/child/childtest"
	"joinery.internal/pkg/event"
)

// place is where the provisioner is killed.
type place struct {
	name string
	nth  int
	at   moment        // of the gate; empty: name is a place in the worker
	late time.Duration // how long what passes the gate there is still under way after the death
}

// places follow the protocol: T1, call, T2.
var places = []place{
	{name: "before EndTxn", nth: 1},               // T1 prepared
	{name: "sent EndTxn", nth: 1},                 // T1 perhaps committed
	{name: "answered EndTxn", nth: 1},             // T1 committed, before the call
	{name: "a request", nth: 2, at: asked},        // reading
	{name: "a write sent", nth: 1, at: wrote},     // the target acts after its caller has died
	{name: "a write acted on", nth: 1, at: acted}, // and the answer finds nobody
	{name: "a later write", nth: 3, at: acted},    // in the middle of plans
	{name: "before EndTxn", nth: 2},               // T2 prepared
	{name: "sent EndTxn", nth: 2},                 // T2 perhaps committed
	{name: "answered EndTxn", nth: 2},             // T2 committed
}

// none is the absence of a fault.
const none = "none"

// netFaults are those of any target.
func netFaults(g *gate) []fault {
	back := func() { g.set(open) }
	return []fault{
		{name: none, begin: func() {}, end: func() {}},
		{name: "down", begin: func() { g.set(down) }, end: back},
		{name: "hangs", begin: func() { g.set(hang) }, end: back},
		{name: "drips", begin: func() { g.set(drip) }, end: back},
		{name: "answer lost", begin: func() { g.set(loses) }, end: back},
	}
}

// reachable is how long a fault may keep a service from coming to the place; then it is killed where it is.
const reachable = 1500 * time.Millisecond

// some gives a cell its places: all of them where there is no fault, and else every third, beginning at another for each fault and connector, so
// that each place meets each fault at one connector or another. JOINERY_SOAK: all of them everywhere.
func some(places []place, connector, fault int) []place {
	if fault == 0 || os.Getenv("JOINERY_SOAK") != "" {
		return places
	}
	var out []place
	for i := (connector + fault) % 3; i < len(places); i += 3 {
		out = append(out, places[i])
	}
	return out
}

// TestFailureMatrix kills the provisioner at every step while its target misbehaves in every way.
func TestFailureMatrix(t *testing.T) {
	t.Parallel()
	for number, name := range slices.Sorted(maps.Keys(subjects)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			make := subjects[name](t)
			for n := range append(netFaults(nil), make(t, t.TempDir()).faults...) {
				cell(t, name, make, n, some(places, number, n))
			}
		})
	}
}

func cell(t *testing.T, name string, make func(testing.TB, string) *subject, n int, places []place) {
	dir := t.TempDir()
	s := make(t, filepath.Join(dir, "target"))
	f := append(netFaults(s.gate), s.faults...)[n]
	t.Run(f.name, func(t *testing.T) {
		t.Parallel()
		write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", name, s, "concurrency: 4, timeout: 1s"))
		w := newWorld(t, dir, map[string]string{"app": s.kind})
		w.connector = name
		h := history{w: w, s: s, f: f, expected: map[change]int{}}
		h.populate(len(places))
		for round, p := range places {
			h.round(round, p)
		}
		h.begin()
		w.start("provisioner")
		w.pass(2 * time.Second) // it meets the fault, and outlives it
		f.end()
		took := w.rest("app", s)
		t.Logf("%d faults; at rest %s after the last", w.faults, took.Round(time.Millisecond))
		h.verdict()
	})
}

func targetFile(name, connector string, s *subject, limits string) string {
	return fmt.Sprintf(`apiVersion: joinery/v1
kind: Target
metadata: {name: %s}
spec:
  connector: %s
  %s
  account: {name: '"u-" + person.id', attributes: {title: person.title}}
  entitlements: [%s]
  limits: {%s}
  reconcile: {every: 1h, missing: repair, attribute: repair, extra: repair, reenabled: repair, orphan: report}
`, name, connector, s.file, s.kind, limits)
}

// history is what is wanted in one cell, and the effective changes that it takes.
type history struct {
	w        *world
	s        *subject
	f        fault
	expected map[change]int
}

// person gives the id of somebody of this history.
func (h *history) person(name string, n int) string { return fmt.Sprint(h.s.mark, name, n) }

func (h *history) expect(id, verb, item string) { h.expected[change{"u-" + id, verb, item}]++ }

func (h *history) join(id string) {
	x := h.s.kind + "/x"
	h.w.want(id, "app", func(d *event.Desired) {
		d.Attributes, d.Entitlements, d.Kinds = map[string]string{"title": "Engineer"}, []string{x}, []string{h.s.kind}
	})
	h.expect(id, "create", "")
	h.expect(id, "grant", x)
}

func (h *history) leave(id string) {
	h.w.want(id, "app", func(d *event.Desired) { d.State, d.Entitlements, d.Lane = event.AccountDisabled, nil, event.LaneLeaver })
	h.expect(id, "disable", "")
	h.expect(id, "revoke", h.s.kind+"/x")
}

func (h *history) move(id string) {
	y := h.s.kind + "/y"
	h.w.want(id, "app", func(d *event.Desired) {
		d.Attributes, d.Entitlements, d.Lane = map[string]string{"title": "Manager"}, []string{y}, event.LaneMover
	})
	h.expect(id, "update", "")
	h.expect(id, "revoke", h.s.kind+"/x")
	h.expect(id, "grant", y)
}

// populate makes the leavers and movers of all rounds.
func (h *history) populate(rounds int) {
	i := h.w.start("provisioner")
	for round := range rounds {
		h.join(h.person("leaver", round))
		h.join(h.person("mover", round))
	}
	h.w.rest("app", h.s)
	i.Kill()
}

// round has one person join, one leave and one move under the fault, and the provisioner killed at the place. After every
// other round the target is well for a moment.
func (h *history) round(n int, p place) {
	h.begin()
	h.join(h.person("joiner", n))
	h.leave(h.person("leaver", n))
	h.move(h.person("mover", n))
	h.dieAt(p, "provisioner")
	if n%2 == 0 {
		h.f.end()
	}
}

// begin has the target misbehave.
func (h *history) begin() {
	h.f.begin()
	if h.f.name != none {
		h.w.faults++
	}
}

// dieAt starts a service and waits until it dies at the place, which may be one of another service that runs; if it does not come to it, it is
// killed where it is. The others die too.
func (h *history) dieAt(p place, service string, others ...*childtest.Process) {
	w, i := h.w, (*childtest.Process)(nil)
	if p.at == "" {
		i = w.start(service, "-at", p.name, "-nth", fmt.Sprint(p.nth))
	} else {
		started := make(chan *childtest.Process, 1)
		h.s.gate.strikeAt(p.at, p.nth, func() {
			for _, dies := range append(others, <-started) {
				dies.Kill()
			}
			w.pass(p.late)
		})
		i = w.start(service)
		started <- i
	}
	patience := reachable
	if h.f.name == none {
		patience = atRest
	}
	if !w.within(patience, i.Gone) && h.f.name == none {
		w.t.Errorf("nobody came to %s, time %d", p.name, p.nth)
	}
	h.s.gate.strikeAt("", 0, nil)
	for _, dies := range append(others, i) {
		dies.Kill()
		w.faults++
	}
}

// verdict looks for changes that were made more or less often than once, and for evidence that tells of one twice.
func (h *history) verdict() {
	t := h.w.t
	made := map[change]int{}
	for _, c := range h.s.journal(t) {
		made[c.change]++
	}
	for c, n := range made {
		if n != h.expected[c] {
			t.Errorf("%s %s of %s was made %d times, want %d", c.verb, c.item, c.account, n, h.expected[c])
		}
	}
	for c, n := range h.expected {
		if made[c] == 0 {
			t.Errorf("%s %s of %s was not made", c.verb, c.item, c.account)
		}
		told := h.w.tells(change{c.account[len("u-"):], c.verb, c.item})
		if told > n && !h.f.lying {
			t.Errorf("evidence tells %d times of %s %s of %s", told, c.verb, c.item, c.account)
		}
	}
}

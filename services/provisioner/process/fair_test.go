package process_test

import (
	"path/filepath"
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

// TestATargetsRateIsUsedAndNotExceeded has a target that allows 20 requests a second, no more than five at once, and a target
// file that says so.
func TestATargetsRateIsUsedAndNotExceeded(t *testing.T) {
	const perSecond = 20
	tokens, last := 5.0, time.Now()
	f, s := newFast(t, func(now time.Time) bool {
		tokens, last = min(5, tokens+now.Sub(last).Seconds()*perSecond), now
		if tokens < 1 {
			return false
		}
		tokens--
		return true
	})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "scim", s, "concurrency: 4, timeout: 5s, rate: 20/s"))
	w := newWorld(t, dir, map[string]string{"app": s.kind})
	w.start("provisioner")
	w.wantAll("app", people("joiner", 40), staff)
	w.rest("app", s)
	f.mu.Lock()
	defer f.mu.Unlock()
	span := f.requests[len(f.requests)-1].Sub(f.requests[0])
	used := float64(len(f.requests)-1-f.refused) / span.Seconds() / perSecond
	t.Logf("%d requests in %s: %.1f %% of what is allowed; %d refused", len(f.requests), span.Round(time.Millisecond), 100*used, f.refused)
	if used < 0.95 || f.refused > len(f.requests)/50 {
		t.Errorf("%.1f %% of what is allowed was used, %d of %d requests were refused", 100*used, f.refused, len(f.requests))
	}
}

// TestATargetThatHangsDelaysNoOther measures one target alone, and then beside one that hangs.
func TestATargetThatHangsDelaysNoOther(t *testing.T) {
	dir := t.TempDir()
	_, good := newFast(t, nil)
	bad := newSCIM(t, filepath.Join(dir, "target"))
	write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "scim", good, "concurrency: 4, timeout: 5s"))
	write(t, filepath.Join(dir, "targets", "bad.yaml"), targetFile("bad", "scim", bad, "concurrency: 4, timeout: 2s"))
	w := newWorld(t, dir, map[string]string{"app": good.kind, "bad": bad.kind})
	w.start("provisioner")
	w.want("first", "bad", staff)
	w.rest("bad", bad)
	measure := func(name string, both bool) time.Duration {
		sent := map[string]time.Time{}
		for _, id := range people(name, 200) {
			sent["u-"+id] = time.Now()
			w.want(id, "app", staff)
			if both {
				w.want(id, "bad", staff)
			}
			w.pass(10 * time.Millisecond)
		}
		w.rest("app", good)
		took := good.took(t, sent, "create")
		if len(took) != len(sent) {
			t.Errorf("%d of %d are there", len(took), len(sent))
		}
		return quantile(took, 0.99)
	}
	measure("warm", false)
	alone := measure("alone", false)
	bad.gate.set(hang)
	w.faults++
	beside := measure("beside", true)
	t.Logf("p99 %s alone, %s beside a target that hangs", alone, beside)
	// The machine that runs the tests does much else: 10 % of few milliseconds is noise.
	if beside > alone+alone/10+100*time.Millisecond {
		t.Errorf("p99 %s alone, %s beside a target that hangs", alone, beside)
	}
	bad.gate.set(open)
	w.rest("bad", bad)
}

// staff is an account with a group.
func staff(d *event.Desired) { d.Kinds, d.Entitlements = []string{"group"}, []string{"group/x"} }

// TestThreeTargetsTakeAWaveOfJoiners: every account is there, once. The benchmark has 10,000 of them.
func TestThreeTargetsTakeAWaveOfJoiners(t *testing.T) {
	t.Parallel()
	took := wave(t, 500)
	t.Logf("500 joiners to 3 targets in %s", took)
}

func wave(t testing.TB, joiners int) time.Duration {
	t.Helper()
	dir := t.TempDir()
	names := []string{"chat", "wiki", "erp"}
	subjects, kinds := map[string]*subject{}, map[string]string{}
	for _, name := range names {
		_, s := newFast(t, nil)
		write(t, filepath.Join(dir, "targets", name+".yaml"), targetFile(name, "scim", s, "concurrency: 16, timeout: 5s"))
		subjects[name], kinds[name] = s, s.kind
	}
	w := newWorld(t, dir, kinds)
	w.start("provisioner")
	began := time.Now()
	for _, name := range names {
		w.wantAll(name, people("joiner", joiners), staff)
	}
	for _, name := range names {
		w.rest(name, subjects[name])
		accounts, journal := subjects[name].accounts(t), subjects[name].journal(t)
		if len(accounts) != joiners || len(journal) != 2*joiners {
			t.Errorf("%s has %d accounts after %d changes, want %d after %d", name, len(accounts), len(journal), joiners, 2*joiners)
		}
	}
	return time.Since(began)
}

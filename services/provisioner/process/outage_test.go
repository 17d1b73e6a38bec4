package process_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

// TestAnOutageLosesNobody has a target down for a while, under 8 joiners a second, with the provisioner killed meanwhile:
// every account is there, once, within 5 s of the target's return. JOINERY_OUTAGE=60s makes it as long as that. It is alone, for it looks at the clock.
func TestAnOutageLosesNobody(t *testing.T) {
	outage, err := time.ParseDuration(os.Getenv("JOINERY_OUTAGE"))
	if err != nil {
		outage = 5 * time.Second
	}
	dir := t.TempDir()
	s := newSCIM(t, filepath.Join(dir, "target"))
	write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "scim", s, "concurrency: 4, timeout: 1s"))
	w := newWorld(t, dir, map[string]string{"app": s.kind})
	h := history{w: w, s: s, expected: map[change]int{}}
	i := w.start("provisioner")
	h.join("first")
	w.rest("app", s)
	s.gate.set(down)
	w.faults++
	tick := time.NewTicker(time.Second / 8)
	defer tick.Stop()
	began, n := time.Now(), 0
	for ; time.Since(began) < outage; n++ {
		h.join(fmt.Sprint("joiner", n))
		if n%40 == 10 {
			i.Kill()
			w.faults++
			i = w.start("provisioner")
		}
		<-tick.C
	}
	s.gate.set(open)
	took := w.rest("app", s)
	t.Logf("%d joiners in %s of outage; all there %s after the target's return", n, outage, took)
	if took > 5*time.Second {
		t.Errorf("the last account came %s after the target's return, want 5s at most", took)
	}
	h.verdict()
}

// TestALeaverOvertakesABulk has a leaver every 100 ms while a reorganisation of everybody is under way: of 4,000, or as many
// as JOINERY_BULK says. It is alone, for it looks at the clock.
func TestALeaverOvertakesABulk(t *testing.T) {
	employees, err := strconv.Atoi(os.Getenv("JOINERY_BULK"))
	if err != nil {
		employees = 4000
	}
	leavers := max(20, employees/500)
	_, s := newFast(t, nil)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "scim", s, "concurrency: 4, timeout: 5s"))
	w := newWorld(t, dir, map[string]string{"app": s.kind})
	w.start("provisioner")
	ids := people("leaver", leavers)
	w.wantAll("app", ids, staff)
	w.rest("app", s)
	w.wantAll("app", people("bulk", employees), func(d *event.Desired) { staff(d); d.Lane = event.LaneBulk })
	sent := map[string]time.Time{}
	for _, id := range ids {
		sent["u-"+id] = time.Now()
		w.want(id, "app", func(d *event.Desired) { d.State, d.Lane, d.Entitlements = event.AccountDisabled, event.LaneLeaver, nil })
		w.pass(100 * time.Millisecond)
	}
	accounts := s.accounts(t)
	w.within(10*time.Second, func() bool { return len(s.took(t, sent, "disable")) == leavers })
	took := s.took(t, sent, "disable")
	t.Logf("%d of %d leavers disabled: p50 %s, p99 %s; %d of %d of the bulk had been done by then", len(took), leavers, quantile(took, 0.5), quantile(took, 0.99), len(accounts)-leavers, employees)
	if len(took) != leavers || quantile(took, 0.99) > 2*time.Second {
		t.Errorf("%d of %d leavers were disabled, p99 %s, want 2s at most", len(took), leavers, quantile(took, 0.99))
	}
	if len(accounts) > employees {
		t.Error("the bulk was over before the last leaver: nothing was overtaken")
	}
}

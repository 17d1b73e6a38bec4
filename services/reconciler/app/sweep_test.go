package app_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
)

// BenchmarkSweep lists and compares 100,000 accounts of some 600 bytes, one in a thousand of which differs. peak-MB is
// the whole process: the target, the state of the reconciler twice (live, and the test's changelog), the sweep.
func BenchmarkSweep(b *testing.B) {
	const n = 100_000
	p := newPipe(b)
	notes := strings.Repeat("n", 300)
	for i := range n {
		id := fmt.Sprintf("id-%06d", i)
		d := event.Desired{IdentityID: event.IdentityID(id), Target: "chat", Version: 1, State: event.AccountActive, AccountName: "name-" + id,
			Attributes: map[string]string{"title": "Engineer", "notes": notes}, Entitlements: []string{"group/engineering", "group/staff"}, Kinds: []string{"group"}}
		p.Feed(event.AccessDesired, id+"|chat", &d)
		o := p.target.Put(connector.Object{Ref: connector.Ref{Account: d.AccountName, ExternalID: id}, Enabled: true, Attributes: d.Attributes, Entitlements: d.Entitlements})
		if i%1000 == 0 {
			p.target.Remove(d.AccountName)
		}
		p.provisioned(event.ProvisionApplied, id, "", o)
	}
	p.Log = nil
	b.ResetTimer()
	for b.Loop() {
		p.Advance(time.Second)
		p.FeedAll(event.SweepCommands, "chat", &event.SweepCommand{ID: fmt.Sprint("sweep-", p.Now().Unix()), Target: "chat", Reason: "demand"})
		p.Perform()
		compared, found := 0, 0
		for _, e := range streamtest.Out[event.DriftEvent](p.Harness, event.DriftEvents) {
			switch e.Kind {
			case event.DriftReported:
				compared += e.Count
			case event.DriftFound:
				found++
			}
		}
		if compared != n || found != n/1000 {
			b.Fatalf("%d compared, %d found", compared, found)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "accounts/s")
	b.ReportMetric(peakMB(b), "peak-MB")
}

// peakMB is the most memory this process ever had resident.
func peakMB(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("no /proc here: ", err)
	}
	var kb float64
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &kb); err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}

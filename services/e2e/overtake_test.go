package e2e_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

func TestALeaverOvertakesABulkOfJoinersUpToTheDecision(t *testing.T) {
	t.Parallel()
	const bulk = 8_000
	p := boot(t)
	p.produce(joiner("7700"))
	p.eventually("7700 is there", p.active("chat", "7700"))
	hires := make([]event.SourceRecord, bulk)
	for i := range hires {
		hires[i] = joiner(fmt.Sprint(100_000 + i))
	}
	p.produce(hires...)
	began := time.Now()
	leaver := joiner("7700")
	p.produce(event.SourceRecord{ID: "end-7700", Source: leaver.Source, SourceKey: leaver.SourceKey, Kind: event.Terminate, RecordedAt: began.UTC(), EffectiveAt: "2026-06-01"})
	p.eventually("7700 is out, though their source said so last", func() string {
		held, _ := p.look("chat")
		if held[identity("7700")].Enabled {
			return "7700 is still active in chat"
		}
		return ""
	})
	took := time.Since(began)
	p.eventually("evidence has the last of the bulk", func() string {
		return differs(p.sql("select uniqExact(identity_id) from joinery.evidence where kind = 'access.desired_changed'"), fmt.Sprintf("[[%d]]", bulk+1))
	})
	rows := p.sql(fmt.Sprintf(`select uniqExact(identity_id) from joinery.evidence where kind = 'access.desired_changed' and occurred_at <=
		(select min(occurred_at) from joinery.evidence where kind = 'access.desired_changed' and identity_id = '%s' and outcome = 'disabled')`, identity("7700")))
	before, err := strconv.Atoi(rows[0][0])
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a leaver behind %d joiners was out of chat after %s; it was decided after %d of them", bulk, took.Round(time.Millisecond), before)
	if before > bulk/2 {
		t.Errorf("the leaver waited for %d of %d joiners", before, bulk)
	}
}

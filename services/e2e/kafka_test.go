package e2e_test

import (
	"fmt"
	"testing"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/kafkatest"
)

// TestKilledInTheMiddleOf50HiresOnRealKafkaAllAreThereOnce runs the pipeline against Apache Kafka instead of the embedded broker.
func TestKilledInTheMiddleOf50HiresOnRealKafkaAllAreThereOnce(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Start(t, kafkatest.Options{})
	p := boot(t, "--kafka", cluster.Addrs()[0])
	if p.Kafka != cluster.Addrs()[0] {
		t.Fatalf("joinery dev says Kafka is at %s, want %s", p.Kafka, cluster.Addrs()[0])
	}
	var hires []event.SourceRecord
	for i := range 50 {
		hires = append(hires, joiner(fmt.Sprint(6000+i)))
	}
	p.produce(hires...)
	p.eventually("some have accounts", func() string {
		if held, _ := p.look("chat"); len(held) < 5 {
			return fmt.Sprintf("%d accounts in chat", len(held))
		}
		return ""
	})
	p.kill()
	p.start()
	for _, target := range []string{"chat", "wiki"} {
		p.eventually("all have accounts in "+target, func() string {
			held, _ := p.look(target)
			for _, r := range hires {
				if a := held[identity(r.Person.EmployeeNumber)]; !a.Enabled {
					return r.ID + " has no enabled account"
				}
			}
			return ""
		})
		_, snap := p.look(target)
		if len(snap.Accounts) != len(hires) {
			t.Errorf("%d accounts in %s for %d hires", len(snap.Accounts), target, len(hires))
		}
		for id, n := range snap.CreatesByExternalID {
			if n != 1 {
				t.Errorf("%s was created %d times in %s", id, n, target)
			}
		}
	}
	p.eventually("every case is closed", func() string {
		rows := p.sql("select count(), countIf(outcome = 'succeeded') from joinery.cases where trigger = 'identity.hire'")
		if rows[0][0] != "50" || rows[0][1] != "50" {
			return fmt.Sprintf("cases %v", rows)
		}
		return ""
	})
	p.evidenceIsWhole()
}

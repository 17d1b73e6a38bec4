package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

// joiner makes a hire of an employee of Engineering who has long begun.
func joiner(number string) event.SourceRecord {
	return event.SourceRecord{ID: "hire-" + number, Source: "hr", SourceKey: "W" + number, RecordedAt: time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC), Kind: event.Upsert,
		Person: &event.Profile{EmployeeNumber: number, GivenName: "Worker", FamilyName: "No" + number, Email: "w" + number + "@acme.example", Department: "Engineering",
			Title: "Engineer", WorkerType: "employee", StartDate: "2026-01-05", Timezone: "Europe/Prague"}}
}

func TestKilledInTheMiddleOf100HiresAndStartedAgainAllAreThereOnce(t *testing.T) {
	t.Parallel()
	p := boot(t)
	var hires []event.SourceRecord
	for i := range 100 {
		hires = append(hires, joiner(fmt.Sprint(5000+i)))
	}
	p.produce(hires...)
	p.eventually("some have accounts", func() string {
		if held, _ := p.look("chat"); len(held) < 10 {
			return fmt.Sprintf("%d accounts in chat", len(held))
		}
		return ""
	})
	p.kill()
	p.start()
	p.eventually("all have accounts", func() string {
		for _, target := range []string{"chat", "wiki"} {
			held, _ := p.look(target)
			for _, r := range hires {
				if a := held[identity(r.Person.EmployeeNumber)]; !a.Enabled {
					return r.ID + " has no enabled account in " + target
				}
			}
		}
		return ""
	})
	for _, target := range []string{"chat", "wiki"} {
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
		if rows[0][0] != "100" || rows[0][1] != "100" {
			return fmt.Sprintf("cases %v", rows)
		}
		return ""
	})
	p.evidenceIsWhole()
}

package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/example"
)

func TestACompanyOf300IsHiredAndLivesThroughAMonthOf400Events(t *testing.T) {
	t.Parallel()
	p := boot(t, "--clock", example.Start.Format(time.RFC3339))
	c := example.New(1)
	p.produce(c.Records()...)
	p.eventually("the company is hired", func() string { return p.differs(c) })
	if len(c.Workers) != example.Size {
		t.Fatalf("%d workers", len(c.Workers))
	}
	c.Month()
	month := c.Records()
	if len(month) != example.MonthSize {
		t.Fatalf("%d records", len(month))
	}
	const days = 28 // as the generator spreads them; a month in one hour would be for the guards to hold
	for day := range days {
		p.produce(month[day*len(month)/days : (day+1)*len(month)/days]...)
		p.api("POST", "/clock", "", map[string]string{"advance": "1d"}, nil)
	}
	p.eventually("the month has been lived", func() string { return p.differs(c) })
	for _, target := range []string{"chat", "wiki", "erp"} {
		_, snap := p.look(target)
		for id, n := range snap.CreatesByExternalID {
			if n != 1 {
				t.Errorf("%s was created %d times in %s", id, n, target)
			}
		}
	}
	p.eventually("every case is closed", func() string {
		open := p.sql("select trigger, count() from joinery.cases where closed_at is null group by trigger order by trigger")
		if len(open) > 0 {
			return fmt.Sprintf("still open: %v", open)
		}
		return ""
	})
	p.evidenceIsWhole()
}

// differs compares every worker with what the targets hold; empty: all as it should be.
func (p *pipeline) differs(c *example.Company) string {
	held := map[string]map[event.IdentityID]account{}
	for _, target := range []string{"chat", "wiki", "erp"} {
		held[target], _ = p.look(target)
	}
	for _, w := range c.Workers {
		id := identity(w.EmployeeNumber)
		works := !w.Ended && !w.OnLeave && !w.Emergency
		if fault := check(held["chat"][id], works, base(w)...); fault != "" {
			return fmt.Sprintf("worker %s (%s) in chat: %s", w.EmployeeNumber, id, fault)
		}
		if w.WorkerType == "employee" {
			if fault := check(held["wiki"][id], works, "group/readers"); fault != "" {
				return fmt.Sprintf("worker %s (%s) in wiki: %s", w.EmployeeNumber, id, fault)
			}
		}
		if w.Department == "Finance" && works {
			if fault := check(held["erp"][id], true, "role/reader"); fault != "" {
				return fmt.Sprintf("worker %s (%s) in erp: %s", w.EmployeeNumber, id, fault)
			}
		}
	}
	return ""
}

// base is what a worker has in chat by the company's policy.
func base(w *example.Worker) []string {
	groups := []string{"group/everyone"}
	if w.WorkerType == "contractor" {
		groups = []string{"group/contractors"}
	}
	switch w.Department {
	case "Engineering", "Sales", "Operations":
		groups = append(groups, map[string]string{"Engineering": "group/engineering", "Sales": "group/sales", "Operations": "group/operations"}[w.Department])
	}
	return groups
}

func check(a account, works bool, has ...string) string {
	switch {
	case a.Account == "" && works:
		return "no account"
	case a.Account == "":
		return ""
	case a.Enabled != works:
		return fmt.Sprintf("enabled is %v", a.Enabled)
	}
	for _, e := range has {
		if works && !slices.Contains(a.Entitlements, e) {
			return fmt.Sprintf("lacks %s, has %v", e, a.Entitlements)
		}
	}
	return ""
}

// evidenceIsWhole demands a gapless sequence and whole links, per topic, partition and writer.
func (p *pipeline) evidenceIsWhole() {
	p.t.Helper()
	p.eventually("the chain is whole", func() string {
		gaps := p.sql("select src_topic, src_partition, service, uniqExact(seq), max(seq) - min(seq) + 1 from joinery.evidence where seq > 0 group by 1, 2, 3 having uniqExact(seq) != max(seq) - min(seq) + 1 or min(seq) != 1")
		links := p.sql(`select count() from (select src_topic, src_partition, service, prev_hash, lagInFrame(hash) over (partition by src_topic, src_partition, service order by seq) as before, seq
			from joinery.evidence where seq > 0) where seq > 1 and prev_hash != before`)
		if len(gaps) > 0 || links[0][0] != "0" {
			return fmt.Sprintf("gaps %v, broken links %v", gaps, links)
		}
		return ""
	})
}

package e2e_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the ERP's database, changed behind the pipeline's back

	"joinery.internal/pkg/event"
)

func TestASweepRepairsWhatWasDeletedAndWhatWasEnabledBehindItsBack(t *testing.T) {
	t.Parallel()
	p := boot(t)
	stays, left := joiner("8001"), joiner("8002")
	stays.Person.Department, left.Person.Department = "Finance", "Finance"
	p.produce(stays, left)
	p.eventually("both have accounts", func() string {
		held, _ := p.look("erp")
		if !held[identity("8001")].Enabled || !held[identity("8002")].Enabled {
			return "not yet"
		}
		return ""
	})
	end := left
	end.ID, end.Kind, end.EffectiveAt, end.Person = "end-8002", event.Terminate, "2026-06-01", nil
	p.produce(end)
	p.eventually("one has left", func() string {
		if held, _ := p.look("erp"); held[identity("8002")].Enabled {
			return "still enabled"
		}
		return ""
	})
	db, err := sql.Open("sqlite", filepath.Join(p.Data, "targets", "erp.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{"delete from account_roles where account = 'u8001'", "delete from accounts where account = 'u8001'", "update accounts set enabled = 1 where account = 'u8002'"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	out, errs, code := p.joinery("target", "reconcile", "erp", "--reason", "somebody was in the database")
	if code != 3 || !strings.Contains(out, "missing") || !strings.Contains(out, "reenabled") {
		t.Errorf("target reconcile: exit %d\n%s%s", code, out, errs)
	}
	p.eventually("both are mended", func() string {
		held, _ := p.look("erp")
		if a := held[identity("8001")]; !a.Enabled || len(a.Entitlements) == 0 {
			return fmt.Sprintf("8001 is %+v", a)
		}
		if held[identity("8002")].Enabled {
			return "8002 is enabled"
		}
		return ""
	})
	p.eventually("evidence tells", func() string {
		rows := p.sql("select kind, count() from joinery.evidence where kind in ('drift.found', 'drift.repaired') group by kind order by kind")
		open := p.sql("select count() from joinery.exceptions where class = 'drift' and resolved_at is null")
		if fmt.Sprint(rows, open) != "[[drift.found 2] [drift.repaired 2]] [[0]]" {
			return fmt.Sprint(rows, open)
		}
		return ""
	})
	if out, errs, code := p.joinery("target", "reconcile", "erp", "--reason", "once more"); code != 0 {
		t.Errorf("a second sweep: exit %d\n%s%s", code, out, errs)
	}
}

package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

func TestAMassOfLeaversIsHeldAndGoesOnWhenTwoPeopleSaySo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "example", "acme"))); err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(dir, "policy", "corp.yaml"), "count: 50, percent: 10, per: [target]", "count: 4, per: [target]")
	change(t, filepath.Join(dir, "policy", "corp.yaml"), "window: 1h, percent: 20", "window: 1h, percent: 100")
	p := boot(t, "--config", dir)
	const people = 12
	number := func(i int) string { return fmt.Sprintf("73%02d", i) }
	var hires, ends []event.SourceRecord
	for i := range people {
		hire := joiner(number(i))
		end := event.SourceRecord{ID: "end-" + number(i), Source: hire.Source, SourceKey: hire.SourceKey, Kind: event.Terminate, RecordedAt: time.Now().UTC(), Reason: "resignation"}
		hires, ends = append(hires, hire), append(ends, end)
	}
	active := func(target string) (n int) {
		held, _ := p.look(target)
		for i := range people {
			if held[identity(number(i))].Enabled {
				n++
			}
		}
		return n
	}
	count := func(want int) func() string {
		return func() string {
			if chat, wiki := active("chat"), active("wiki"); chat != want || wiki != want {
				return fmt.Sprintf("%d active in chat, %d in wiki; want %d", chat, wiki, want)
			}
			return ""
		}
	}
	p.produce(hires...)
	p.eventually("hired", count(people))
	p.produce(ends...)
	p.eventually("8 of 12 are held in each target, and their cases say so", func() string {
		held := p.sql("select count() from joinery.evidence where kind = 'provision.held'")
		cases := p.sql("select uniqExact(case_id) = (select count() from joinery.cases where outcome = 'held') from joinery.evidence where kind = 'provision.held'")
		if held[0][0] != "16" || cases[0][0] != "1" {
			return fmt.Sprint(held, cases)
		}
		return ""
	})
	if fault := count(people - 4)(); fault != "" {
		t.Fatal(fault)
	}

	var guards []struct{ ID, State, Target string }
	p.eventually("both guards are listed", func() string {
		out, errs, code := p.joinery("guard", "list", "-o", "json")
		if err := json.Unmarshal([]byte(out), &guards); err != nil || code != 0 || len(guards) != 2 {
			return fmt.Sprintf("exit %d: %s %s", code, out, errs)
		}
		return ""
	})
	p.kill()
	p.start()
	for _, g := range guards {
		p.word(g.ID, number(0), "holding")
		p.eventually("the first word is evidence", func() string {
			if rows := p.sql("select count() from joinery.evidence where kind = 'guard.voted' and JSONExtractString(payload, 'exception_id') = '" + g.ID + "'"); rows[0][0] != "1" {
				return fmt.Sprint(rows)
			}
			return ""
		})
		if _, errs, code := p.joinery("guard", "release", g.ID, "--as", number(0), "--reason", "once more"); code != 1 || !strings.Contains(errs, "another person") {
			t.Errorf("the same person twice: exit %d, %s", code, errs)
		}
		p.word(g.ID, number(1), "released")
	}
	p.eventually("all have left", count(0))
	p.eventually("every case has succeeded", func() string {
		rows := p.sql("select outcome, count() from joinery.cases group by outcome order by outcome")
		if fmt.Sprint(rows) != "[[succeeded 24]]" {
			return fmt.Sprint(rows)
		}
		return ""
	})
	if rows := p.sql("select kind, count() from joinery.evidence where startsWith(kind, 'guard.') group by kind order by kind"); fmt.Sprint(rows) != "[[guard.released 2] [guard.tripped 2] [guard.voted 4]]" {
		t.Errorf("evidence of the guards: %v", rows)
	}
	p.evidenceIsWhole()
}

// word is one person's release of a guard, after which it has that state.
func (p *pipeline) word(guard, who, state string) {
	p.t.Helper()
	out, errs, code := p.joinery("guard", "release", guard, "--as", who, "--reason", "the branch is closed", "-o", "json")
	var got struct {
		State string
		Seen  bool
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got.State != state || !got.Seen {
		p.t.Errorf("%s says release: exit %d, %+v; want it %s: %s", who, code, got, state, errs)
	}
}

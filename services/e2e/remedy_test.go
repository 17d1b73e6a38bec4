package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// letter is a row of `joinery dlq list`.
type letter struct{ ID, Service, Class, Topic, Target, Resolution string }

// letters are those in a state, once there are so many.
func (p *pipeline) letters(state string, n int) (found []letter) {
	p.t.Helper()
	p.eventually(fmt.Sprintf("%d dead letters are %s", n, state), func() string {
		found = nil
		out, errs, code := p.joinery("dlq", "list", "--state", state, "-o", "json")
		if err := json.Unmarshal([]byte(out), &found); err != nil || code != 0 || len(found) != n {
			return fmt.Sprintf("exit %d: %s %s", code, out, errs)
		}
		return ""
	})
	return found
}

func (p *pipeline) must(args ...string) string {
	p.t.Helper()
	out, errs, code := p.joinery(args...)
	if code != 0 {
		p.t.Fatalf("joinery %s: exit %d: %s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func TestDeadLettersAreCorrectedReplayedAndDiscarded(t *testing.T) {
	t.Parallel()
	p := boot(t)
	p.produce(joiner("7401"))
	p.eventually("7401 is there", p.active("chat", "7401"))
	client, err := kgo.NewClient(kgo.SeedBrokers(p.Kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	poison := func(keys ...string) {
		t.Helper()
		for _, key := range keys {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: string(event.SourceRecords), Key: []byte(key), Value: []byte("{not Avro}")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	poison("hr/W7402", "hr/W7403")
	p.switchTo("wiki", "reject")
	p.produce(joiner("7404"))
	var records, accounts []letter
	for _, l := range p.letters("open", 3) {
		if l.Service == "provisioner" {
			accounts = append(accounts, l)
		} else {
			records = append(records, l)
		}
	}
	if len(records) != 2 || len(accounts) != 1 || accounts[0].Target != "wiki" || accounts[0].Topic != string(event.AccessDesired) {
		t.Fatalf("dead letters: %+v %+v", records, accounts)
	}

	corrected, err := json.Marshal(map[string]any{"id": "corrected-1", "source": "hr", "source_key": "W7402", "recorded_at": "2026-03-02T08:00:00Z", "kind": "upsert",
		"person": map[string]string{"employee_number": "7402", "given_name": "Ada", "family_name": "Nováková", "email": "7402@acme.example", "department": "Sales", "worker_type": "employee", "start_date": "2020-01-01"}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "corrected.json")
	if err := os.WriteFile(file, corrected, 0o600); err != nil {
		t.Fatal(err)
	}
	of := func(key string) string {
		t.Helper()
		rows := p.sql("select JSONExtractString(payload, 'exception_id') from joinery.evidence where src_topic = 'jml.dlq.v1' and src_key = '" + key + "'")
		if len(rows) != 1 {
			t.Fatalf("dead letters of %s: %v", key, rows)
		}
		return rows[0][0]
	}
	p.switchTo("wiki", "up")
	p.must("dlq", "replay", of("hr/W7402"), "--value", file, "--as", "7401", "--reason", "the export was not Avro")
	p.must("dlq", "discard", of("hr/W7403"), "--as", "7401", "--reason", "nobody knows that worker")
	p.must("dlq", "replay", accounts[0].ID, "--as", "7401", "--reason", "the wiki takes changes again")
	p.eventually("7402 is there", p.active("chat", "7402"))
	p.eventually("7404 is there", p.active("wiki", "7404"))
	resolutions := map[string]int{}
	for _, l := range p.letters("resolved", 3) {
		resolutions[l.Resolution]++
	}
	if resolutions["replay"] != 2 || resolutions["person"] != 1 {
		t.Errorf("resolutions: %v", resolutions)
	}
	if _, errs, code := p.joinery("dlq", "replay", accounts[0].ID, "--as", "7401", "--reason", "once more"); code != 1 || !strings.Contains(errs, "resolved") {
		t.Errorf("a second replay: exit %d, %s", code, errs)
	}

	// Several at once: the count is said first. The last is looked at and discarded on its page.
	poison("hr/W7405", "hr/W7406", "hr/W7407")
	p.letters("open", 3)
	several := []string{"dlq", "discard", "--class", "framing", "--where", `key != "hr/W7407"`, "--as", "7401", "--reason", "a test of the vendor's"}
	if out, errs, code := p.joinery(several...); code != 2 || !strings.Contains(errs, "about 2 letters") {
		t.Errorf("two without --yes: exit %d, %s%s", code, out, errs)
	}
	p.must(append(several, "--yes")...)
	last := p.letters("open", 1)[0]
	b := newBrowser(p)
	b.post("/sign-in", url.Values{"person": {"7401"}})
	if page := b.get("/dead-letters?class=framing"); !strings.Contains(page, `href="/dead-letters/`+last.ID+`"`) {
		t.Errorf("the page lacks %s:\n%s", last.ID, page)
	}
	if page := b.get("/dead-letters/" + last.ID); !strings.Contains(page, "hr/W7407") || !strings.Contains(page, "7b 6e 6f 74 20 41 76 72  6f 7d") {
		t.Errorf("the page of the letter:\n%s", page)
	}
	b.post("/dead-letters/"+last.ID+"/discard", url.Values{"reason": {"the vendor's, too"}})
	p.letters("open", 0)

	// The whole topic once more: nothing is done twice.
	before := p.sql("select count() from joinery.evidence where kind = 'provision.applied'")
	if out, _, code := p.joinery("replay", "--topic", string(event.SourceRecords), "--as", "7401", "--reason", "to be sure"); code != 2 || !strings.Contains(out, "8") {
		t.Errorf("a replay without --yes: exit %d, %s", code, out)
	}
	p.must("replay", "--topic", string(event.SourceRecords), "--where", `record.person.department == "Sales"`, "--as", "7401", "--reason", "to be sure", "--yes")
	p.eventually("who, why and which filter are evidence", func() string {
		rows := p.sql("select count() from joinery.evidence where kind in ('replay.started', 'replay.finished') and message like '%to be sure%' and message like '%Sales%' and actor != ''")
		if rows[0][0] != "2" {
			return fmt.Sprint(rows)
		}
		return ""
	})
	p.eventually("the duplicates are seen", func() string {
		if rows := p.sql("select count() > 0 from joinery.evidence where kind = 'identity.duplicate_ignored'"); rows[0][0] != "1" {
			return fmt.Sprint(rows)
		}
		return ""
	})
	if after := p.sql("select count() from joinery.evidence where kind = 'provision.applied'"); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("%v changes before the replay, %v after", before, after)
	}
	p.evidenceIsWhole()
}

// active says whether the account of a person is, in a target.
func (p *pipeline) active(target, number string) func() string {
	return func() string {
		if held, _ := p.look(target); !held[identity(number)].Enabled {
			return number + " has no account in " + target
		}
		return ""
	}
}

func TestAPausedTargetIsLeftAloneOverAKillAndGetsEverythingWhenItIsResumed(t *testing.T) {
	t.Parallel()
	p := boot(t)
	p.produce(joiner("7501"))
	p.eventually("7501 is there", p.active("wiki", "7501"))
	p.must("target", "pause", "wiki", "--as", "7501", "--reason", "their upgrade")
	p.eventually("the pause is listed", func() string {
		if out := p.must("target", "list", "-o", "json"); !strings.Contains(strings.ReplaceAll(out, " ", ""), `"paused":true`) {
			return out
		}
		return ""
	})
	p.produce(joiner("7502"))
	p.eventually("7502 is in chat", p.active("chat", "7502"))
	p.kill()
	p.start()
	p.produce(joiner("7503"))
	p.eventually("7503 is in chat", p.active("chat", "7503"))
	for _, number := range []string{"7502", "7503"} {
		if p.active("wiki", number)() == "" {
			t.Errorf("%s got an account in the paused wiki", number)
		}
	}
	p.must("target", "resume", "wiki", "--as", "7501", "--reason", "it is done")
	for _, number := range []string{"7502", "7503"} {
		p.eventually(number+" is in the wiki", p.active("wiki", number))
	}
	p.eventually("both are evidence", func() string {
		if rows := p.sql("select kind, actor != '', message from joinery.evidence where startsWith(kind, 'target.') order by occurred_at"); len(rows) != 2 {
			return fmt.Sprint(rows)
		}
		return ""
	})
}

package e2e_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/wire"
)

func TestBadRecordsWaitInTheDeadLettersWithPlaceAndClassAndGoodOnesFlow(t *testing.T) {
	t.Parallel()
	p := boot(t)
	registry, err := wire.NewClient(p.Registry)
	if err != nil {
		t.Fatal(err)
	}
	codec := wire.New(registry)
	good := func(number string) []byte {
		b, err := codec.Encode(string(event.SourceRecords), joiner(number))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	unknownSchema := binary.BigEndian.AppendUint32([]byte{0}, 999_999)
	stranger := joiner("6102")
	stranger.Source = "nobody"
	strange, err := codec.Encode(string(event.SourceRecords), stranger)
	if err != nil {
		t.Fatal(err)
	}
	letters := []struct{ key, class string }{
		{"hr/W6001", "framing"}, {"hr/W6002", "unknown_schema"}, {"hr/W6003", "decode"}, {"", "key"}, {"hr/W9999", "key"}, {"nobody/W6102", "invalid"},
	}
	values := [][]byte{[]byte("{not Avro}"), unknownSchema, good("6003")[:20], good("6100"), good("6101"), strange}
	client, err := kgo.NewClient(kgo.SeedBrokers(p.Kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i, l := range letters {
		key := []byte(l.key)
		if l.key == "" {
			key = nil
		}
		for _, r := range []*kgo.Record{{Topic: string(event.SourceRecords), Key: key, Value: values[i]},
			{Topic: string(event.SourceRecords), Key: []byte(fmt.Sprintf("hr/W62%02d", i)), Value: good(fmt.Sprintf("62%02d", i))}} {
			if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.eventually("good records flow", func() string {
		held, _ := p.look("chat")
		for i := range letters {
			if !held[identity(fmt.Sprintf("62%02d", i))].Enabled {
				return fmt.Sprintf("62%02d has no account", i)
			}
		}
		return ""
	})
	p.eventually("bad ones are in the dead letters", func() string {
		rows := p.sql("select JSONExtractString(payload, 'topic'), JSONExtractInt(payload, 'offset'), reason, src_key from joinery.evidence where src_topic = 'jml.dlq.v1' order by reason")
		if len(rows) != len(letters) {
			return fmt.Sprintf("%d dead letters, want %d: %v", len(rows), len(letters), rows)
		}
		for _, l := range letters {
			found := false
			for _, r := range rows {
				found = found || (r[2] == l.class && r[3] == l.key && r[0] == string(event.SourceRecords))
			}
			if !found {
				return fmt.Sprintf("no dead letter of class %s with key %q in %v", l.class, l.key, rows)
			}
		}
		return ""
	})
	out, _, code := p.joinery("dlq", "list", "-o", "json")
	if code != 0 || strings.Count(out, `"id"`) != len(letters) {
		t.Errorf("dlq list: exit %d, %s", code, out)
	}
}

func TestAWrongConfigurationIsRefusedWithEveryFaultAtItsPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "example", "acme"))); err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(dir, "policy", "corp.yaml"), `person.department == "Sales"`, `person.departmnet == "Sales"`)
	change(t, filepath.Join(dir, "sources", "hr.yaml"), "authority: employment", "authority: king")
	for _, args := range [][]string{{"config", "check", dir}, {"dev", "--config", dir, "--data", filepath.Join(t.TempDir(), "d"), "--http", "127.0.0.1:0"}} {
		out, err := exec.Command(joineryBinary, args...).CombinedOutput()
		if err == nil {
			t.Errorf("joinery %s took it", args[0])
		}
		for _, want := range []string{"policy/corp.yaml:26:27", "departmnet", "sources/hr.yaml:6:14", "king"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("joinery %s does not say %q:\n%s", args[0], want, out)
			}
		}
	}
}

func change(t *testing.T, file, from, to string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), from) {
		t.Fatalf("%s has no %q", file, from)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), from, to, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnreachableTargetHoldsNobodyElseUpAndIsMadeGoodWhenItAnswers(t *testing.T) {
	t.Parallel()
	p := boot(t)
	p.switchTo("wiki", "down")
	p.produce(joiner("7001"), joiner("7002"))
	p.eventually("chat has them", func() string {
		held, _ := p.look("chat")
		if !held[identity("7001")].Enabled || !held[identity("7002")].Enabled {
			return "not yet"
		}
		return ""
	})
	p.eventually("the deferral is evidence", func() string {
		rows := p.sql("select count() from joinery.evidence where kind = 'provision.deferred' and target = 'wiki'")
		if rows[0][0] == "0" {
			return "none"
		}
		return ""
	})
	if rows := p.sql("select count() from joinery.cases where closed_at is null"); rows[0][0] != "2" {
		t.Errorf("%s cases open while the wiki is down, want 2", rows[0][0])
	}
	p.switchTo("wiki", "up")
	p.eventually("wiki has them", func() string {
		held, _ := p.look("wiki")
		if !held[identity("7001")].Enabled || !held[identity("7002")].Enabled {
			return "not yet"
		}
		return ""
	})
	p.eventually("the cases close", func() string {
		rows := p.sql("select countIf(outcome = 'succeeded') from joinery.cases")
		if rows[0][0] != "2" {
			return fmt.Sprint(rows)
		}
		return ""
	})
}

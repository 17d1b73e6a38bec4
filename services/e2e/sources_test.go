package e2e_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/services/example"
)

// pulled are sources that speak formats of their own; targets and policy are the example company's.
const pulled = `
sources/hr.yaml: |
  apiVersion: joinery/v1
  kind: Source
  metadata: {name: hr}
  spec:
    authority: employment
    intake: {kafka: {topic: acme.hr.workers, format: json}}
    map:
      source_key: record.worker
      kind: 'record.state == "left" ? "terminate" : ""'
      effective_at: 'record.state == "left" ? date(record.until, "DD.MM.YYYY") : ""'
      person:
        employee_number: record.worker
        given_name: record.name.split(" ")[0]
        family_name: record.name.split(" ")[1]
        email: slug(ascii(record.name)) + "@acme.example"
        department: record.dept
        worker_type: '"employee"'
        start_date: date(record.since, "DD.MM.YYYY")
    correlate: [employee_number]
    timezone: Europe/Prague
    expectEvery: 24h
sources/erp.yaml: |
  apiVersion: joinery/v1
  kind: Source
  metadata: {name: erp}
  spec:
    authority: employment
    intake: {kafka: {topic: acme.erp.workers, format: debezium}}
    map:
      source_key: record.after.id
      person: {employee_number: record.after.id, given_name: record.after.first, family_name: record.after.last, email: record.after.mail,
        department: record.after.dept, worker_type: '"employee"', start_date: date(record.after.since)}
    correlate: [employee_number]
    timezone: Europe/Prague
sources/agency.yaml: |
  apiVersion: joinery/v1
  kind: Source
  metadata: {name: agency}
  spec:
    authority: employment
    intake: {csv: {directory: "DROP", mode: snapshot, manifest: optional, shrink: {percent: 40}}}
    map:
      source_key: record.Number
      person: {employee_number: record.Number, given_name: record.First, family_name: record.Last, email: record.Mail, department: record.Dept,
        worker_type: '"employee"', start_date: date(record.Since)}
    correlate: [employee_number]
    timezone: Europe/Prague
`

func TestSourcesWithTopicsTablesAndFilesOfTheirOwn(t *testing.T) {
	t.Parallel()
	drop := t.TempDir()
	dir := write(t, strings.ReplaceAll(pulled, "DROP", drop))
	for _, folder := range []string{"targets", "policy"} {
		files, err := fs.Sub(example.Config(), folder)
		if err == nil {
			err = os.CopyFS(filepath.Join(dir, folder), files)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p := boot(t, "--config", dir, "--clock", "2026-03-03T12:00:00Z")
	client, err := kgo.NewClient(kgo.SeedBrokers(p.Kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopics(t.Context(), 4, 1, nil, "acme.hr.workers", "acme.erp.workers"); err != nil {
		t.Fatal(err)
	}
	send := func(topic, key, value string) {
		t.Helper()
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	dropFile := func(name, rows string) {
		t.Helper()
		half := filepath.Join(drop, name+".part")
		if err := os.WriteFile(half, []byte("Number;First;Last;Mail;Dept;Since\n"+rows), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(half, filepath.Join(drop, name)); err != nil {
			t.Fatal(err)
		}
	}
	enabled := func(number string, want bool) string {
		held, _ := p.look("chat")
		if a, ok := held[identity(number)]; ok != want && !ok || ok && a.Enabled != want {
			return fmt.Sprintf("%s: account %v, enabled %v", number, ok, a.Enabled)
		}
		return ""
	}

	send("acme.hr.workers", "501", `{"worker": "501", "name": "Žofie Nováková", "dept": "Finance", "since": "02.03.2026"}`)
	send("acme.hr.workers", "502", `{"worker": "502", "name": "Bob`)
	send("acme.hr.workers", "503", `{"worker": "503", "name": "Cyd Klein", "dept": "Sales", "since": "soon"}`)
	send("acme.erp.workers", `{"id": 601}`, `{"schema": {}, "payload": {"op": "c", "before": null, "source": {"ts_ms": 1772438400000}, "after": {"id": 601, "first": "Dan",
		"last": "Hall", "mail": "dan.hall@acme.example", "dept": "Sales", "since": 20514}}}`)
	dropFile("monday.csv", "701;Eva;Malá;eva.mala@acme.example;Finance;2026-03-02\n702;Ota;Velký;ota.velky@acme.example;Finance;2026-03-02\n703;Iva;Krátká;Finance;2026-03-02\n")
	p.eventually("hired by three sources", func() string {
		return first(enabled("501", true), enabled("601", true), enabled("701", true), enabled("702", true))
	})
	p.eventually("what was none of theirs is a dead letter with its place", func() string {
		return differs(p.sql("select source, reason, JSONExtractString(payload, 'topic') from joinery.evidence where src_topic = 'jml.dlq.v1' order by source, reason"),
			"[[agency decode ] [hr decode acme.hr.workers] [hr invalid acme.hr.workers]]")
	})

	p.kill()
	p.start()
	again, err := kgo.NewClient(kgo.SeedBrokers(p.Kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	leave := []*kgo.Record{
		{Topic: "acme.hr.workers", Key: []byte("501"), Value: []byte(`{"worker": "501", "name": "Žofie Nováková", "state": "left", "until": "02.03.2026"}`)},
		{Topic: "acme.erp.workers", Key: []byte(`{"id": 601}`), Value: []byte(`{"op": "d", "before": null, "after": null, "source": {"ts_ms": 1772524800000}}`)},
	}
	if err := again.ProduceSync(t.Context(), leave...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	dropFile("tuesday.csv", "702;Ota;Velký;ota.velky@acme.example;Sales;2026-03-02\n")
	p.eventually("a leaver has left; who is missing is suspect, and keeps the access", func() string {
		return first(enabled("501", false), enabled("601", true), enabled("701", true), differs(
			p.sql("select source, kind, count() from joinery.evidence where kind in ('identity.suspect_absence', 'identity.termination') group by 1, 2 order by 1, 2"),
			"[[erp identity.suspect_absence 1] [hr identity.termination 1]]"))
	})
	p.eventually("a file of a third of the people is held", func() string {
		if held, err := os.ReadDir(filepath.Join(drop, "held")); err != nil || len(held) != 2 {
			return fmt.Sprint(held, err)
		}
		return ""
	})
	guard := p.holding(1)[0]
	p.word(guard, "601", "holding")
	p.word(guard, "702", "released")
	p.eventually("two people have let it go on", func() string {
		return differs(p.sql("select source, kind, count() from joinery.evidence where source = 'agency' and kind in ('identity.suspect_absence', 'identity.department_change') group by 1, 2 order by 1, 2"),
			"[[agency identity.department_change 1] [agency identity.suspect_absence 1]]")
	})
	p.evidenceIsWhole()
}

// holding lists the ids of what is held, once it is n.
func (p *pipeline) holding(n int) (ids []string) {
	p.t.Helper()
	p.eventually(fmt.Sprint(n, " holds are listed"), func() string {
		out, errs, code := p.joinery("guard", "list", "-o", "json")
		var found []struct{ ID string }
		if err := json.Unmarshal([]byte(out), &found); err != nil || code != 0 || len(found) != n {
			return fmt.Sprintf("exit %d: %s %s", code, out, errs)
		}
		ids = nil
		for _, g := range found {
			ids = append(ids, g.ID)
		}
		return ""
	})
	return ids
}

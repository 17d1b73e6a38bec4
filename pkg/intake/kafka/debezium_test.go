package kafka_test

import (
	"database/sql"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector/sqldb/postgrestest"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake/intaketest"
	"joinery.internal/pkg/kafkatest"
)

// captured is a source that reads what Debezium captures of a table.
func captured(name string) string {
	return strings.ReplaceAll(`---
apiVersion: joinery/v1
kind: Source
metadata: {name: NAME}
spec:
  authority: employment
  intake: {kafka: {topic: NAME.public.worker, format: debezium}}
  map:
    source_key: record.after.id
    kind: 'record.op != "d" && record.after.until != null && record.after.state == "left" ? "terminate" : ""'
    person:
      employee_number: record.after.badge
      given_name: record.after.name
      start_date: date(record.after.since)
      end_date: date(record.after.until)
      cost_centre: record.after.cost
      location: record.after.site
      attributes: {badge_since: 'record.after.changed'}
`, "NAME", name)
}

const table = `
CREATE TABLE worker (
	id integer PRIMARY KEY, badge numeric NOT NULL, name text NOT NULL, since date NOT NULL, until date,
	state text, cost numeric(10,2), changed timestamptz NOT NULL DEFAULT '2026-03-02 08:00+01', site text, photo text);
ALTER TABLE worker ALTER COLUMN site SET STORAGE EXTERNAL, ALTER COLUMN photo SET STORAGE EXTERNAL;
INSERT INTO worker (id, badge, name, since, cost) VALUES (1, 1001, 'Ada', '1969-07-20', -12.50), (2, 1002, 'Bo', '2026-03-02', NULL);
CREATE PUBLICATION workers FOR TABLE worker;`

// capture runs a PostgreSQL, Kafka and Debezium: one connector writes JSON without schemas, the other with.
func capture(t *testing.T) (*intaketest.World, *sql.DB) {
	t.Helper()
	cluster := kafkatest.Start(t, kafkatest.Options{})
	w := intaketest.At(t, cluster.Addrs()...)
	port := freePort(t)
	db := postgrestest.StartWith(t, postgrestest.Options{Port: port, Settings: []string{"wal_level=logical"}}).Admin(t)
	execute(t, db, table)
	connector := func(name string, more map[string]string) map[string]string {
		topic(t, w, name+".public.worker")
		out := map[string]string{"name": name, "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "plugin.name": "pgoutput", "topic.prefix": name,
			"slot.name": name, "publication.name": "workers", "publication.autocreate.mode": "disabled", "table.include.list": "public.worker",
			"database.hostname": "127.0.0.1", "database.port": fmt.Sprint(port), "database.dbname": "postgres",
			"database.user": postgrestest.Owner, "database.password": postgrestest.Password, "poll.interval.ms": "50"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	cluster.Connect(
		connector("bare", map[string]string{"decimal.handling.mode": "string", "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "false",
			"value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false"}),
		connector("full", nil))
	return w, db
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a port, found
	return l.Addr().(*net.TCPAddr).Port
}

func execute(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestARealDebeziumTellsOfRowsReadMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	w, db := capture(t)
	for _, source := range []string{"bare", "full"} {
		defer run(t, w, source, config.KafkaIntake{Topic: source + ".public.worker", Format: "debezium"})()
	}
	w.Said(4) // what was there before
	execute(t, db,
		`INSERT INTO worker (id, badge, name, since, site, photo) VALUES (3, 1003, 'Cyd', '2026-04-01', NULL, repeat('p', 9000))`,
		`UPDATE worker SET name = 'Adele' WHERE id = 1`,
		`UPDATE worker SET cost = 7 WHERE id = 3`, // what did not change of photo is of no interest
		`DELETE FROM worker WHERE id = 2`,
		`ALTER TABLE worker ADD COLUMN grade integer DEFAULT 3`,
		`UPDATE worker SET grade = 4, until = '2026-03-31', state = 'left' WHERE id = 1`,
		`ALTER TABLE worker DROP COLUMN grade`,
		`UPDATE worker SET site = repeat('s', 3000) WHERE id = 3`,
		`UPDATE worker SET name = 'Cydney' WHERE id = 3`, // the map uses site, which nobody tells
		`ALTER TABLE worker REPLICA IDENTITY FULL`,
		`UPDATE worker SET name = 'Sid' WHERE id = 3`,
		`DELETE FROM worker WHERE id = 3`)
	all := w.Said(2 * 10)
	for _, source := range []string{"bare", "full"} {
		got := map[string][]string{}
		for _, r := range all {
			if r.Source == source {
				got[r.SourceKey] = append(got[r.SourceKey], said(r))
			}
		}
		want := map[string][]string{
			"1": {"upsert: 1001 Ada 1969-07-20.. -12.50", "upsert: 1001 Adele 1969-07-20.. -12.50", "terminate: 1001 Adele 1969-07-20..2026-03-31 -12.50"},
			"2": {"upsert: 1002 Bo 2026-03-02..", "absent"},
			"3": {"upsert: 1003 Cyd 2026-04-01..", "upsert: 1003 Cyd 2026-04-01.. 7.00", "upsert: 1003 Cyd 2026-04-01.. 7.00 3000",
				"upsert: 1003 Sid 2026-04-01.. 7.00 3000", "absent"},
		}
		for worker := range want {
			if !slices.Equal(got[worker], want[worker]) {
				t.Errorf("%s, worker %s:\n got %s\nwant %s", source, worker, strings.Join(got[worker], "\n     "), strings.Join(want[worker], "\n     "))
			}
		}
	}
	rejects := w.Rejects(2)
	for _, r := range rejects {
		if r.Class != "invalid" || !strings.Contains(r.Message, "site") || !strings.Contains(r.Message, "REPLICA IDENTITY FULL") || strings.Contains(r.Message, "photo") {
			t.Errorf("rejected: %s %s", r.Class, r.Message)
		}
	}
	if len(rejects) != 2 {
		t.Errorf("%d rejects", len(rejects))
	}
}

// said is what a record says, in a line.
func said(r event.SourceRecord) string {
	line := string(r.Kind)
	p := r.Person
	if p == nil {
		return line
	}
	line += fmt.Sprintf(": %s %s %s..%s", p.EmployeeNumber, p.GivenName, p.StartDate, p.EndDate)
	if p.CostCentre != "" {
		line += " " + p.CostCentre
	}
	if p.Location != "" {
		line += fmt.Sprint(" ", len(p.Location))
	}
	if want := map[string]string{"badge_since": "2026-03-02T07:00:00.000000Z"}; !reflect.DeepEqual(p.Attributes, want) {
		line += fmt.Sprint(" ", p.Attributes)
	}
	return line
}

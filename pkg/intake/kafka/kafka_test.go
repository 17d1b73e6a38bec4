package kafka_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/intaketest"
	"joinery.internal/pkg/intake/kafka"
	"joinery.internal/pkg/kafkatest"
	"joinery.internal/pkg/wire"
)

var sources = `
apiVersion: joinery/v1
kind: Source
metadata: {name: plain}
spec:
  authority: employment
  intake: {kafka: {topic: acme.workers, format: json}}
  map: {source_key: record.id, person: {given_name: record.name, start_date: date(record.since)}}
---
apiVersion: joinery/v1
kind: Source
metadata: {name: table}
spec:
  authority: employment
  intake: {kafka: {topic: acme.db.workers, format: debezium}}
  map: {source_key: record.after.id, person: {given_name: record.after.name}}
` + captured("bare") + captured("full")

// registry holds foreign schemas by id.
type registry map[int]string

func (r registry) SchemaByID(_ context.Context, id int) (string, error) {
	switch text, ok := r[id]; {
	case ok && text == "":
		return "", fmt.Errorf("schema %d: %w", id, wire.ErrUnavailable)
	case ok:
		return text, nil
	}
	return "", fmt.Errorf("schema %d: %w", id, wire.ErrUnknownSchema)
}

func (registry) SchemaID(context.Context, string, string) (int, error) {
	return 0, wire.ErrUnknownSchema
}

const avroWorker = `{"type": "record", "name": "Worker", "namespace": "acme", "fields": [
	{"name": "name", "type": ["null", "string"]}, {"name": "id", "type": "long"}, {"name": "since", "type": {"type": "int", "logicalType": "date"}}]}`

const avroEnvelope = `{"type": "record", "name": "Envelope", "namespace": "acme.db.workers", "fields": [
	{"name": "before", "type": ["null", {"type": "record", "name": "Value", "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": ["null", "string"]}]}]},
	{"name": "after", "type": ["null", "Value"]},
	{"name": "source", "type": {"type": "record", "name": "Source", "fields": [{"name": "ts_ms", "type": "long"}]}},
	{"name": "op", "type": "string"}, {"name": "ts_ms", "type": ["null", "long"]}]}`

var schemas = registry{1: avroWorker, 2: avroEnvelope, 3: ""}

func framed(t testing.TB, id int, native any) []byte {
	t.Helper()
	codec, err := goavro.NewCodec(schemas[id])
	if err != nil {
		t.Fatal(err)
	}
	b, err := codec.BinaryFromNative(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), native)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func reader(t testing.TB, source, format string) kafka.Reader {
	t.Helper()
	m, err := intake.NewMapper(intaketest.Bundle(t, sources), source)
	if err != nil {
		t.Fatal(err)
	}
	return kafka.Reader{Format: format, Mapper: m, Avro: wire.New(schemas)}
}

var stamped = time.UnixMilli(1_772_000_000_123).UTC()

func at(key, value string) *kgo.Record {
	r := &kgo.Record{Topic: "acme.workers", Partition: 2, Offset: 9, Key: []byte(key), Timestamp: stamped}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

func TestEveryFormatSaysWhoChangedAndWhoIsGone(t *testing.T) {
	t.Parallel()
	changed := map[string]any{"ts_ms": int64(1_771_999_999_000)}
	row := goavro.Union("acme.db.workers.Value", map[string]any{"id": int64(7), "name": goavro.Union("string", "Ann")})
	for name, c := range map[string]struct {
		format, key, value string
		want               string // kind, source_key, given name, second it was recorded
	}{
		"a JSON worker":                    {"json", "7", `{"id": 7, "name": "Ann", "since": 20600}`, "upsert 7 Ann 20.123"},
		"a tombstone by plain key":         {"json", "7", "", "absent 7  20.123"},
		"a tombstone by JSON key":          {"avro", `"W 7"`, "", "absent W 7  20.123"},
		"an Avro worker":                   {"avro", "7", string(framed(t, 1, map[string]any{"id": int64(7), "name": goavro.Union("string", "Ann"), "since": stamped})), "upsert 7 Ann 20.123"},
		"a row made":                       {"debezium", "", `{"op": "c", "before": null, "after": {"id": 7, "name": "Ann"}, "ts_ms": 1772000000777}`, "upsert 7 Ann 20.777"},
		"a row changed":                    {"debezium", "", `{"op": "u", "before": {"id": 7, "name": "An"}, "after": {"id": 7, "name": "Ann"}, "source": {"ts_ms": 1771999999000}, "ts_ms": 1772000000777}`, "upsert 7 Ann 19.000"},
		"a row read":                       {"debezium", "", `{"op": "r", "after": {"id": 7, "name": "Ann"}}`, "upsert 7 Ann 20.123"},
		"a row with its schema":            {"debezium", "", `{"schema": {"type": "struct"}, "payload": {"op": "r", "after": {"id": 7, "name": "Ann"}}}`, "upsert 7 Ann 20.123"},
		"a row deleted":                    {"debezium", "", `{"op": "d", "before": {"id": 7, "name": "Ann"}, "after": null}`, "absent 7  20.123"},
		"a row deleted, of which the key":  {"debezium", `{"id": 7}`, `{"op": "d", "before": null, "after": null}`, "absent 7  20.123"},
		"the same with schemas":            {"debezium", `{"schema": {}, "payload": {"id": 7}}`, `{"schema": {}, "payload": {"op": "d", "before": null, "after": null}}`, "absent 7  20.123"},
		"the tombstone after it":           {"debezium", `{"id": 7}`, "", ""},
		"an Avro row":                      {"debezium", "", string(framed(t, 2, map[string]any{"before": nil, "after": row, "source": changed, "op": "u", "ts_ms": nil})), "upsert 7 Ann 19.000"},
		"an Avro row deleted":              {"debezium", "", string(framed(t, 2, map[string]any{"before": row, "after": nil, "source": changed, "op": "d", "ts_ms": nil})), "absent 7  19.000"},
		"a row of a table named as fields": {"debezium", "", `{"op": "c", "after": {"id": 7, "name": "Ann", "payload": {}, "schema": 1}}`, "upsert 7 Ann 20.123"},
	} {
		source := map[bool]string{true: "table", false: "plain"}[c.format == "debezium"]
		got, ok, err := reader(t, source, c.format).Read(at(c.key, c.value))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		says := ""
		if ok {
			given := ""
			if got.Person != nil {
				given = got.Person.GivenName
			}
			says = fmt.Sprintf("%s %s %s %s", got.Kind, got.SourceKey, given, got.RecordedAt.Format("05.000"))
		}
		if says != c.want {
			t.Errorf("%s: %q, want %q", name, says, c.want)
		}
		if ok && (got.ID != "acme.workers/2/9@1772000000123" || got.Source != source || *got.Sequence != *intake.SequenceOf(stamped, 9)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWhatIsNoRecordIsAFaultOfItsClass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ format, key, value, class, says string }{
		"cut off":                 {"json", "", `{"id": 7, "na`, "decode", "cut off"},
		"deep":                    {"json", "", `{"id":` + strings.Repeat("[", 9999), "decode", "deeper"},
		"Latin-1":                 {"json", "", "{\"name\": \"Ren\xe9\"}", "decode", "not UTF-8"},
		"no id":                   {"json", "", `{"name": "Ann"}`, "invalid", "source_key"},
		"a date that is none":     {"json", "", `{"id": 7, "since": "soon"}`, "invalid", "start_date"},
		"Avro that is not framed": {"avro", "", `{"id": 7}`, "framing", "first byte"},
		"Avro of nobody":          {"avro", "", "\x00\x00\x00\x00\x63abc", "unknown_schema", ""},
		"Avro cut off":            {"avro", "", "\x00\x00\x00\x00\x01\x02", "decode", ""},
		"a table emptied":         {"debezium", "", `{"op": "t"}`, "unsupported", "emptied"},
		"a plain row":             {"debezium", "", `{"id": 7}`, "decode", "envelope"},
		"an envelope of nothing":  {"debezium", "", `{"op": "u", "after": null}`, "decode", "no row"},
		"a delete of nobody":      {"debezium", "", `{"op": "d"}`, "decode", "no row"},
		"a tombstone of nobody":   {"json", "", "", "invalid", "source_key"},
		"a tombstone of bytes":    {"json", "\xff\xfe", "", "invalid", "source_key"},
		"a tombstone of a row":    {"json", `{"id": 7}`, "", "invalid", "source_key"},
	} {
		_, _, err := reader(t, map[bool]string{true: "table", false: "plain"}[c.format == "debezium"], c.format).Read(at(c.key, c.value))
		if f, ok := errors.AsType[*intake.Fault](err); !ok || f.Class != c.class || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want class %s", name, err, c.class)
		}
	}
}

func TestARegistryThatDoesNotAnswerIsNoFaultOfTheRecord(t *testing.T) {
	t.Parallel()
	_, _, err := reader(t, "plain", "avro").Read(at("", "\x00\x00\x00\x00\x03abc"))
	if _, bad := errors.AsType[*intake.Fault](err); bad || err == nil {
		t.Errorf("%v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("7", `{"op": "d", "before": null, "after": null}`)
	f.Add(`{"schema": {}, "payload": {"id": 7}}`, `{"schema": {}, "payload": {"op": "u", "after": {"id": 7}}}`)
	f.Add("", string(framed(f, 1, map[string]any{"id": int64(7), "name": nil, "since": stamped})))
	f.Add("", string(framed(f, 2, map[string]any{"before": nil, "after": nil, "source": map[string]any{"ts_ms": int64(1)}, "op": "d", "ts_ms": nil})))
	readers := []kafka.Reader{reader(f, "plain", "json"), reader(f, "plain", "avro"), reader(f, "table", "debezium")}
	f.Fuzz(func(t *testing.T, key, value string) {
		for _, r := range readers {
			got, ok, err := r.Read(at(key, value))
			if _, bad := errors.AsType[*intake.Fault](err); err != nil && !bad && !errors.Is(err, wire.ErrUnavailable) {
				t.Fatalf("neither a record nor a fault: %v", err)
			}
			if ok && (err != nil || got.SourceKey == "" || got.ID == "") {
				t.Fatalf("half a record: %+v, %v", got, err)
			}
		}
	})
}

// run runs the adapter until stop.
func run(t testing.TB, w *intaketest.World, name string, c config.KafkaIntake) (stop func()) {
	t.Helper()
	m, err := intake.NewMapper(intaketest.Bundle(t, sources), name)
	if err != nil {
		t.Fatal(err)
	}
	s := intake.Source{Mapper: m, Stream: w.Options, Meter: intake.NewMeter(nil, name, 0), Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Keep(ctx, func(ctx context.Context) error { return kafka.Run(ctx, s, c, wire.New(schemas)) })
	}()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func topic(t testing.TB, w *intaketest.World, name string) {
	t.Helper()
	if _, err := kadm.NewClient(w.Client).CreateTopic(t.Context(), 3, 1, nil, name); err != nil {
		t.Fatal(err)
	}
}

func send(t testing.TB, w *intaketest.World, from, to int) {
	t.Helper()
	var out []*kgo.Record
	for n := from; n < to; n++ {
		value := fmt.Sprintf(`{"id": %d, "name": "Ann", "since": 20600}`, n)
		if n%10 == 3 {
			value = `{"id": ` // poison
		}
		out = append(out, &kgo.Record{Topic: "acme.workers", Key: fmt.Append(nil, n), Value: []byte(value)})
	}
	if err := w.Client.ProduceSync(t.Context(), out...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestEachRecordOfATopicComesThroughOnceWhateverTheBrokerRefuses(t *testing.T) {
	t.Parallel()
	w := intaketest.New(t)
	topic(t, w, "acme.workers")
	send(t, w, 0, 500)
	for _, key := range []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.Produce} {
		w.Broker.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.CoordinatorNotAvailable, Count: 1})
	}
	c := config.KafkaIntake{Topic: "acme.workers", Format: "json"}
	stop := run(t, w, "plain", c)
	w.Records(450)
	stop()
	send(t, w, 500, 1000)
	stop = run(t, w, "plain", c)
	defer stop()
	records, rejects := w.Records(900), w.Rejects(100)
	if len(records) != 900 || len(rejects) != 100 {
		t.Fatalf("%d records, %d rejects", len(records), len(rejects))
	}
	keys := intaketest.Keys(records)
	if n := len(slices.Compact(keys)); n != 900 {
		t.Errorf("%d different workers", n)
	}
	if r := rejects[0]; r.Class != "decode" || r.Topic != "acme.workers" || !strings.HasPrefix(r.ID, r.Place+"@") || string(r.Value) != `{"id": ` {
		t.Errorf("%+v", r)
	}
}

func TestOnARealBrokerEachRecordComesThroughOnceOverRestartsOfAdapterAndBroker(t *testing.T) {
	t.Parallel()
	cluster := kafkatest.Start(t, kafkatest.Options{})
	w := intaketest.At(t, cluster.Addrs()...)
	topic(t, w, "acme.workers")
	c := config.KafkaIntake{Topic: "acme.workers", Format: "json"}
	stop := run(t, w, "plain", c)
	send(t, w, 0, 500)
	w.Records(1)
	stop() // in the middle, or not: the next goes on
	stop = run(t, w, "plain", c)
	w.Records(450)
	cluster.Kill9(1)
	cluster.Restart(1)
	send(t, w, 500, 1000)
	defer stop()
	records, rejects := w.Records(900), w.Rejects(100)
	if len(records) != 900 || len(rejects) != 100 || len(slices.Compact(intaketest.Keys(records))) != 900 {
		t.Fatalf("%d records, %d rejects", len(records), len(rejects))
	}
}

func TestATopicThatComesLaterIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	w := intaketest.New(t)
	stop := run(t, w, "plain", config.KafkaIntake{Topic: "acme.workers", Format: "json"})
	defer stop()
	topic(t, w, "acme.workers")
	send(t, w, 0, 1)
	if got := w.Records(1); got[0].SourceKey != "0" || !reflect.DeepEqual(got[0].Kind, event.Upsert) {
		t.Errorf("%+v", got)
	}
}

func TestFiveThousandPoisonRecordsInAStreamAreRejectedWithClassAndPlaceAndAllOthersComeThrough(t *testing.T) {
	t.Parallel()
	w := intaketest.New(t)
	topic(t, w, "acme.workers")
	poison := []struct{ value, class string }{
		{``, "decode"}, {`{"id": `, "decode"}, {`[]`, "decode"}, {`{"id": 7} {}`, "decode"}, {"{\"id\": \"\xe9\"}", "decode"}, {"\xff\xfe{", "decode"}, {"\x00\x00\x00\x00\x01", "decode"},
		{`{"id":` + strings.Repeat("[", 200), "decode"}, {`{"name": "Ann"}`, "invalid"}, {`{"id": 7, "since": "soon"}`, "invalid"}, {`{"id": {"a": 1}}`, "invalid"}, {`{"id": 7, "name": ["Ann"]}`, "invalid"},
	}
	const total, bad = 15_000, 5_000
	out := make([]*kgo.Record, total)
	for n := range out {
		out[n] = &kgo.Record{Topic: "acme.workers", Partition: int32(n % 3), Key: fmt.Append(nil, n), Value: fmt.Appendf(nil, `{"id": %d, "since": 20600}`, n)}
		if n%3 == 1 {
			out[n].Value = []byte(poison[n/3%len(poison)].value)
		}
	}
	if err := w.Client.ProduceSync(t.Context(), out...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{} // class by place
	for n, r := range out {
		if n%3 == 1 {
			want[fmt.Sprintf("acme.workers/%d/%d", r.Partition, r.Offset)] = poison[n/3%len(poison)].class
		}
	}
	stop := run(t, w, "plain", config.KafkaIntake{Topic: "acme.workers", Format: "json"})
	defer stop()
	records, rejects := w.Records(total-bad), w.Rejects(bad)
	if len(records) != total-bad || len(rejects) != bad || len(slices.Compact(intaketest.Keys(records))) != total-bad {
		t.Fatalf("%d records, %d rejects", len(records), len(rejects))
	}
	for _, r := range rejects {
		if want[r.Place] != r.Class || r.Message == "" {
			t.Fatalf("%s is %q: %s; want %q", r.Place, r.Class, r.Message, want[r.Place])
		}
		delete(want, r.Place)
	}
	if len(want) > 0 {
		t.Errorf("%d poison records are not among the rejects", len(want))
	}
}

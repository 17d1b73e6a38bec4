package intake_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/intaketest"
)

const hr = `
apiVersion: joinery/v1
kind: Source
metadata: {name: hr}
spec:
  authority: employment
  intake: {kafka: {topic: acme.hr.workers, format: json}}
  map:
    source_key: record.worker_id
    kind: 'record.state == "gone" ? "terminate" : ""'
    person:
      employee_number: record.worker_id
      given_name: record.name.split(" ")[0]
      email: slug(ascii(record.name)) + "@acme.example"
      start_date: date(record.since, "DD.MM.YYYY")
      end_date: date(record.until)
      attributes: {badge: record.badge}
`

func mapper(t testing.TB) *intake.Mapper {
	t.Helper()
	m, err := intake.NewMapper(intaketest.Bundle(t, hr), "hr")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAForeignRecordBecomesASourceRecordAndItsOriginFillsWhatTheMapDoesNotSay(t *testing.T) {
	t.Parallel()
	doc, err := intake.ParseObject([]byte(`{"worker_id": 7, "name": "Žofie Nováková", "since": "02.03.2026", "until": 20600, "badge": "red"}`))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 8, 0, 0, 999_999, time.UTC)
	got, err := mapper(t).Map(doc, intake.Origin{ID: "t/0/9", At: at, Sequence: intake.SequenceOf(at, 9)})
	if err != nil {
		t.Fatal(err)
	}
	n := at.UnixMilli()<<20 + 9
	want := event.SourceRecord{ID: "t/0/9", Source: "hr", SourceKey: "7", Sequence: &n, RecordedAt: at.Truncate(time.Millisecond), Kind: event.Upsert,
		Person: &event.Profile{EmployeeNumber: "7", GivenName: "Žofie", Email: "zofie-novakova@acme.example", StartDate: "2026-03-02", EndDate: "2026-05-27",
			Attributes: map[string]string{"badge": "red"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v %+v\nwant %+v %+v", got, got.Person, want, want.Person)
	}
}

func TestWhatTheMapSaysGoesBeforeTheOrigin(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]event.RecordKind{"gone": event.Terminate, "here": event.Absent} {
		doc := map[string]any{"worker_id": "7", "name": "Ann B", "state": state}
		if got, err := mapper(t).Map(doc, intake.Origin{ID: "x", Kind: event.Absent}); err != nil || got.Kind != want {
			t.Errorf("%s: %s, %v", state, got.Kind, err)
		}
	}
}

func TestAFaultNamesEachFieldAndItsExpressionAndNoValue(t *testing.T) {
	t.Parallel()
	_, err := mapper(t).Map(map[string]any{"worker_id": "7", "name": map[string]any{"secret": "Ada"}, "since": "Secret", "until": "Secret"}, intake.Origin{ID: "x"})
	f, ok := errors.AsType[*intake.Fault](err)
	if !ok || f.Class != intake.Invalid {
		t.Fatalf("not a fault of the record: %v", err)
	}
	for _, part := range []string{"field given_name, at sources/all.yaml:", "field start_date", "field end_date"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	if strings.Contains(err.Error(), "Secret") || strings.Contains(err.Error(), "Ada") {
		t.Errorf("the message repeats what stands there: %v", err)
	}
}

func TestARecordThatGrowsBeyondBoundsIsRefused(t *testing.T) {
	t.Parallel()
	doc := map[string]any{"worker_id": "7", "name": "Ann", "badge": strings.Repeat("x", 300<<10)}
	if _, err := mapper(t).Map(doc, intake.Origin{ID: "x"}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
}

func TestSequencesGrowWithinAMillisecondAndWhenNumbersBeginAnew(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_772_000_000_000)
	in := []int64{*intake.SequenceOf(at, 5), *intake.SequenceOf(at, 6), *intake.SequenceOf(at.Add(time.Millisecond), 0), *intake.SequenceOf(at.AddDate(100, 0, 0), 1<<40)}
	for i := 1; i < len(in); i++ {
		if in[i] <= in[i-1] {
			t.Errorf("%d is not after %d", in[i], in[i-1])
		}
	}
}

func TestWhatIsNoBoundedJSONObjectIsSaidWithoutRepeatingIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, says string }{
		"nothing":        {"", "empty"},
		"cut off":        {`{"a": {"b": "Secret`, "cut off"},
		"a list":         {`[1]`, "no object"},
		"two of them":    {`{} {}`, "more follows"},
		"no JSON":        {`Secret`, "not JSON"},
		"enormous":       {`{"a": "` + strings.Repeat("x", intake.MaxBytes) + `"}`, "more than"},
		"deep":           {`{"a": ` + strings.Repeat("[", 100_000), "deeper than"},
		"Latin-1":        {"{\"name\": \"Ren\xe9\"}", "not UTF-8: byte 13"},
		"UTF-16":         {"\xff\xfe{\x00}\x00", "UTF-16"},
		"half surrogate": {`{"a": "\u12"}`, "not JSON"},
	} {
		_, err := intake.ParseObject([]byte(c.body))
		if f, ok := errors.AsType[*intake.Fault](err); !ok || f.Class != intake.Decode || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "Secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if doc, err := intake.ParseObject([]byte("\xef\xbb\xbf{\"n\": 9007199254740993, \"quoted\": \"[{[{\\\"\"}")); err != nil || doc["n"] != json.Number("9007199254740993") {
		t.Errorf("with a byte order mark: %v, %v", doc, err)
	}
}

func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{`{"worker_id": "7", "name": "Ann B"}`, `{"a":[1,{"b":null}]}`, "{\"a\":\"\xff\"}", `{"a`, ``} {
		f.Add([]byte(seed))
	}
	m := mapper(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := intake.ParseObject(b)
		if _, ok := errors.AsType[*intake.Fault](err); err != nil && !ok {
			t.Fatalf("no fault: %v", err)
		}
		if err != nil {
			return
		}
		if !json.Valid(b[max(0, len(b)-len(strings.TrimPrefix(string(b), "\xef\xbb\xbf"))):]) {
			t.Fatal("taken, and not JSON")
		}
		if _, err := m.Map(doc, intake.Origin{ID: "x"}); err != nil {
			if _, ok := errors.AsType[*intake.Fault](err); !ok {
				t.Fatalf("no fault: %v", err)
			}
		}
	})
}

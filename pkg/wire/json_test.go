package wire

import (
	"math"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"

	"joinery.internal/schemas"
)

func TestPlainJSONBecomesAvroAndComesBack(t *testing.T) {
	t.Parallel()
	s := New(Static())
	for name, c := range map[string]struct{ in, want string }{
		"everything absent that may be": {
			`{"id":"1","source":"hr","source_key":"w1","recorded_at":"2026-03-02T08:00:00+01:00"}`,
			`{"id":"1","source":"hr","source_key":"w1","sequence":null,"recorded_at":"2026-03-02T07:00:00.000Z","effective_at":null,"kind":"upsert","reason":null,"person":null,"related_key":null}`,
		},
		"a date and milliseconds": {
			`{"id":"1","source":"hr","source_key":"w1","recorded_at":1772438400000,"effective_at":"2026-03-02","sequence":7,"kind":"terminate"}`,
			`{"id":"1","source":"hr","source_key":"w1","sequence":7,"recorded_at":"2026-03-02T08:00:00.000Z","effective_at":"2026-03-02","kind":"terminate","reason":null,"person":null,"related_key":null}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := s.EncodeJSON("jml.source.record.v1", []byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			got, fullName, err := s.DecodeJSON(b)
			if err != nil {
				t.Fatal(err)
			}
			if fullName != "joinery.SourceRecord" || string(got) != c.want {
				t.Errorf("%s\ngot  %s\nwant %s", fullName, got, c.want)
			}
		})
	}
}

func TestBadJSONIsRefusedWithThePathOfTheFault(t *testing.T) {
	t.Parallel()
	s := New(Static())
	const head = `{"id":"1","source":"hr","source_key":"w1","recorded_at":0`
	for in, want := range map[string]string{
		``:                                 "no JSON",
		`{`:                                "not valid JSON",
		`{} {}`:                            "more after the first",
		`[]`:                               "the record: want an object, got an array",
		`{"id":"1"}`:                       `field "source" is missing`,
		head + `,"sauce":1}`:               `unknown field "sauce": joinery.SourceRecord has id, source,`,
		head + `,"person":{"nickname":1}}`: `unknown field "person.nickname"`,
		head + `,"sequence":"7"}`:          `field "sequence": want a whole number, got "7"`,
		head + `,"sequence":1.5}`:          `field "sequence": want a whole number, got 1.5`,
		head + `,"kind":null}`:             `field "kind": want a string, got null`,
		head + `,"person":"Ada"}`:          `field "person": want an object, got "Ada"`,
		head + `,"person":{"attributes":{"shoe":44}}}`:                   `field "person.attributes.shoe": want a string, got 44`,
		`{"id":"1","source":"hr","source_key":"w1","recorded_at":"now"}`: `field "recorded_at": want an RFC 3339 time`,
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := s.EncodeJSON("jml.source.record.v1", []byte(in))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", in, err)
			}
		})
	}
}

const zoo = `{"type":"record","name":"Zoo","namespace":"acme","fields":[
 {"name":"nothing","type":"null"},{"name":"yes","type":"boolean"},{"name":"small","type":"int"},{"name":"half","type":"float"},{"name":"big","type":"double"},
 {"name":"raw","type":"bytes"},{"name":"four","type":{"type":"fixed","name":"Four","size":4}},{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["CAT","DOG"]}},
 {"name":"day","type":{"type":"int","logicalType":"date"}},{"name":"micros","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"clock","type":{"type":"int","logicalType":"time-millis"}},
 {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
 {"name":"either","type":["null","long","string",{"type":"long","logicalType":"timestamp-millis"},{"type":"record","name":"Cage","fields":[{"name":"n","type":"int"}]}]},
 {"name":"many","type":{"type":"array","items":["null","Cage"]}},{"name":"next","type":["null","Zoo"],"default":null}]}`

func TestAForeignRecordOfEveryTypeIsReadIntoPlainJSON(t *testing.T) {
	t.Parallel()
	var s *Serde
	{
		// goavro tells two branches apart by their names, so a union may hold either the bare long or the timestamp.
		text := strings.Replace(zoo, `{"type":"long","logicalType":"timestamp-millis"},`, "", 1)
		s = New(newStatic([]schemas.Subject{{Name: "acme.zoo-value", Versions: []string{text}}}))
		s.latest = func(string) string { return text }
	}
	in := `{"nothing":null,"yes":true,"small":-3,"half":0.5,"big":1e300,"raw":"AP8=","four":"AAECAw==","kind":"DOG","day":"2026-03-02","micros":"2026-03-02T08:00:00.123456Z",
	 "clock":3600000,"price":12.34,"either":"text","many":[null,{"n":1}],"next":null}`
	b, err := s.EncodeJSON("acme.zoo", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	got, name, err := s.DecodeJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"nothing":null,"yes":true,"small":-3,"half":0.5,"big":1e+300,"raw":"AP8=","four":"AAECAw==","kind":"DOG","day":"2026-03-02","micros":"2026-03-02T08:00:00.123456Z",` +
		`"clock":"01:00:00.000000","price":"12.34","either":"text","many":[null,{"n":1}],"next":null}`
	if name != "acme.Zoo" || string(got) != want {
		t.Errorf("%s\ngot  %s\nwant %s", name, got, want)
	}
}

func TestWhatJSONHasNoNumberForIsWrittenAsText(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{math.Inf(1): `"Infinity"`, math.Inf(-1): `"-Infinity"`, 1.25: "1.25"} {
		if got := string(appendFloat(nil, f, 64)); got != want {
			t.Errorf("%v: %s", f, got)
		}
	}
	if got := string(appendFloat(nil, math.NaN(), 64)); got != `"NaN"` {
		t.Errorf("NaN: %s", got)
	}
}

// A record that claims two thousand million items must not make us allocate room for them.
func TestABlockThatClaimsMoreThanItHoldsIsRefused(t *testing.T) {
	t.Parallel()
	const text = `{"type":"record","name":"L","namespace":"acme","fields":[{"name":"l","type":{"type":"array","items":"string"}}]}`
	s := New(newStatic([]schemas.Subject{{Name: "acme.l-value", Versions: []string{text}}}))
	s.latest = func(string) string { return text }
	b, err := s.EncodeJSON("acme.l", []byte(`{"l":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	b = append(b[:headerLen], 0xfe, 0xff, 0xff, 0xff, 0x0f)
	if _, _, err := s.DecodeJSON(b); Class(err) != "decode" {
		t.Errorf("DecodeJSON: %v", err)
	}
	if goavro.MaxBlockCount != maxBlock {
		t.Error("goavro's limit is not ours")
	}
}

// goavro recurses as deep as a record says; the stack would end the process.
func TestARecursiveRecordThatIsTooDeepIsRefused(t *testing.T) {
	t.Parallel()
	const text = `{"type":"record","name":"Chain","namespace":"acme","fields":[{"name":"next","type":["null","Chain"],"default":null}]}`
	s := New(newStatic([]schemas.Subject{{Name: "acme.chain-value", Versions: []string{text}}}))
	s.latest = func(string) string { return text }
	b, err := s.EncodeJSON("acme.chain", []byte(`{"next":{"next":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := s.DecodeJSON(b)
	if err != nil || string(got) != `{"next":{"next":null}}` {
		t.Fatalf("%s, %v", got, err)
	}
	deep := b[:headerLen:headerLen]
	for range 5_000_000 {
		deep = append(deep, 2)
	}
	if _, _, err := s.DecodeJSON(append(deep, 0)); Class(err) != "decode" {
		t.Errorf("DecodeJSON: %v", err)
	}
}

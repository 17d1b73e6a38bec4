package wire

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"joinery.internal/schemas"
)

// Three versions of one topic's record, and a stranger.
const (
	topic = "jml.test.event.v1"

	badgeV1 = `{"type":"record","name":"Badge","namespace":"joinery","fields":[{"name":"id","type":"string"},{"name":"old","type":"string","default":""},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}`
	badgeV2 = `{"type":"record","name":"Badge","namespace":"joinery","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"id","type":"string"},{"name":"colour","type":"string","default":"blue"},{"name":"floor","type":["null","long"],"default":null}]}`
	badgeV3 = `{"type":"record","name":"Badge","namespace":"joinery","fields":[{"name":"id","type":"string"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"colour","type":"string","default":"blue"},{"name":"floor","type":["null","long"],"default":null},{"name":"room","type":"string","default":""}]}`
	door    = `{"type":"record","name":"Door","namespace":"acme","fields":[{"name":"id","type":"string"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}`
)

type badge struct {
	ID     string    `avro:"id"`
	At     time.Time `avro:"at"`
	Colour string    `avro:"colour,omitzero"`
	Floor  *int64    `avro:"floor"`
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// at returns a Serde whose topic is at the last of these versions; all are registered, and the stranger is.
func at(versions ...string) *Serde {
	all := []string{badgeV1, badgeV2, badgeV3}
	s := New(newStatic([]schemas.Subject{{Name: topic + "-value", Versions: all}, {Name: "acme.door-value", Versions: []string{door}}}))
	s.latest = func(name string) string {
		switch name {
		case topic:
			return versions[len(versions)-1]
		case "acme.door":
			return door
		}
		return ""
	}
	return s
}

func TestARecordComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s := at(badgeV2)
	floor := int64(3)
	want := badge{ID: "b1", At: noon, Colour: "red", Floor: &floor}
	b, err := s.Encode(topic, &want)
	if err != nil {
		t.Fatal(err)
	}
	var got badge
	if err := s.Decode(b, topic, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnOlderVersionIsReadWithDefaultsForWhatItLacks(t *testing.T) {
	t.Parallel()
	b, err := at(badgeV1).EncodeJSON(topic, []byte(`{"id":"b1","old":"x","at":"2026-03-02T12:00:00Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	var got badge
	if err := at(badgeV1, badgeV2).Decode(b, topic, &got); err != nil {
		t.Fatal(err)
	}
	if want := (badge{ID: "b1", At: noon, Colour: "blue"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestANewerVersionIsReadWithoutWhatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	b, err := at(badgeV3).EncodeJSON(topic, []byte(`{"id":"b1","at":"2026-03-02","room":"lab","floor":2}`))
	if err != nil {
		t.Fatal(err)
	}
	var got badge
	if err := at(badgeV2).Decode(b, topic, &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != "b1" || got.Floor == nil || *got.Floor != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestAppendEncodeLeavesWhatWasThere(t *testing.T) {
	t.Parallel()
	s := at(badgeV2)
	plain, err := s.Encode(topic, badge{ID: "b1", At: noon})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.AppendEncode([]byte("head"), topic, badge{ID: "b1", At: noon})
	if err != nil || string(got) != "head"+string(plain) {
		t.Errorf("got %q, %v", got, err)
	}
	got, err = s.AppendEncode([]byte("head"), topic, struct{ Nothing int }{})
	if err == nil || string(got) != "head" {
		t.Errorf("after an error: %q, %v", got, err)
	}
}

func TestEachFaultOfAValueHasItsClass(t *testing.T) {
	t.Parallel()
	s := at(badgeV2)
	good, err := s.Encode(topic, badge{ID: "b1", At: noon})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := s.EncodeJSON("acme.door", []byte(`{"id":"d1","at":0}`))
	if err != nil {
		t.Fatal(err)
	}
	unknown := append([]byte{0, 0, 0, 0, 9}, good[headerLen:]...)
	for name, c := range map[string]struct {
		value []byte
		err   error
		class string
		text  string
	}{
		"empty":           {nil, ErrFraming, "framing", "0 bytes"},
		"too short":       {good[:4], ErrFraming, "framing", "4 bytes"},
		"JSON":            {[]byte(`{"id":"b1"}`), ErrFraming, "framing", "0x7b"},
		"unknown id":      {unknown, ErrUnknownSchema, "unknown_schema", "id 9"},
		"truncated":       {good[:len(good)-2], ErrDecode, "decode", topic},
		"trailing":        {append(good[:len(good):len(good)], 1, 2), ErrDecode, "decode", "2 bytes too many"},
		"another record":  {stranger, ErrDecode, "decode", "acme.Door, but this topic holds joinery.Badge"},
		"nothing follows": {good[:headerLen], ErrDecode, "decode", topic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got badge
			err := s.Decode(c.value, topic, &got)
			if !errors.Is(err, c.err) || Class(err) != c.class || !strings.Contains(err.Error(), c.text) {
				t.Errorf("class %q: %v", Class(err), err)
			}
		})
	}
}

func TestARegistryThatIsDownMakesNoValuePoison(t *testing.T) {
	t.Parallel()
	client, err := NewClient("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	s := New(client)
	var got badge
	err = s.Decode([]byte{0, 0, 0, 0, 1, 2}, "jml.source.record.v1", &got)
	if !errors.Is(err, ErrUnavailable) || Class(err) != "" {
		t.Errorf("Decode: %v", err)
	}
	if _, _, err = s.DecodeJSON([]byte{0, 0, 0, 0, 1, 2}); !errors.Is(err, ErrUnavailable) || Class(err) != "" {
		t.Errorf("DecodeJSON: %v", err)
	}
}

func TestWarmNamesTheSchemaThatIsNotRegistered(t *testing.T) {
	t.Parallel()
	s := New(newStatic(nil))
	err := s.Warm(t.Context(), "jml.source.record.v1")
	if !errors.Is(err, ErrUnknownSchema) || !strings.Contains(err.Error(), "jml.source.record.v1") || !strings.Contains(err.Error(), "schemas apply") {
		t.Errorf("Warm: %v", err)
	}
	if err := New(Static()).Warm(t.Context(), "jml.source.record.v1", "jml.dlq.v1"); err != nil {
		t.Error(err)
	}
}

func TestATopicWithoutASchemaIsAClearErrorAndNotPoison(t *testing.T) {
	t.Parallel()
	s := New(Static())
	if _, err := s.Encode("jml.nothing.v1", badge{}); err == nil || !strings.Contains(err.Error(), "jml.nothing.v1") {
		t.Errorf("Encode: %v", err)
	}
	if err := s.Decode([]byte{0, 0, 0, 0, 1, 2}, "jml.nothing.v1", &badge{}); err == nil || Class(err) != "" {
		t.Errorf("Decode: %v", err)
	}
}

// counting is a Registry that counts what it is asked.
type counting struct {
	Registry
	asked int
}

func (c *counting) SchemaByID(ctx context.Context, id int) (string, error) {
	c.asked++
	return c.Registry.SchemaByID(ctx, id)
}

func (c *counting) SchemaID(ctx context.Context, subject, avsc string) (int, error) {
	c.asked++
	return c.Registry.SchemaID(ctx, subject, avsc)
}

func TestTheRegistryIsAskedOncePerSchema(t *testing.T) {
	t.Parallel()
	s := at(badgeV2)
	reg := &counting{Registry: s.reg}
	s.reg = reg
	for range 3 {
		b, err := s.Encode(topic, badge{ID: "b1", At: noon})
		if err != nil {
			t.Fatal(err)
		}
		var got badge
		if err := s.Decode(b, topic, &got); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.DecodeJSON(b); err != nil {
			t.Fatal(err)
		}
	}
	if reg.asked != 3 { // to write, to read, to read without knowing
		t.Errorf("asked %d times", reg.asked)
	}
}

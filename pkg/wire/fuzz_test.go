package wire

import (
	"encoding/json"
	"testing"

	"joinery.internal/pkg/event"
	"joinery.internal/schemas"
)

// FuzzAnyValueDecodesOrHasAClass: bytes from outside end in a record or in a dead letter of a known class, never in a panic.
func FuzzAnyValueDecodesOrHasAClass(f *testing.F) {
	reg := Static().(*static)
	serde := New(reg)
	for _, g := range schemas.Golden() {
		for id, text := range reg.text {
			if text == schemas.Latest(g.Topic) {
				f.Add(append([]byte{0, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, g.Binary...))
			}
		}
	}
	f.Add([]byte{})
	f.Add([]byte(`{"id":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for topic, fresh := range goTypes {
			if err := serde.Decode(b, string(topic), fresh()); err != nil && Class(err) == "" {
				t.Errorf("Decode as %s: no class: %v", topic, err)
			}
		}
		doc, _, err := serde.DecodeJSON(b)
		if err != nil && Class(err) == "" {
			t.Errorf("DecodeJSON: no class: %v", err)
		}
		if err == nil && !json.Valid(doc) {
			t.Errorf("DecodeJSON gave what is not JSON: %s", doc)
		}
	})
}

// FuzzAnyLineEncodesOrIsRefused: what EncodeJSON takes, Decode takes.
func FuzzAnyLineEncodesOrIsRefused(f *testing.F) {
	serde := New(Static())
	for _, g := range schemas.Golden() {
		f.Add(g.JSON)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		b, err := serde.EncodeJSON(string(event.SourceRecords), line)
		if err != nil {
			return
		}
		var r event.SourceRecord
		if err := serde.Decode(b, string(event.SourceRecords), &r); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	})
}

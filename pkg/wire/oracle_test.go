package wire

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro"
	"pgregory.net/rapid"

	"joinery.internal/schemas"
)

// Two codecs that know nothing of one another must agree on every schema we publish: on the bytes of a random record, and on what they mean.
func TestBothCodecsAgreeOnRandomRecordsOfEverySchema(t *testing.T) {
	t.Parallel()
	for _, subject := range schemas.Subjects() {
		for _, text := range subject.Versions {
			t.Run(subject.Name, func(t *testing.T) {
				t.Parallel()
				agree(t, text)
			})
		}
	}
}

func TestBothCodecsAgreeOnRandomRecordsOfAForeignSchema(t *testing.T) {
	t.Parallel()
	agree(t, `{"type":"record","name":"Mix","namespace":"acme","fields":[
	 {"name":"b","type":"boolean"},{"name":"i","type":"int"},{"name":"f","type":"float"},{"name":"d","type":"double"},{"name":"raw","type":"bytes"},
	 {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B","C"]}},{"name":"day","type":{"type":"int","logicalType":"date"}},
	 {"name":"u","type":["null","long","string",{"type":"array","items":"int"}]},{"name":"m","type":{"type":"map","values":["null","double"]}}]}`)
}

func agree(t *testing.T, text string) {
	ours, err := avro.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := newForeign(text)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		plain, wrapped := random(rt, theirs.shape)
		b, err := ours.AppendEncode(nil, plain)
		if err != nil {
			rt.Fatalf("twmb encodes %v: %v", plain, err)
		}
		oracle, err := theirs.codec.BinaryFromNative(nil, wrapped)
		if err != nil {
			rt.Fatalf("goavro encodes %v: %v", wrapped, err)
		}
		if !bytes.Equal(b, oracle) {
			rt.Fatalf("bytes differ for %v:\ntwmb   %x\ngoavro %x", plain, b, oracle)
		}
		var back any
		if rest, err := ours.Decode(oracle, &back); err != nil || len(rest) > 0 {
			rt.Fatalf("twmb decodes: %v, %d bytes left", err, len(rest))
		}
		again, err := ours.AppendEncode(nil, back)
		if err != nil || !bytes.Equal(again, b) {
			rt.Fatalf("twmb does not give back what goavro wrote: %v\n%x\n%x", err, again, b)
		}
		want, err := theirs.shape.appendJSON(nil, wrapped)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := theirs.toJSON(b)
		if err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("goavro reads twmb's bytes as %s, want %s (%v)", got, want, err)
		}
	})
}

// random draws one value in two forms: as twmb takes it, and as goavro does, which wraps the branches of unions. Maps have at most one
// entry, since neither codec has an order for more.
func random(rt *rapid.T, s *shape) (plain, wrapped any) {
	switch s.typ {
	case "record":
		p, w := map[string]any{}, map[string]any{}
		for _, f := range s.fields {
			p[f.name], w[f.name] = random(rt, f.shape)
		}
		return p, w
	case "union":
		b := s.branches[rapid.IntRange(0, len(s.branches)-1).Draw(rt, "branch")]
		p, w := random(rt, b)
		if b.typ == "null" {
			return nil, nil
		}
		return p, goavro.Union(branchName(b), w)
	case "array":
		n := rapid.IntRange(0, 3).Draw(rt, "items")
		p, w := make([]any, n), make([]any, n)
		for i := range n {
			p[i], w[i] = random(rt, s.item)
		}
		return p, w
	case "map":
		p, w := map[string]any{}, map[string]any{}
		if rapid.Bool().Draw(rt, "entry") {
			k := rapid.String().Draw(rt, "key")
			p[k], w[k] = random(rt, s.item)
		}
		return p, w
	}
	v := randomLeaf(rt, s)
	return v, v
}

func branchName(s *shape) string {
	if s.logical != "" {
		return s.typ + "." + s.logical
	}
	return s.String()
}

func randomLeaf(rt *rapid.T, s *shape) any {
	switch s.logical {
	case "timestamp-millis":
		return time.UnixMilli(rapid.Int64Range(-6e13, 2e14).Draw(rt, "millis")).UTC()
	case "date":
		return time.Unix(rapid.Int64Range(-700_000, 2_000_000).Draw(rt, "day")*86400, 0).UTC()
	}
	switch s.typ {
	case "boolean":
		return rapid.Bool().Draw(rt, "bool")
	case "int":
		return rapid.Int32().Draw(rt, "int")
	case "long":
		return rapid.Int64().Draw(rt, "long")
	case "float":
		return rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32).Draw(rt, "float")
	case "double":
		return rapid.Float64().Draw(rt, "double")
	case "bytes":
		return rapid.SliceOf(rapid.Byte()).Draw(rt, "bytes")
	case "enum":
		return rapid.SampledFrom(s.symbols).Draw(rt, "symbol")
	case "string":
		return rapid.String().Draw(rt, "string")
	}
	return nil
}

package wire

import (
	"testing"

	"github.com/linkedin/goavro/v2"

	"joinery.internal/pkg/event"
	"joinery.internal/schemas"
)

// The cost of our way beside goavro's on one and the same record: go test -bench Codec ./pkg/wire

func sample(b *testing.B) (serde *Serde, framed []byte, record event.Fact, codec *goavro.Codec, native any) {
	b.Helper()
	serde = New(Static())
	topic := string(event.IdentityFacts)
	for _, g := range schemas.Golden() {
		if g.Topic != topic || g.Name != "full" {
			continue
		}
		var err error
		if framed, err = serde.EncodeJSON(topic, g.JSON); err != nil {
			b.Fatal(err)
		}
		if err = serde.Decode(framed, topic, &record); err != nil {
			b.Fatal(err)
		}
		if codec, err = goavro.NewCodec(schemas.Latest(topic)); err != nil {
			b.Fatal(err)
		}
		if native, _, err = codec.NativeFromBinary(framed[headerLen:]); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(framed)))
	b.ReportAllocs()
	return serde, framed, record, codec, native
}

func BenchmarkCodecEncode(b *testing.B) {
	serde, _, record, _, _ := sample(b)
	var buf []byte
	var err error
	for b.Loop() {
		if buf, err = serde.AppendEncode(buf[:0], string(event.IdentityFacts), &record); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCodecEncodeGoavro(b *testing.B) {
	_, _, _, codec, native := sample(b)
	var buf []byte
	var err error
	for b.Loop() {
		if buf, err = codec.BinaryFromNative(buf[:0], native); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCodecDecode(b *testing.B) {
	serde, framed, _, _, _ := sample(b)
	for b.Loop() {
		var r event.Fact
		if err := serde.Decode(framed, string(event.IdentityFacts), &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCodecDecodeGoavro(b *testing.B) {
	_, framed, _, codec, _ := sample(b)
	for b.Loop() {
		if _, _, err := codec.NativeFromBinary(framed[headerLen:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCodecDecodeJSON(b *testing.B) {
	serde, framed, _, _, _ := sample(b)
	for b.Loop() {
		if _, _, err := serde.DecodeJSON(framed); err != nil {
			b.Fatal(err)
		}
	}
}

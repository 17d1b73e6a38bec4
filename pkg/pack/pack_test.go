package pack_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"joinery.internal/pkg/pack"
)

func TestWhatIsAppendedReadsTheSame(t *testing.T) {
	t.Parallel()
	text := rapid.String()
	rapid.Check(t, func(r *rapid.T) {
		list, named := rapid.SliceOfN(text, 0, 4).Draw(r, "list"), rapid.MapOfN(text, text, 0, 4).Draw(r, "map")
		name, n, u := text.Draw(r, "text"), rapid.Int64().Draw(r, "n"), rapid.Uint64().Draw(r, "u")
		at := time.Unix(0, rapid.Int64().Draw(r, "at")).UTC()
		b := pack.AppendTime(pack.AppendTime(nil, at), time.Time{})
		b = binary.AppendUvarint(binary.AppendVarint(pack.AppendText(b, name), n), u)
		b = pack.AppendMap(pack.AppendTexts(b, list), named)
		p := pack.NewReader(b)
		same := p.Time().Equal(at) || at.UnixNano() == 0
		same = p.Time().IsZero() && same
		same = p.Text() == name && p.Varint() == n && p.Uvarint() == u && slices.Equal(p.Texts(), list) && maps.Equal(p.Map(), named) && same
		if err := p.End(); !same || err != nil {
			r.Fatalf("%x reads otherwise: %v", b, err)
		}
	})
}

// FuzzReader is that bytes of others are an error, never a panic and never a huge allocation.
func FuzzReader(f *testing.F) {
	f.Add(pack.AppendMap(pack.AppendTexts(pack.AppendText([]byte{1}, "a"), []string{"b"}), map[string]string{"c": "d"}))
	f.Add(binary.AppendUvarint([]byte{1}, 1<<63))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := pack.NewReader(b)
		r.Byte()
		r.Text()
		r.Texts()
		r.Map()
		if err := r.End(); err != nil && !errors.Is(err, pack.ErrUnreadable) {
			t.Error(err)
		}
		if r.Text() != "" || r.Byte() != 0 {
			t.Error("something after the end")
		}
	})
}

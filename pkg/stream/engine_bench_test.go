package stream

import (
	"context"
	"fmt"
	"testing"

	"joinery.internal/pkg/event"
)

// BenchmarkTransaction is the runtime's own part of a transaction, between poll and produce and after End: handle, stage,
// changelog, fold.
func BenchmarkTransaction(b *testing.B) {
	counts := NewTable[int64]("count")
	value := make([]byte, 500)
	count := func(tx *Tx, r Record) error {
		n, _ := counts.Get(tx, r.Key)
		counts.Put(tx, r.Key, n+1)
		tx.Emit("out", r.Key, r.Value)
		return nil
	}
	evidence := func(tx *Tx, r Record) error {
		id := event.DeriveID("ev", 0, "bench", r.ID())
		tx.Emit(event.IdentityEvents, r.Key, &event.IdentityEvent{Meta: event.Meta{EventID: event.EventID(id), Kind: "identity.joined", IdentityID: event.IdentityID(r.Key),
			CaseID: "case", CausationID: r.ID(), Actor: "bench", Outcome: "applied", EffectiveAt: tx.Now(), KnownAt: tx.Now(), OccurredAt: tx.Now()}})
		return nil
	}
	for _, c := range []struct {
		name   string
		batch  int
		handle Handler
	}{{"count", 500, count}, {"count", 5000, count}, {"event", 500, evidence}} {
		b.Run(fmt.Sprintf("%s/%d", c.name, c.batch), func(b *testing.B) {
			topology := Topology{Name: "bench", Inputs: []Input{{Topic: "in", Handle: c.handle}}, Outputs: []Output{{Topic: "out"}, {Topic: event.IdentityEvents}}}
			eng := newEngine(topology, fixedCodec{value}, 6)
			for id := range eng.nparts {
				if err := eng.take(context.Background(), id, map[string][]byte{}); err != nil {
					b.Fatal(err)
				}
			}
			keys := make([]string, 10_000)
			for i := range keys {
				keys[i] = fmt.Sprintf("person-%07d", i)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				tx := eng.begin()
				for i := range c.batch {
					key := keys[n%len(keys)]
					r := Record{Topic: "in", Partition: int32(i * 6 / c.batch), Offset: int64(n), Key: key, Value: value}
					if err := eng.handle(tx, r, noon); err != nil {
						b.Fatal(err)
					}
					n++
				}
				if len(tx.records) != c.batch || len(tx.changelog()) == 0 {
					b.Fatal("nothing came of it")
				}
				eng.commit(tx)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
		})
	}
}

// fixedCodec encodes everything alike: the codec is not what is measured.
type fixedCodec struct{ bytes []byte }

func (c fixedCodec) AppendEncode([]byte, string, any) ([]byte, error) { return c.bytes, nil }
func (fixedCodec) Decode([]byte, string, any) error                   { return nil }
func (fixedCodec) Class(error) string                                 { return "" }

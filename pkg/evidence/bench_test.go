package evidence_test

import (
	"testing"

	"joinery.internal/pkg/clickhouse/engine/enginetest"
	"joinery.internal/pkg/evidence"
)

func BenchmarkInsertOf10000Rows(b *testing.B) {
	conn := enginetest.Connect(b, enginetest.Open(b, b.TempDir()))
	if err := evidence.Apply(b.Context(), conn); err != nil {
		b.Fatal(err)
	}
	store := evidence.NewStore(conn)
	a := &archive{}
	rows := make([]evidence.Row, 10_000)
	for b.Loop() {
		for i := range rows {
			rows[i] = a.row("provision.applied", "03-02 09:00:00", person("p-0123456789abcdef"), payload(`{"changes":3,"event_to_access_ms":1500}`))
		}
		if err := store.Insert(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "rows/s")
}

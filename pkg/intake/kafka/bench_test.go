package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/intaketest"
	"joinery.internal/pkg/intake/kafka"
	"joinery.internal/pkg/wire"
)

// BenchmarkAMappedTopic is the whole way of the JSON records of a topic through the map into jml.source.record.v1, in
// transactions, with the broker in the same process. The time to fill the topic does not count.
func BenchmarkAMappedTopic(b *testing.B) {
	const n = 20_000
	w := intaketest.New(b)
	topic(b, w, "acme.workers")
	m, err := intake.NewMapper(intaketest.Bundle(b, sources), "plain")
	if err != nil {
		b.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	s := intake.Source{Mapper: m, Stream: w.Options, Meter: intake.NewMeter(reg, "plain", 0), Log: slog.New(slog.DiscardHandler)}
	var out []*kgo.Record
	for i := range n {
		out = append(out, &kgo.Record{Topic: "acme.workers", Key: fmt.Append(nil, i%5000),
			Value: fmt.Appendf(nil, `{"id": %d, "name": "Ann", "since": 20600, "dept": "Finance", "mail": "ann.%d@acme.example", "site": "Brno"}`, i%5000, i)})
	}
	total := 0
	for b.Loop() {
		b.StopTimer()
		if err := w.Client.ProduceSync(b.Context(), out...).FirstErr(); err != nil {
			b.Fatal(err)
		}
		total += n
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		b.StartTimer()
		go func() {
			done <- s.Keep(ctx, func(ctx context.Context) error {
				return kafka.Run(ctx, s, config.KafkaIntake{Topic: "acme.workers", Format: "json"}, wire.New(schemas))
			})
		}()
		tick := time.NewTicker(time.Millisecond)
		for taken(b, reg) < total {
			<-tick.C
		}
		tick.Stop()
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "records/s")
}

// taken is how many records Kafka has.
func taken(b *testing.B, reg *prometheus.Registry) int {
	families, err := reg.Gather()
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "joinery_source_records_total" {
			return int(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return 0
}

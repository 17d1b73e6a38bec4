package intake

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"joinery.internal/pkg/telemetry"
)

// Meter counts what one source brings. Its only label is the source's name, of which there are as many as files.
type Meter struct {
	records, rejects            prometheus.Counter
	last, up, expected, waiting prometheus.Gauge
}

// NewMeter registers the metrics of a source; expected is how long it may be silent, zero: for ever. A source that has
// not been heard yet counts as heard now.
func NewMeter(reg prometheus.Registerer, source string, expected time.Duration) *Meter {
	set := telemetry.Of(reg, "source", prometheus.Labels{"source": source})
	m := &Meter{
		records:  set.Counter("records_total", "Records of the source that Kafka has."),
		rejects:  set.Counter("rejects_total", "Records of the source that are none: dead letters."),
		last:     set.Gauge("last_heard_timestamp_seconds", "When the source was heard last, or this process began to listen."),
		up:       set.Gauge("up", "1 while the source's adapter runs."),
		expected: set.Gauge("expected_seconds", "How long the source may be silent (expectEvery); 0: for ever."),
		waiting:  set.Gauge("held_files", "Files that wait for a person: they are smaller than the shrink guard allows."),
	}
	m.expected.Set(expected.Seconds())
	m.Heard(time.Now())
	return m
}

// Heard notes a sign of life of the source, with or without a record.
func (m *Meter) Heard(at time.Time) { m.last.Set(float64(at.UnixMilli()) / 1000) }

// Put notes what Kafka has taken.
func (m *Meter) Put(records, rejects int) {
	m.records.Add(float64(records))
	m.rejects.Add(float64(rejects))
}

// Held notes how many files wait for a person.
func (m *Meter) Held(files int) { m.waiting.Set(float64(files)) }

func (m *Meter) running(yes bool) {
	m.up.Set(map[bool]float64{true: 1}[yes])
}

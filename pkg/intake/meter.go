package intake

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Meter counts what one source brings. Its only label is the source's name, of which there are as many as files.
type Meter struct {
	records, rejects            prometheus.Counter
	last, up, expected, waiting prometheus.Gauge
}

// NewMeter registers the metrics of a source; expected is how long it may be silent, zero: for ever. A source that has
// not been heard yet counts as heard now.
func NewMeter(reg prometheus.Registerer, source string, expected time.Duration) *Meter {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"source": source}, reg)
	gauge := func(name, help string) prometheus.Gauge {
		return register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "joinery", Subsystem: "source", Name: name, Help: help}))
	}
	counter := func(name, help string) prometheus.Counter {
		return register(reg, prometheus.NewCounter(prometheus.CounterOpts{Namespace: "joinery", Subsystem: "source", Name: name, Help: help}))
	}
	m := &Meter{
		records:  counter("records_total", "Records of the source that Kafka has."),
		rejects:  counter("rejects_total", "Records of the source that are none: dead letters."),
		last:     gauge("last_heard_timestamp_seconds", "When the source was heard last, or this process began to listen."),
		up:       gauge("up", "1 while the source's adapter runs."),
		expected: gauge("expected_seconds", "How long the source may be silent (expectEvery); 0: for ever."),
		waiting:  gauge("held_files", "Files that wait for a person: they are smaller than the shrink guard allows."),
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

// register adds a collector, or gives the one that an adapter of the same source had before.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	err := reg.Register(c)
	var there prometheus.AlreadyRegisteredError
	switch {
	case errors.As(err, &there):
		return there.ExistingCollector.(C)
	case err != nil:
		panic("intake: metrics of its own do not fit together: " + err.Error())
	}
	return c
}

package stream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one topology. Labels are bounded: the topology's name only.
type metrics struct {
	records, emitted, poison, transactions, aborts, retries, restarts prometheus.Counter
	transaction                                                       prometheus.Histogram
	partitions, restoreSeconds                                        prometheus.Gauge
}

func newMetrics(topology string, reg prometheus.Registerer) *metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"topology": topology}, reg)
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "joinery", Subsystem: "stream", Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "joinery", Subsystem: "stream", Name: name, Help: help})
		reg.MustRegister(g)
		return g
	}
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "joinery", Subsystem: "stream", Name: "transaction_seconds",
		Help: "From poll to commit.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)})
	reg.MustRegister(h)
	return &metrics{
		records:        counter("records_total", "Input records handled in committed transactions."),
		emitted:        counter("emitted_records_total", "Records emitted in committed transactions, state not counted."),
		poison:         counter("dead_letters_total", "Records sent to the dead letters."),
		transactions:   counter("transactions_total", "Committed transactions."),
		aborts:         counter("aborts_total", "Transactions refused by the broker and done again."),
		retries:        counter("retries_total", "Transactions a handler asked to try again."),
		restarts:       counter("session_restarts_total", "Sessions that ended by an error."),
		transaction:    h,
		partitions:     gauge("partitions", "Partitions assigned."),
		restoreSeconds: gauge("restore_seconds", "How long the last restore took."),
	}
}

func (m *metrics) committed(tx *staged, took time.Duration) {
	m.records.Add(float64(tx.consumed))
	m.emitted.Add(float64(len(tx.records)))
	m.poison.Add(float64(tx.poison))
	m.transactions.Inc()
	m.transaction.Observe(took.Seconds())
}

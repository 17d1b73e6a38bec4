package stream

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one topology. Labels are bounded: the topology's name only.
type metrics struct {
	records, emitted, poison, transactions, aborts, retries, restarts, rests prometheus.Counter
	transaction                                                              prometheus.Histogram
	partitions, restoreSeconds, restoreRecords                               prometheus.Gauge
}

func newMetrics(topology string, reg prometheus.Registerer) *metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"topology": topology}, reg)
	counter := func(name, help string) prometheus.Counter {
		return register(reg, prometheus.NewCounter(prometheus.CounterOpts{Namespace: "joinery", Subsystem: "stream", Name: name, Help: help}))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "joinery", Subsystem: "stream", Name: name, Help: help}))
	}
	h := register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "joinery", Subsystem: "stream", Name: "transaction_seconds",
		Help: "From poll to commit.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}))
	return &metrics{
		records:        counter("records_total", "Input records handled in committed transactions."),
		emitted:        counter("emitted_records_total", "Records emitted in committed transactions, state not counted."),
		poison:         counter("dead_letters_total", "Records sent to the dead letters."),
		transactions:   counter("transactions_total", "Committed transactions."),
		aborts:         counter("aborts_total", "Transactions refused by the broker and done again."),
		retries:        counter("retries_total", "Transactions a handler asked to try again."),
		restarts:       counter("session_restarts_total", "Sessions that ended by an error."),
		rests:          counter("rests_total", "Polls put off because this broker makes a transaction that follows at once wait."),
		transaction:    h,
		partitions:     gauge("partitions", "Partitions assigned."),
		restoreSeconds: gauge("restore_seconds", "How long the last restore took."),
		restoreRecords: gauge("restore_records", "Records of the changelog that the last restore read: few with a state cache."),
	}
}

// register adds a collector, or gives the one of an earlier Run of the same topology.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	err := reg.Register(c)
	var there prometheus.AlreadyRegisteredError
	switch {
	case errors.As(err, &there):
		return there.ExistingCollector.(C)
	case err != nil:
		panic("stream: metrics of its own do not fit together: " + err.Error())
	}
	return c
}

func (m *metrics) restored(took time.Duration, records int) {
	m.restoreSeconds.Set(took.Seconds())
	m.restoreRecords.Set(float64(records))
}

func (m *metrics) committed(tx *staged, took time.Duration) {
	m.records.Add(float64(tx.consumed))
	m.emitted.Add(float64(len(tx.records)))
	m.poison.Add(float64(tx.poison))
	m.transactions.Inc()
	m.transaction.Observe(took.Seconds())
}

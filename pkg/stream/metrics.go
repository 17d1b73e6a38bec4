package stream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"joinery.internal/pkg/telemetry"
)

// metrics of one topology. Labels are bounded: the topology's name only.
type metrics struct {
	records, emitted, poison, transactions, aborts, retries, restarts, rests prometheus.Counter
	transaction                                                              prometheus.Histogram
	partitions, restoreSeconds, restoreRecords                               prometheus.Gauge
}

func newMetrics(topology string, reg prometheus.Registerer) *metrics {
	m := telemetry.Of(reg, "stream", prometheus.Labels{"topology": topology})
	return &metrics{
		records:        m.Counter("records_total", "Input records handled in committed transactions."),
		emitted:        m.Counter("emitted_records_total", "Records emitted in committed transactions, state not counted."),
		poison:         m.Counter("dead_letters_total", "Records sent to the dead letters."),
		transactions:   m.Counter("transactions_total", "Committed transactions."),
		aborts:         m.Counter("aborts_total", "Transactions refused by the broker and done again."),
		retries:        m.Counter("retries_total", "Transactions a handler asked to try again."),
		restarts:       m.Counter("session_restarts_total", "Sessions that ended by an error."),
		rests:          m.Counter("rests_total", "Polls put off because this broker makes a transaction that follows at once wait."),
		transaction:    m.Histogram("transaction_seconds", "From poll to commit.", prometheus.ExponentialBuckets(0.001, 2, 14)),
		partitions:     m.Gauge("partitions", "Partitions assigned."),
		restoreSeconds: m.Gauge("restore_seconds", "How long the last restore took."),
		restoreRecords: m.Gauge("restore_records", "Records of the changelog that the last restore read: few with a state cache."),
	}
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

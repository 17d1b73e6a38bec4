package desk

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"joinery.internal/services/provisioner/internal/account"
)

// metrics of the desk; the labels are target names and error classes, both bounded by the configuration.
type metrics struct {
	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	waiting *prometheus.Desc
	running *prometheus.Desc
	down    *prometheus.Desc
}

func newMetrics() metrics {
	byTarget := []string{"target"}
	return metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "joinery_provisioner_calls_total",
			Help: "Calls to a target, by how they ended: done, refused (not sent), held (by a guard), or the class of the failure."}, []string{"target", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "joinery_provisioner_call_seconds",
			Help: "Duration of calls that were sent.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)}, byTarget),
		waiting: prometheus.NewDesc("joinery_provisioner_waiting_calls", "Calls waiting in a target's line.", byTarget, nil),
		running: prometheus.NewDesc("joinery_provisioner_running_calls", "Calls running at a target.", byTarget, nil),
		down:    prometheus.NewDesc("joinery_provisioner_target_down", "1 while a target's breaker is open.", byTarget, nil),
	}
}

func (m metrics) called(target string, r account.Result) {
	if r.Refused {
		m.calls.WithLabelValues(target, "refused").Inc()
		return
	}
	if r.Held != nil {
		m.calls.WithLabelValues(target, "held").Inc()
		return
	}
	m.calls.WithLabelValues(target, cmp.Or(string(r.Class), "done")).Inc()
	m.seconds.WithLabelValues(target).Observe(r.Latency.Seconds())
}

// Describe makes the desk a prometheus.Collector.
func (d *Desk) Describe(ch chan<- *prometheus.Desc) {
	d.metrics.calls.Describe(ch)
	d.metrics.seconds.Describe(ch)
	ch <- d.metrics.waiting
	ch <- d.metrics.running
	ch <- d.metrics.down
}

// Collect gives the present values.
func (d *Desk) Collect(ch chan<- prometheus.Metric) {
	d.metrics.calls.Collect(ch)
	d.metrics.seconds.Collect(ch)
	for name, t := range d.targets {
		waiting, running := t.line.length()
		down := 0.0
		if t.breaker.isOpen() {
			down = 1
		}
		ch <- prometheus.MustNewConstMetric(d.metrics.waiting, prometheus.GaugeValue, float64(waiting), name)
		ch <- prometheus.MustNewConstMetric(d.metrics.running, prometheus.GaugeValue, float64(running), name)
		ch <- prometheus.MustNewConstMetric(d.metrics.down, prometheus.GaugeValue, down, name)
	}
}

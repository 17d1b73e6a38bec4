// Package telemetry makes counters and gauges that outlive who counts: a part that is started again in its process goes on
// with the metrics of its last life.
//
// It owns their registration. Names, helps and labels are the caller's; names end in their unit. Safe for concurrent use.
//
//	m := telemetry.Of(registry, "stream", prometheus.Labels{"topology": "approval"})
//	m.Counter("records_total", "Input records handled in committed transactions.").Inc()
package telemetry

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Set is the metrics of one part: joinery_<part>_<name>.
type Set struct {
	reg  prometheus.Registerer
	part string
}

// Of gives the metrics of a part, all with these labels; of no registry they count for nobody.
func Of(reg prometheus.Registerer, part string, labels prometheus.Labels) Set {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	return Set{prometheus.WrapRegistererWith(labels, reg), part}
}

// Counter gives the counter of that name.
func (s Set) Counter(name, help string) prometheus.Counter {
	return register(s.reg, prometheus.NewCounter(prometheus.CounterOpts(s.opts(name, help))))
}

// Gauge gives the gauge of that name.
func (s Set) Gauge(name, help string) prometheus.Gauge {
	return register(s.reg, prometheus.NewGauge(prometheus.GaugeOpts(s.opts(name, help))))
}

// Histogram gives the histogram of that name.
func (s Set) Histogram(name, help string, buckets []float64) prometheus.Histogram {
	o := s.opts(name, help)
	return register(s.reg, prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: o.Namespace, Subsystem: o.Subsystem, Name: name, Help: help, Buckets: buckets}))
}

func (s Set) opts(name, help string) prometheus.Opts {
	return prometheus.Opts{Namespace: "joinery", Subsystem: s.part, Name: name, Help: help}
}

// register adds a collector, or gives the one that is there.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	err := reg.Register(c)
	if there, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return there.ExistingCollector.(C)
	}
	if err != nil {
		panic("telemetry: our own do not fit together: " + err.Error())
	}
	return c
}

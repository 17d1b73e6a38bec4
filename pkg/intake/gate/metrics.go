package gate

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// Counter counts what is pushed and tells the log what is wrong with it.
type Counter struct {
	pushes *prometheus.CounterVec
	log    *slog.Logger
}

// NewCounter registers the metrics; reg and log may be nil.
func NewCounter(reg prometheus.Registerer, log *slog.Logger) *Counter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Counter{log: log, pushes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "joinery_intake_pushes_total",
		Help: "Requests to /in/ by source and outcome: taken, observed (nothing to do), or why it was refused."}, []string{"source", "outcome"})}
	if reg != nil {
		reg.MustRegister(c.pushes)
	}
	return c
}

// Taken counts a request whose records Kafka has.
func (c *Counter) Taken(source string) { c.pushes.WithLabelValues(source, "taken").Inc() }

// Observed counts a request from which nothing follows. What is a word of a closed set.
func (c *Counter) Observed(source, what string) {
	c.pushes.WithLabelValues(source, "observed").Inc()
	c.log.Info("observed a signal", "source", source, "event", what)
}

// Refused counts a refusal.
func (c *Counter) Refused(source string, err error) *Refusal {
	r := RefusalOf(err)
	c.pushes.WithLabelValues(source, r.Reason).Inc()
	if r.Status >= 500 {
		c.log.Warn("cannot take what was pushed", "source", source, "reason", r.Reason, "err", r)
	}
	return r
}

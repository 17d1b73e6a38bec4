package gate

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"joinery.internal/pkg/intake"
)

// Counter counts what is pushed and tells the log what is wrong with it.
type Counter struct {
	pushes *prometheus.CounterVec
	log    *slog.Logger
	heard  map[string]*intake.Meter // by source
}

// NewCounter registers the metrics; reg and log may be nil.
func NewCounter(reg prometheus.Registerer, log *slog.Logger) *Counter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Counter{log: log, heard: map[string]*intake.Meter{}, pushes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "joinery_intake_pushes_total",
		Help: "Requests to /in/ by source and outcome: taken, observed (nothing to do), or why it was refused."}, []string{"source", "outcome"})}
	if reg != nil {
		reg.MustRegister(c.pushes)
	}
	return c
}

// Meter has the signs of life of a source noted. Not safe beside the other methods: all sources come first.
func (c *Counter) Meter(source string, m *intake.Meter) { c.heard[source] = m }

// Heard notes that a sender has shown who it is, whatever it wanted.
func (c *Counter) Heard(source string) {
	if m, ok := c.heard[source]; ok {
		m.Heard(time.Now())
	}
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

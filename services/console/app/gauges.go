package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/inbox"
)

const (
	gaugesFresh    = 10 * time.Second // figures are read again after that
	gaugesPatience = 8 * time.Second  // below the usual time-out of a scrape
)

// gauges is what somebody has to be woken for, read from the evidence, the inbox and the broker when it is asked for. What
// cannot be read is left out, and counts as a failure: an old figure would be a lie. Ages are by the pipeline's clock.
type gauges struct {
	desk *desk.Desk
	log  *slog.Logger

	mu       sync.Mutex
	readAt   time.Time
	last     figures
	hash     string          // of the policy that guarded is of
	guarded  map[string]bool // entitlements that privileged roles give, `target:kind/name`
	failures prometheus.Counter
}

// figures is one reading.
type figures struct {
	urgent     *desk.Urgent
	privileged int // of what drifts
	lag        []desk.Lag
}

func newGauges(d *desk.Desk, log *slog.Logger) *gauges {
	return &gauges{desk: d, log: log,
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "joinery_console_gauge_failures_total", Help: "Readings of the evidence or the broker, for these figures, that failed."})}
}

var (
	leaversDesc    = prometheus.NewDesc("joinery_leavers_with_access", "People who have left, or were shut out, and still have access.", nil, nil)
	leaverOldest   = prometheus.NewDesc("joinery_leaver_access_open_seconds", "For how long the first of them has had it; 0: there is none.", nil, nil)
	exceptionsOpen = prometheus.NewDesc("joinery_exceptions_open", "Exceptions that nobody has resolved.", []string{"class"}, nil)
	exceptionAge   = prometheus.NewDesc("joinery_exception_oldest_seconds", "For how long the oldest of them has been open.", []string{"class"}, nil)
	approvalsOpen  = prometheus.NewDesc("joinery_approvals_open", "Approvals that wait for somebody.", nil, nil)
	approvalAge    = prometheus.NewDesc("joinery_approval_oldest_seconds", "For how long the oldest of them has waited; 0: there is none.", nil, nil)
	ticketsOpen    = prometheus.NewDesc("joinery_tickets_open", "Tickets of the console's queue that nobody has closed.", nil, nil)
	ticketAge      = prometheus.NewDesc("joinery_ticket_oldest_seconds", "For how long the oldest of them has been open; 0: there is none.", nil, nil)
	driftOpen      = prometheus.NewDesc("joinery_privileged_drift_open", "Privileged entitlements that somebody has in a target and nobody granted.", nil, nil)
	groupAge       = prometheus.NewDesc("joinery_group_lag_seconds", "For how long the first of them has waited, in real time; 0: there is none.", []string{"group"}, nil)
	groupLag       = prometheus.NewDesc("joinery_group_lag_records", "Records that a consumer group has still to read.", []string{"group"}, nil)
)

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{leaversDesc, leaverOldest, exceptionsOpen, exceptionAge, approvalsOpen, approvalAge, ticketsOpen, ticketAge, driftOpen, groupLag, groupAge} {
		ch <- d
	}
	g.failures.Describe(ch)
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := g.desk.Clock.Now()
	since := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return max(0, now.Sub(t).Seconds())
	}
	f := g.read()
	if u := f.urgent; u != nil {
		set(leaversDesc, float64(u.Leavers))
		set(leaverOldest, since(u.LeaverSince))
		for _, e := range u.Exceptions {
			set(exceptionsOpen, float64(e.Open), e.Class)
			set(exceptionAge, since(e.Oldest), e.Class)
		}
		set(driftOpen, float64(f.privileged))
	}
	for _, l := range f.lag {
		set(groupLag, float64(l.Records), l.ID)
		behind := 0.0
		if !l.Since.IsZero() {
			behind = max(0, time.Since(l.Since).Seconds())
		}
		set(groupAge, behind, l.ID)
	}
	approvals := g.desk.Inbox.List(func(a inbox.Approval) bool { return a.Status == inbox.Open })
	set(approvalsOpen, float64(len(approvals)))
	set(approvalAge, since(oldest(approvals, func(a inbox.Approval) time.Time { return a.RequestedAt })))
	tickets := g.desk.Queue.List(func(event.Ticket) bool { return true })
	set(ticketsOpen, float64(len(tickets)))
	set(ticketAge, since(oldest(tickets, func(t event.Ticket) time.Time { return t.OpenedAt })))
	g.failures.Collect(ch)
}

// oldest is the earliest of their times; zero: there are none.
func oldest[T any](all []T, at func(T) time.Time) (first time.Time) {
	for _, one := range all {
		if t := at(one); first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}

// read gives figures that are fresh.
func (g *gauges) read() figures {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.readAt) < gaugesFresh {
		return g.last
	}
	ctx, cancel := context.WithTimeout(context.Background(), gaugesPatience)
	defer cancel()
	g.last, g.readAt = figures{}, time.Now()
	var group errgroup.Group
	group.Go(func() error {
		u, err := g.desk.Archive.Urgent(ctx)
		if err != nil {
			return err
		}
		g.last.urgent = &u
		g.last.privileged, err = g.privileged(u.Drift)
		return err
	})
	group.Go(func() (err error) {
		g.last.lag, err = g.desk.Journal.Lag(ctx)
		return err
	})
	if err := group.Wait(); err != nil {
		g.failures.Inc()
		g.log.Warn("cannot read all figures", "err", err)
	}
	return g.last
}

// privileged counts the entitlements that a privileged role of the policy in force gives.
func (g *gauges) privileged(drift []desk.OpenDrift) (n int, _ error) {
	if len(drift) == 0 {
		return 0, nil
	}
	now, ok, err := g.desk.Policies.Current()
	if err != nil || !ok {
		return 0, err
	}
	if now.Hash != g.hash {
		b, err := policy.Compile(now.Config)
		if err != nil {
			return 0, fmt.Errorf("compile the policy in force: %w", err)
		}
		g.hash, g.guarded = now.Hash, map[string]bool{}
		for _, name := range b.Roles() {
			if role, _ := b.Role(name); role.Privileged {
				for _, grant := range b.Grants(name) {
					g.guarded[grant.String()] = grant.Kind != config.KindAccount
				}
			}
		}
	}
	for _, d := range drift {
		for _, item := range d.Items {
			if g.guarded[d.Target+":"+item] {
				n++
			}
		}
	}
	return n, nil
}

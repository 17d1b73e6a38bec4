package app

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

func TestWhatSomebodyHasToBeWokenForIsAMetric(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	w.Archive.Woken = desk.Urgent{Leavers: 2, LeaverSince: desktest.Start.Add(-time.Hour),
		Exceptions: []desk.OpenExceptions{{Class: "dead_letter", Open: 3, Oldest: desktest.Start.Add(-time.Minute)}, {Class: "held"}},
		Drift:      []desk.OpenDrift{{Target: "chat", Items: []string{"group/payments", "group/news"}}, {Target: "erp", Items: []string{"group/payments"}}}}
	w.Approval("act-1", "id-boss")
	w.Queue.Put("id-ana|keys", &event.Ticket{ID: "t-1", OpenedAt: desktest.Start})
	w.Queue.Put("id-cyn|keys", &event.Ticket{ID: "t-2", OpenedAt: desktest.Start.Add(-time.Minute)})
	if _, err := w.Clock.Advance(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	g := newGauges(w.Desk, slog.New(slog.DiscardHandler))
	want := `
# TYPE joinery_approval_oldest_seconds gauge
# HELP joinery_approval_oldest_seconds For how long the oldest of them has waited; 0: there is none.
joinery_approval_oldest_seconds 30
# TYPE joinery_exception_oldest_seconds gauge
# HELP joinery_exception_oldest_seconds For how long the oldest of them has been open.
joinery_exception_oldest_seconds{class="dead_letter"} 90
joinery_exception_oldest_seconds{class="held"} 0
# TYPE joinery_exceptions_open gauge
# HELP joinery_exceptions_open Exceptions that nobody has resolved.
joinery_exceptions_open{class="dead_letter"} 3
joinery_exceptions_open{class="held"} 0
# TYPE joinery_leaver_access_open_seconds gauge
# HELP joinery_leaver_access_open_seconds For how long the first of them has had it; 0: there is none.
joinery_leaver_access_open_seconds 3630
# TYPE joinery_leavers_with_access gauge
# HELP joinery_leavers_with_access People who have left, or were shut out, and still have access.
joinery_leavers_with_access 2
# HELP joinery_privileged_drift_open Privileged entitlements that somebody has in a target and nobody granted.
# TYPE joinery_privileged_drift_open gauge
joinery_privileged_drift_open 1
# HELP joinery_ticket_oldest_seconds For how long the oldest of them has been open; 0: there is none.
# TYPE joinery_ticket_oldest_seconds gauge
joinery_ticket_oldest_seconds 90
# HELP joinery_tickets_open Tickets of the console's queue that nobody has closed.
# TYPE joinery_tickets_open gauge
joinery_tickets_open 2
`
	if err := testutil.CollectAndCompare(g, strings.NewReader(want), "joinery_approval_oldest_seconds", "joinery_exception_oldest_seconds", "joinery_exceptions_open",
		"joinery_leaver_access_open_seconds", "joinery_leavers_with_access", "joinery_privileged_drift_open", "joinery_tickets_open", "joinery_ticket_oldest_seconds"); err != nil {
		t.Error(err)
	}
	w.Archive.Down = true
	g.readAt = time.Time{}
	if n := testutil.CollectAndCount(g, "joinery_leavers_with_access"); n != 0 {
		t.Error("an old figure is shown as if it were of now")
	}
	if n := testutil.ToFloat64(g.failures); n != 1 {
		t.Errorf("%v failures counted, want 1", n)
	}
}

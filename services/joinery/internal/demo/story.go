package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/demoapp"
	"joinery.internal/services/example"
	"joinery.internal/services/joinery/internal/dev"
)

// patience is how long an end state may take to show in a target.
const patience = 45 * time.Second

// story plays steps and remembers what was not as it should be.
type story struct {
	client
	ready   dev.Ready
	out     func(format string, args ...any)
	company *example.Company
	wrong   []string
	checks  int
	ids     int
	seqs    map[string]int64

	felixMoved time.Time // at that time of the pipeline, or a moment before
}

func newStory(r dev.Ready, o Options) *story {
	if o.Seed == 0 {
		o.Seed = 7
	}
	return &story{client: client{console: r.Console, targets: r.Targets, http: &http.Client{Timeout: time.Minute}}, ready: r,
		out: func(format string, args ...any) { fmt.Fprintf(o.Out, format+"\n", args...) }, company: example.New(o.Seed), seqs: map[string]int64{}}
}

func (s *story) say(format string, args ...any) { s.out(format, args...) }

// step is a scene of the story. An error of do ends the story; what it expects and does not find does not.
type step struct {
	title string
	do    func(context.Context) error
}

func (s *story) play(ctx context.Context) error {
	for i, step := range s.steps() {
		began := time.Now()
		before := len(s.wrong)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
		mark := "ok"
		if len(s.wrong) > before {
			mark = "WRONG"
		}
		s.say("%2d. %-92s %-5s %5.1f s", i+1, step.title, mark, time.Since(began).Seconds())
		for _, w := range s.wrong[before:] {
			s.say("      %s", w)
		}
	}
	if err := s.kpis(ctx); err != nil {
		return err
	}
	s.say("\n%d end states read back from the targets, %d wrong.", s.checks, len(s.wrong))
	if len(s.wrong) > 0 {
		return ErrUnexpected
	}
	return nil
}

// account is what is expected of one account. A nil field is not compared.
type account struct {
	target  string
	person  event.IdentityID
	absent  bool
	enabled bool
	has     []string          // entitlements that must be there
	lacks   []string          // entitlements that must not
	attrs   map[string]string // attributes that must be so
}

// expect waits until the targets show all of it, or patience ends and what differs is noted.
func (s *story) expect(ctx context.Context, want ...account) error {
	s.checks += len(want)
	deadline := time.Now().Add(patience)
	for {
		wrong, err := s.compare(ctx, want)
		if err != nil {
			return err
		}
		if len(wrong) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			s.wrong = append(s.wrong, wrong[:min(len(wrong), 10)]...)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *story) compare(ctx context.Context, want []account) (wrong []string, err error) {
	held := map[string]map[event.IdentityID]demoapp.Account{}
	for _, w := range want {
		if held[w.target] == nil {
			snap, err := s.look(ctx, w.target)
			if err != nil {
				return nil, err
			}
			held[w.target] = map[event.IdentityID]demoapp.Account{}
			for _, a := range snap.Accounts {
				held[w.target][event.IdentityID(a.ExternalID)] = a
			}
		}
		have, ok := held[w.target][w.person]
		if fault := w.differs(have, ok); fault != "" {
			wrong = append(wrong, fmt.Sprintf("%s in %s: %s", w.person, w.target, fault))
		}
	}
	return wrong, nil
}

func (w account) differs(have demoapp.Account, there bool) string {
	switch {
	case w.absent && there:
		return "there, and should not be"
	case w.absent:
		return ""
	case !there:
		return "no account"
	case have.Enabled != w.enabled:
		return fmt.Sprintf("enabled is %v", have.Enabled)
	}
	for _, e := range w.has {
		if !slices.Contains(have.Entitlements, e) {
			return "lacks " + e
		}
	}
	for _, e := range w.lacks {
		if slices.Contains(have.Entitlements, e) {
			return "still has " + e
		}
	}
	for k, v := range w.attrs {
		if have.Attributes[k] != v {
			return fmt.Sprintf("%s is %q, not %q", k, have.Attributes[k], v)
		}
	}
	return ""
}

// identity is the id a worker gets from the HR system's strong key.
func identity(number string) event.IdentityID {
	return event.IdentityID(event.DeriveID("p", 0, "employee_number", number))
}

// until waits for something to be so; if it is not so in the end, that is what is wrong.
func (s *story) until(ctx context.Context, what string, so func() (bool, error)) error {
	s.checks++
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if ok, err := so(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	s.wrong = append(s.wrong, "it is not so that "+what)
	return nil
}

// everyCaseIsClosed waits for the evidence to catch up.
func (s *story) everyCaseIsClosed(ctx context.Context) error {
	return s.until(ctx, "every case is closed", func() (bool, error) {
		var open struct{ Items []struct{ N string } }
		err := s.api(ctx, "POST", "/sql", "", map[string]string{"query": "select toString(countIf(closed_at is null)) as n from joinery.cases"}, &open)
		return len(open.Items) == 1 && open.Items[0].N == "0", err
	})
}

// kpis prints the figures.
func (s *story) kpis(ctx context.Context) error {
	type row struct {
		Trigger   string `json:"trigger"`
		Closed    string `json:"closed"`
		Succeeded string `json:"succeeded"`
		P50       string `json:"p50"`
		P95       string `json:"p95"`
		Changes   string `json:"changes"`
	}
	var table struct{ Items []row }
	query := `select trigger, toString(countIf(closed_at is not null)) as closed, toString(countIf(outcome = 'succeeded')) as succeeded,
		ifNull(toString(round(quantile(0.5)(event_to_access_ms))), '-') as p50, ifNull(toString(round(quantile(0.95)(event_to_access_ms))), '-') as p95, toString(sum(changes)) as changes
		from joinery.cases group by trigger order by count() desc, trigger`
	if err := s.api(ctx, "POST", "/sql", "", map[string]string{"query": query}, &table); err != nil {
		return err
	}
	s.say("\n%-32s %8s %10s %8s %14s %14s", "workflow", "closed", "succeeded", "changes", "to access p50", "p95 ms")
	for _, r := range table.Items {
		s.say("%-32s %8s %10s %8s %14s %14s", r.Trigger, r.Closed, r.Succeeded, r.Changes, r.P50, r.P95)
	}
	var kpi struct {
		Overall struct {
			Closed    int64    `json:"cases_closed"`
			Success   *float64 `json:"success_rate"`
			FirstTime *float64 `json:"first_time_success_rate"`
			P50       *float64 `json:"event_to_access_p50_ms"`
			P95       *float64 `json:"event_to_access_p95_ms"`
			Revoke    *float64 `json:"time_to_revoke_p95_ms"`
			Volume    int64    `json:"exceptions"`
			MTTR      *float64 `json:"mttr_ms"`
		} `json:"overall"`
	}
	if err := s.api(ctx, "GET", "/kpi?since=365d", "", nil, &kpi); err != nil {
		return err
	}
	s.say("\nKPI                                     value")
	s.say("%s", strings.Repeat("-", 52))
	s.say("%-38s %6d", "cases closed", kpi.Overall.Closed)
	s.say("%-38s %s", "workflow success rate", figure(kpi.Overall.Success, 100, " %"))
	s.say("%-38s %s", "  without any exception", figure(kpi.Overall.FirstTime, 100, " %"))
	s.say("%-38s %s", "event to access change, p50", figure(kpi.Overall.P50, 1, " ms"))
	s.say("%-38s %s", "event to access change, p95", figure(kpi.Overall.P95, 1, " ms"))
	s.say("%-38s %s", "time to revoke, p95", figure(kpi.Overall.Revoke, 1, " ms"))
	s.say("%-38s %6d", "exceptions", kpi.Overall.Volume)
	s.say("%-38s %s", "mean time to remediate", figure(kpi.Overall.MTTR, 1, " ms"))
	return nil
}

func figure(v *float64, factor float64, unit string) string {
	if v == nil {
		return "     -"
	}
	return fmt.Sprintf("%6.0f%s", *v*factor, unit)
}

package archive_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"joinery.internal/pkg/clickhouse/engine"
	"joinery.internal/pkg/clickhouse/engine/enginetest"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/services/console/internal/archive"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/history"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// rows is one hire with a dead letter beside it, as the sink would have written them.
func rows() []evidence.Row {
	out := []evidence.Row{
		{Kind: "identity.hire", SrcTopic: string(event.IdentityEvents), Service: "ingest", Source: "hr",
			Payload: `{"person":{"id":"id-1","display_name":"Ana Berg","title":"Engineer","worker_type":"employee","status":"active","start":"2026-03-02T00:00:00Z","end":null}}`},
		{Kind: "access.granted", SrcTopic: string(event.AccessEvents), Role: "staff-base", Payload: `{}`},
		{Kind: "case.opened", SrcTopic: string(event.CaseEvents), Source: "hr", Payload: `{"trigger":"identity.hire"}`},
		{Kind: "provision.applied", SrcTopic: string(event.ProvisionEvents), Target: "chat", Account: "ana.berg", Payload: `{"state":"active"}`},
		{Kind: "case.completed", SrcTopic: string(event.CaseEvents), Outcome: "succeeded", Payload: `{"trigger":"identity.hire","event_to_access_ms":1200,"changes":1}`},
	}
	for i := range out {
		out[i].IdentityID, out[i].CaseID = "id-1", "case-1"
	}
	out = append(out, evidence.Row{Kind: "exception.opened", SrcTopic: string(event.DeadLetters), Service: "ingest", Reason: "decode", Message: "does not decode",
		Payload: `{"topic":"jml.source.record.v1","partition":2,"offset":7,"exception_id":"dl-1","class":"dead_letter","value":"AAE="}`})
	out = append(out, evidence.Row{Kind: "drift.reported", SrcTopic: string(event.DriftEvents), Service: "reconciler", Target: "chat", Payload: `{"drift":"swept","count":1}`})
	for i := range out {
		r := &out[i]
		r.EventID, r.SrcTopicID, r.SrcOffset = r.Kind+"-1", uuid.NewSHA1(uuid.Nil, []byte(r.SrcTopic)), uint64(i)
		r.OccurredAt, r.KnownAt, r.EffectiveAt = start, start, start
	}
	out[3].OccurredAt = start.Add(time.Second)
	out[4].OccurredAt = start.Add(time.Second)
	out[5].EffectiveAt = time.Time{}
	return out
}

func open(t *testing.T) (*archive.Archive, *engine.Engine) {
	t.Helper()
	eng := enginetest.Open(t, t.TempDir())
	if err := evidence.Apply(t.Context(), enginetest.Connect(t, eng)); err != nil {
		t.Fatal(err)
	}
	insert(t, eng, rows())
	a, err := archive.Open(t.Context(), eng.NativeURL(), eng.ReaderURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, eng
}

func insert(t *testing.T, eng *engine.Engine, rows []evidence.Row) {
	t.Helper()
	if err := evidence.NewStore(enginetest.Connect(t, eng)).Insert(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// One engine serves all: it takes longer to start than the questions take.
func TestEvidenceIsReadAsPeopleAskForIt(t *testing.T) {
	t.Parallel()
	a, eng := open(t)
	ctx := t.Context()

	t.Run("a timeline is oldest first, and rows of one instant come in the order of the pipeline", func(t *testing.T) {
		var kinds []string
		for _, m := range must(a.Timeline(ctx, desk.TimelineQuery{IdentityID: "id-1", Limit: 10}))(t) {
			kinds = append(kinds, m.Kind)
		}
		want := "identity.hire case.opened access.granted provision.applied case.completed"
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("a timeline can be cut to the newest rows, and to a kind or a family of kinds", func(t *testing.T) {
		if m := must(a.Timeline(ctx, desk.TimelineQuery{IdentityID: "id-1", Limit: 1}))(t); len(m) != 1 || m[0].Kind != "case.completed" {
			t.Errorf("the newest row is %v", m)
		}
		if m := must(a.Timeline(ctx, desk.TimelineQuery{IdentityID: "id-1", Kind: "case", Limit: 10}))(t); len(m) != 2 {
			t.Errorf("%d rows of cases, want 2", len(m))
		}
		if m := must(a.Timeline(ctx, desk.TimelineQuery{IdentityID: "id-1", At: start, Known: start.Add(-time.Second), Limit: 10}))(t); len(m) != 0 {
			t.Errorf("%d rows of what was not known yet", len(m))
		}
	})
	t.Run("a person is as their identity events have them, and nobody before the first", func(t *testing.T) {
		events := must(a.History(ctx, "id-1"))(t)
		p, there, err := history.AsOf(events, start, start)
		if err != nil || !there || p.Title != "Engineer" || !p.Start.Equal(start.Truncate(24*time.Hour)) || !p.End.IsZero() {
			t.Errorf("got %+v, %v, %v", p, there, err)
		}
		if _, there, err := history.AsOf(events, start.Add(-time.Second), start); err != nil || there {
			t.Errorf("before the first event: %v, %v", there, err)
		}
		if events := must(a.History(ctx, "id-none"))(t); len(events) != 0 {
			t.Errorf("of a person nobody heard of: %+v", events)
		}
	})
	t.Run("access is there from its beginning, and not before it was known", func(t *testing.T) {
		if got := must(a.Access(ctx, "id-1", time.Time{}, time.Time{}))(t); len(got) != 1 || got[0].Role != "staff-base" || !got[0].Since.Equal(start) || !got[0].Until.IsZero() {
			t.Errorf("now: %+v", got)
		}
		if got := must(a.Access(ctx, "id-1", start, start.Add(-time.Hour)))(t); len(got) != 0 {
			t.Errorf("an hour before it was known: %+v", got)
		}
	})
	t.Run("a case is folded, found by person, and paged", func(t *testing.T) {
		got := must(a.Cases(ctx, desk.CaseQuery{IdentityID: "id-1", Limit: 5}))(t)
		if len(got) != 1 || got[0].Outcome != "succeeded" || got[0].EventToAccessMS == nil || *got[0].EventToAccessMS != 1200 || got[0].Changes != 1 {
			t.Fatalf("got %+v", got)
		}
		if rest := must(a.Cases(ctx, desk.CaseQuery{Limit: 5, Before: got[0].OpenedAt, BeforeID: got[0].ID}))(t); len(rest) != 0 {
			t.Errorf("after the last page: %+v", rest)
		}
	})
	t.Run("a dead letter says where the record stands, and carries it when asked for alone", func(t *testing.T) {
		got := must(a.DeadLetters(ctx, desk.DeadLetterQuery{State: "open", Limit: 5}))(t)
		if len(got) != 1 || got[0].ID != "dl-1" || got[0].Partition != 2 || got[0].Offset != 7 || got[0].Payload != nil {
			t.Errorf("open: %+v", got)
		}
		if got := must(a.DeadLetters(ctx, desk.DeadLetterQuery{State: "resolved", Limit: 5}))(t); len(got) != 0 {
			t.Errorf("resolved: %+v", got)
		}
		if got := must(a.DeadLetters(ctx, desk.DeadLetterQuery{ID: "dl-1", Limit: 1, Whole: true}))(t); len(got) != 1 || !json.Valid(got[0].Payload) {
			t.Errorf("alone: %+v", got)
		}
		for q, want := range map[desk.DeadLetterQuery]int{{Class: "decode"}: 1, {Class: "key"}: 0, {Topic: "jml.source.record.v1"}: 1, {Topic: "jml.access.desired.v1"}: 0} {
			q.Limit = 5
			if got := must(a.DeadLetters(ctx, q))(t); len(got) != want {
				t.Errorf("%+v: %+v", q, got)
			}
		}
	})
	t.Run("an exception has its class, its words, and is open until it is resolved", func(t *testing.T) {
		got := must(a.Exceptions(ctx, desk.ExceptionQuery{State: "open", Limit: 5}))(t)
		if len(got) != 1 || got[0].ID != "dl-1" || got[0].Class != "dead_letter" || got[0].Message != "does not decode" || !got[0].OpenedAt.Equal(start) || !got[0].ResolvedAt.IsZero() {
			t.Errorf("open: %+v", got)
		}
		for _, q := range []desk.ExceptionQuery{{State: "resolved", Limit: 5}, {State: "all", Class: "held", Limit: 5}} {
			if got := must(a.Exceptions(ctx, q))(t); len(got) != 0 {
				t.Errorf("%+v: %+v", q, got)
			}
		}
	})
	t.Run("targets and counts sum up", func(t *testing.T) {
		if use := must(a.Targets(ctx, start))(t)["chat"]; use.Accounts != 1 || !use.LastApplied.Equal(start.Add(time.Second)) || !use.LastSwept.Equal(start) {
			t.Errorf("chat: %+v", use)
		}
		if c := must(a.Counts(ctx))(t); c.Rows != 7 || c.ExceptionsOpen != 1 || c.DeadLetters != 1 || c.CasesOpen != 0 || c.LastStoredAt.IsZero() || c.Heard["hr"].IsZero() {
			t.Errorf("counts: %+v", c)
		}
		if k := must(a.KPI(ctx, start.Add(-time.Hour)))(t); k.Overall.Closed != 1 || k.Overall.Succeeded != 1 {
			t.Errorf("figures: %+v", k.Overall)
		}
	})
	t.Run("a query answers with its columns in order", func(t *testing.T) {
		got := must(a.Query(ctx, "SELECT kind, count() AS n, max(occurred_at) AS last, 0/0 AS nothing FROM evidence WHERE kind LIKE 'case.%' GROUP BY kind ORDER BY kind"))(t)
		want := `{"kind":"case.completed","n":1,"last":"2026-03-02T08:00:01Z","nothing":null}`
		if len(got.Items) != 2 || string(got.Items[0]) != want {
			t.Errorf("got %s, want %s", got.Items, want)
		}
	})
	t.Run("a query cannot write, whichever user it runs as", func(t *testing.T) {
		plain, err := archive.Open(ctx, eng.NativeURL(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close() //nolint:errcheck // the engine goes with the test
		for name, a := range map[string]*archive.Archive{"reader": a, "owner": plain} {
			for _, sql := range []string{"TRUNCATE TABLE joinery.evidence_log", "INSERT INTO joinery.evidence_log (event_id) VALUES ('x')", "SELECT 1 SETTINGS readonly = 0"} {
				var f *desk.Fault
				if _, err := a.Query(ctx, sql); !errors.As(err, &f) || f.Kind != desk.Invalid {
					t.Errorf("%s as %s: %v; want a refusal", sql, name, err)
				}
			}
		}
	})
	t.Run("a misspelt query is the asker's to mend", func(t *testing.T) {
		var f *desk.Fault
		if _, err := a.Query(ctx, "SELEKT 1"); !errors.As(err, &f) || f.Kind != desk.Invalid {
			t.Errorf("got %v", err)
		}
	})
}

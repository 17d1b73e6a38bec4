package evidence_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"joinery.internal/pkg/clickhouse"
	"joinery.internal/pkg/clickhouse/engine"
	"joinery.internal/pkg/clickhouse/engine/enginetest"
	"joinery.internal/pkg/evidence"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// archive is a database prepared by Apply, with what tests write to it.
type archive struct {
	eng   *engine.Engine
	conn  clickhouse.Conn
	store *evidence.Store
	next  uint64
}

func openArchive(t *testing.T) *archive {
	t.Helper()
	eng := enginetest.Open(t, t.TempDir())
	conn := enginetest.Connect(t, eng)
	if err := evidence.Apply(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	return &archive{eng: eng, conn: conn, store: evidence.NewStore(conn)}
}

var topic = uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8")

// at reads "03-02 09:00:00" or "03-02 09:00:00.250" of 2026, UTC.
func at(s string) time.Time {
	v, err := time.Parse("2006-01-02 15:04:05", "2026-"+s)
	if err != nil {
		panic(err)
	}
	return v
}

// row is a transition that happened, was known and took effect at one time, at the next position.
func (a *archive) row(kind, when string, set ...func(*evidence.Row)) evidence.Row {
	r := evidence.Row{
		Kind: kind, OccurredAt: at(when), KnownAt: at(when), EffectiveAt: at(when), Payload: "{}",
		SrcTopic: "jml.test.event.v1", SrcTopicID: topic, SrcOffset: a.next, Seq: a.next,
	}
	a.next++
	for _, f := range set {
		f(&r)
	}
	return r
}

func (a *archive) insert(t *testing.T, rows ...evidence.Row) {
	t.Helper()
	if err := a.store.Insert(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

func caseID(id string) func(*evidence.Row)   { return func(r *evidence.Row) { r.CaseID = id } }
func person(id string) func(*evidence.Row)   { return func(r *evidence.Row) { r.IdentityID = id } }
func outcome(o string) func(*evidence.Row)   { return func(r *evidence.Row) { r.Outcome = o } }
func payload(p string) func(*evidence.Row)   { return func(r *evidence.Row) { r.Payload = p } }
func effective(s string) func(*evidence.Row) { return func(r *evidence.Row) { r.EffectiveAt = at(s) } }
func known(s string) func(*evidence.Row)     { return func(r *evidence.Row) { r.KnownAt = at(s) } }

func access(role, target, entitlement string) func(*evidence.Row) {
	return func(r *evidence.Row) { r.Role, r.Target, r.Entitlement = role, target, entitlement }
}

// want runs the query as the read-only user and compares its table, header included: columns apart by spaces, null as \N.
func (a *archive) want(t *testing.T, sql string, lines ...string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.eng.ReaderURL(), strings.NewReader(sql+" FORMAT TSVWithNames"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(string(body)), "\n")
	for i := range got {
		got[i] = strings.Join(strings.Split(got[i], "\t"), " | ")
	}
	if strings.Join(got, "\n") != strings.Join(lines, "\n") {
		t.Errorf("%s\ngot\n\t%s\nwant\n\t%s", sql, strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// seedCases writes: a hire that succeeded, a transfer that failed first, a termination that succeeded, a request that was
// refused, a mass change that is held, and one still open.
func (a *archive) seedCases(t *testing.T) {
	opened := func(id, who, when, trigger string) evidence.Row {
		return a.row("case.opened", when, caseID(id), person(who), payload(fmt.Sprintf(`{"trigger":%q}`, trigger)),
			func(r *evidence.Row) { r.Source = "hr" }, effective("03-01 00:00:00"))
	}
	exception := func(kind, when, id, class, resolution string, set ...func(*evidence.Row)) evidence.Row {
		set = append(set, func(r *evidence.Row) { r.Reason = class }, payload(fmt.Sprintf(`{"exception_id":%q,"class":%q,"resolution":%q}`, id, class, resolution)))
		return a.row(kind, when, set...)
	}
	inChat := func(r *evidence.Row) { r.Target = "chat" }
	rows := []evidence.Row{
		opened("c1", "p1", "03-02 09:00:00", "identity.hire"),
		a.row("case.waiting", "03-02 09:00:00", caseID("c1"), person("p1"), outcome("open")),
		a.row("case.completed", "03-02 09:00:02", caseID("c1"), person("p1"), outcome("succeeded"), payload(`{"changes":3,"event_to_access_ms":1500}`)),
		opened("c2", "p2", "03-02 10:00:00", "identity.transfer"),
		exception("exception.opened", "03-02 10:00:05", "x1", "retry exhausted", "", caseID("c2"), person("p2"), inChat),
		a.row("case.failed", "03-02 10:00:06", caseID("c2"), person("p2"), outcome("failed")),
		exception("exception.resolved", "03-03 10:00:05", "x1", "", "replay", caseID("c2"), person("p2"), inChat),
		a.row("case.remediated", "03-03 10:00:05", caseID("c2"), person("p2")),
		a.row("case.completed", "03-03 10:00:06", caseID("c2"), person("p2"), outcome("succeeded"), payload(`{"changes":1,"event_to_access_ms":86406000}`)),
		opened("c3", "p3", "03-03 11:00:00", "identity.termination"),
		a.row("case.completed", "03-03 11:00:01", caseID("c3"), person("p3"), outcome("succeeded"), payload(`{"changes":2,"event_to_access_ms":700}`)),
		opened("c4", "p1", "03-03 12:00:00", "access.requested"),
		a.row("case.completed", "03-03 12:00:10", caseID("c4"), person("p1"), outcome("refused"), payload(`{"changes":0,"event_to_access_ms":null}`)),
		opened("c5", "p4", "03-03 13:00:00", "identity.hire"),
		a.row("case.waiting", "03-03 13:00:00.500", caseID("c5"), person("p4"), outcome("held")),
		opened("c6", "p5", "03-03 14:00:00", "identity.hire"),
		exception("exception.opened", "03-03 15:00:00", "x2", "drift", "", person("p5"), func(r *evidence.Row) { r.Target = "erp" }),
	}
	a.insert(t, rows...)
	a.insert(t, rows...) // as after an insert of unknown outcome
}

func TestViewsCountEveryPositionOnce(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	a.seedCases(t)
	a.want(t, "SELECT count() AS stored FROM joinery.evidence_log WHERE kind = 'case.opened'", "stored", "12")
	a.want(t, "SELECT count() AS rows, uniqExact(src_offset) AS positions FROM joinery.evidence", "rows | positions", "17 | 17")
	a.want(t, "SELECT * FROM joinery.cases ORDER BY case_id",
		"case_id | identity_id | trigger | source | effective_at | known_at | opened_at | closed_at | outcome | event_to_access_ms | changes | exceptions | remediated_at",
		`c1 | p1 | identity.hire | hr | 2026-03-01 00:00:00.000 | 2026-03-02 09:00:00.000 | 2026-03-02 09:00:00.000 | 2026-03-02 09:00:02.000 | succeeded | 1500 | 3 | 0 | \N`,
		`c2 | p2 | identity.transfer | hr | 2026-03-01 00:00:00.000 | 2026-03-02 10:00:00.000 | 2026-03-02 10:00:00.000 | 2026-03-03 10:00:06.000 | succeeded | 86406000 | 1 | 1 | 2026-03-03 10:00:05.000`,
		`c3 | p3 | identity.termination | hr | 2026-03-01 00:00:00.000 | 2026-03-03 11:00:00.000 | 2026-03-03 11:00:00.000 | 2026-03-03 11:00:01.000 | succeeded | 700 | 2 | 0 | \N`,
		`c4 | p1 | access.requested | hr | 2026-03-01 00:00:00.000 | 2026-03-03 12:00:00.000 | 2026-03-03 12:00:00.000 | 2026-03-03 12:00:10.000 | refused | \N | 0 | 0 | \N`,
		`c5 | p4 | identity.hire | hr | 2026-03-01 00:00:00.000 | 2026-03-03 13:00:00.000 | 2026-03-03 13:00:00.000 | \N | held | \N | 0 | 0 | \N`,
		`c6 | p5 | identity.hire | hr | 2026-03-01 00:00:00.000 | 2026-03-03 14:00:00.000 | 2026-03-03 14:00:00.000 | \N | open | \N | 0 | 0 | \N`)
	a.want(t, "SELECT * FROM joinery.exceptions ORDER BY exception_id",
		"exception_id | class | case_id | identity_id | target | opened_at | resolved_at | resolution | time_to_remediate_ms",
		"x1 | retry exhausted | c2 | p2 | chat | 2026-03-02 10:00:05.000 | 2026-03-03 10:00:05.000 | replay | 86400000",
		`x2 | drift |  | p5 | erp | 2026-03-03 15:00:00.000 | \N |  | \N`)
	a.want(t, "SELECT * FROM joinery.kpi_daily",
		"day | cases_closed | cases_succeeded | success_rate | first_time_success_rate | event_to_access_p50_ms | event_to_access_p95_ms | time_to_revoke_p95_ms | exceptions | mttr_ms",
		`2026-03-02 | 1 | 1 | 1 | 1 | 1500 | 1500 | \N | 1 | \N`,
		`2026-03-03 | 3 | 2 | 0.6666666666666666 | 0.3333333333333333 | 86406000 | 86406000 | 700 | 1 | 86400000`)
}

func TestAnExceptionAloneMakesADayWithoutRates(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	a.insert(t, a.row("exception.opened", "03-05 09:00:00", payload(`{"exception_id":"x9"}`), func(r *evidence.Row) { r.Reason = "drift" }))
	a.want(t, "SELECT * FROM joinery.kpi_daily",
		"day | cases_closed | cases_succeeded | success_rate | first_time_success_rate | event_to_access_p50_ms | event_to_access_p95_ms | time_to_revoke_p95_ms | exceptions | mttr_ms",
		`2026-03-05 | 0 | 0 | \N | \N | \N | \N | \N | 1 | \N`)
	a.want(t, "SELECT class FROM joinery.exceptions", "class", "drift")
}

func TestAccessIsFoldedByWhatHeldAndWhatWasKnown(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	base := access("staff-base", "chat", "group/staff")
	rows := []evidence.Row{
		a.row("access.granted", "03-02 08:00:00", person("p1"), base),
		a.row("access.granted", "03-02 08:00:00", person("p1"), access("finance-reader", "erp", "role/reader"), payload(`{"until":"2026-04-01T00:00:00Z"}`)),
		a.row("access.granted", "03-03 08:00:00", person("p1"), base), // said again: since stays
		// p2 left on the 4th, which was known on the 6th; a grant of the 5th, older in knowledge, must not defeat it
		a.row("access.granted", "03-02 09:00:00", person("p2"), base),
		a.row("access.granted", "03-05 09:00:00", person("p2"), base),
		a.row("access.revoked", "03-06 09:00:00", person("p2"), base, effective("03-04 00:00:00"), known("03-06 08:00:00")),
		// p3 came back
		a.row("access.granted", "03-02 09:00:00", person("p3"), base),
		a.row("access.expired", "03-03 09:00:00", person("p3"), base),
		a.row("access.granted", "03-06 10:00:00", person("p3"), base),
	}
	a.insert(t, rows...)
	a.insert(t, rows...)
	const header = "identity_id | role | target | entitlement | since | until"
	const order = " ORDER BY identity_id, role"
	finance := "p1 | finance-reader | erp | role/reader | 2026-03-02 08:00:00.000 | 2026-04-01 00:00:00.000"
	staff := `p1 | staff-base | chat | group/staff | 2026-03-02 08:00:00.000 | \N`
	a.want(t, "SELECT * FROM joinery.access_now"+order, header, finance, staff,
		`p3 | staff-base | chat | group/staff | 2026-03-06 10:00:00.000 | \N`)
	a.want(t, "SELECT * FROM joinery.access_as_of(at = '2026-03-05 12:00:00', known = '2026-03-05 12:00:00')"+order, header, finance, staff,
		`p2 | staff-base | chat | group/staff | 2026-03-02 09:00:00.000 | \N`)
	a.want(t, "SELECT * FROM joinery.access_as_of(at = '2026-03-05T12:00:00Z', known = '2026-03-07T00:00:00+01:00')"+order, header, finance, staff)
	a.want(t, "SELECT * FROM joinery.access_as_of(at = '2026-03-02 12:00:00', known = '2026-03-07 00:00:00')"+order, header, finance, staff,
		"p2 | staff-base | chat | group/staff | 2026-03-02 09:00:00.000 | 2026-03-04 00:00:00.000",
		"p3 | staff-base | chat | group/staff | 2026-03-02 09:00:00.000 | 2026-03-03 09:00:00.000")
	a.want(t, "SELECT * FROM joinery.access_as_of(at = '2026-03-02 07:00:00', known = '2026-03-07 00:00:00')"+order, header)
}

func TestAccessThatAMoveTakesAwayHasTheEndOfItsGrace(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	reader, sales := access("finance-reader", "", ""), access("sales", "", "")
	a.insert(t,
		a.row("access.granted", "03-02 08:00:00", person("p1"), reader, payload(`{"until":null}`)),
		a.row("access.grace_started", "03-03 08:00:00", person("p1"), reader, payload(`{"until":"2026-03-17T08:00:00Z"}`)),
		a.row("access.granted", "03-03 08:00:00", person("p1"), sales, payload(`{"until":null}`)),
		a.row("access.grace_started", "03-04 08:00:00", person("p1"), sales, payload(`{"until":"2026-03-18T08:00:00Z"}`)),
		a.row("access.extended", "03-05 08:00:00", person("p1"), sales, payload(`{"until":null}`))) // back within the grace
	a.want(t, "SELECT * FROM joinery.access_now ORDER BY role", "identity_id | role | target | entitlement | since | until",
		"p1 | finance-reader |  |  | 2026-03-02 08:00:00.000 | 2026-03-17 08:00:00.000",
		`p1 | sales |  |  | 2026-03-03 08:00:00.000 | \N`)
}

func TestLeaversWithAccessAreThoseWhoLeftAndStillHaveGrantsOrAccounts(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	base := access("staff-base", "chat", "group/staff")
	here, ended := payload(`{"person":{"status":"active","emergency":false}}`), payload(`{"person":{"status":"ended","emergency":false}}`)
	held := payload(`{"person":{"status":"active","emergency":true}}`)
	for _, p := range []string{"gone", "revoked", "back", "later", "extended", "held", "outage", "mended"} {
		a.insert(t, a.row("identity.hire", "03-02 08:00:00", person(p), here), a.row("access.granted", "03-02 08:00:00", person(p), base))
	}
	a.insert(t,
		a.row("identity.termination", "03-03 08:00:00", person("gone"), ended, effective("03-01 00:00:00")),
		a.row("identity.duplicate_ignored", "03-03 09:00:00", person("gone"), payload(`{"person":null}`)),
		a.row("identity.contract_ended", "03-03 08:00:00", person("revoked"), ended),
		a.row("access.revoked", "03-03 08:00:01", person("revoked"), base),
		a.row("identity.termination", "03-03 08:00:00", person("back"), ended),
		a.row("identity.termination_reversed", "03-03 09:00:00", person("back"), here),
		a.row("identity.termination_corrected", "03-03 08:00:00", person("later"), here, effective("04-01 00:00:00")),
		a.row("identity.contract_ended", "03-03 08:00:00", person("extended"), ended),
		a.row("identity.contract_end_changed", "03-04 08:00:00", person("extended"), here),
		a.row("identity.emergency_termination", "03-03 08:00:00", person("held"), held),
		a.row("identity.transfer", "03-04 08:00:00", person("held"), held))
	for _, p := range []string{"revoked", "outage", "mended"} {
		a.insert(t,
			a.row("identity.termination", "03-05 08:00:00", person(p), ended),
			a.row("access.revoked", "03-05 08:00:00", person(p), base),
			a.row("case.opened", "03-05 08:00:00", person(p), caseID(p), payload(`{"trigger":"identity.termination"}`)))
	}
	a.insert(t,
		a.row("case.completed", "03-05 08:00:01", person("revoked"), caseID("revoked"), payload(`{"changes":1}`)),
		a.row("case.failed", "03-05 08:00:01", person("mended"), caseID("mended")),
		a.row("case.remediated", "03-05 09:00:00", person("mended"), caseID("mended")))
	a.want(t, "SELECT * FROM joinery.leavers_with_access ORDER BY identity_id", "identity_id | left_at | event | grants | open_cases",
		"gone | 2026-03-01 00:00:00.000 | identity.termination | 1 | 0",
		"held | 2026-03-03 08:00:00.000 | identity.emergency_termination | 1 | 0",
		"outage | 2026-03-05 08:00:00.000 | identity.termination | 0 | 1")
	table, err := a.store.KPI(t.Context(), at("03-01 00:00:00"))
	if err != nil {
		t.Fatal(err)
	}
	if l := table.LeaversWithAccess; l.Count != 3 || l.Oldest == nil || !l.Oldest.Equal(at("03-01 00:00:00")) {
		t.Errorf("leavers with access = %+v, want 3 since 03-01", l)
	}
}

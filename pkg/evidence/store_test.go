package evidence_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/evidence"
)

const contractColumns = `event_id String, kind LowCardinality(String), service LowCardinality(String), identity_id String, case_id String, causation_id String, source LowCardinality(String),
target LowCardinality(String), account String, role LowCardinality(String), entitlement String, actor String, outcome LowCardinality(String), reason LowCardinality(String),
message String, policy String, attempt UInt16, effective_at DateTime64(3,'UTC'), known_at DateTime64(3,'UTC'), occurred_at DateTime64(3,'UTC'), stored_at DateTime64(3,'UTC'),
payload String, seq UInt64, prev_hash String, hash String, src_topic LowCardinality(String), src_topic_id UUID, src_partition UInt32, src_offset UInt64,
src_key String, raw String`

func TestTheTableAndItsViewHaveTheColumnsOfTheContractInItsOrder(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	want := []string{"name | type"}
	for column := range strings.SplitSeq(strings.ReplaceAll(contractColumns, "\n", " "), ", ") {
		name, kind, _ := strings.Cut(strings.TrimSpace(column), " ")
		want = append(want, name+" | "+strings.ReplaceAll(kind, "(3,'UTC')", `(3, \'UTC\')`)) // TSV escapes quotes
	}
	for _, table := range []string{"evidence_log", "evidence"} {
		a.want(t, "SELECT name, type FROM system.columns WHERE database = 'joinery' AND table = '"+table+"' ORDER BY position", want...)
	}
}

func TestApplyMayBeRepeatedOverData(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	a.insert(t, a.row("identity.hire", "03-02 09:00:00"))
	if err := evidence.Apply(t.Context(), a.conn); err != nil {
		t.Fatal(err)
	}
	a.want(t, "SELECT count() AS n FROM joinery.evidence", "n", "1")
}

func TestARowComesBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	want := evidence.Row{
		EventID: "e", Kind: "provision.applied", Service: "provisioner", IdentityID: "p", CaseID: "c", CausationID: "b", Source: "hr", Target: "chat",
		Account: "a.novak", Role: "r", Entitlement: "group/x", Actor: "system", Outcome: "applied", Reason: "n", Message: "žluťoučký \x00\xff", Policy: "corp",
		Attempt: 3, EffectiveAt: at("03-01 00:00:00"), KnownAt: at("03-02 09:00:00.123"), OccurredAt: at("03-02 09:00:00.124"), Payload: `{"a":"\"q\""}`,
		Seq: 1 << 63, PrevHash: "h0", Hash: "h1", SrcTopic: "jml.provision.event.v1", SrcTopicID: topic, SrcPartition: 7, SrcOffset: 1<<64 - 1,
		SrcKey: "p", Raw: "\x00\x00\x00\x00\x01raw",
	}
	before := time.Now().Add(-time.Minute)
	a.insert(t, want)
	var got []evidence.Row
	if err := a.conn.Select(t.Context(), &got, "SELECT * FROM joinery.evidence"); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		t.Fatalf("read %d rows, want 1", len(got))
	}
	if got[0].StoredAt.Before(before) {
		t.Errorf("stored_at = %v, want the time of the insert", got[0].StoredAt)
	}
	got[0].StoredAt = time.Time{}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
}

func TestPositionsSayWhatABatchOfUnknownOutcomeLacks(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	var rows []evidence.Row
	for range 6 {
		rows = append(rows, a.row("identity.hire", "03-02 09:00:00"))
	}
	other := rows[2]
	other.SrcPartition = 1
	a.insert(t, rows[1], rows[3], rows[3], rows[5], other)
	got, err := a.store.Positions(t.Context(), topic, 0, 1, 5)
	if err != nil {
		t.Fatal(err)
	}
	for offset, want := range map[uint64]bool{0: false, 1: true, 2: false, 3: true, 4: false, 5: false} {
		if got.Has(offset) != want {
			t.Errorf("Has(%d) = %v, want %v", offset, got.Has(offset), want)
		}
	}
}

func TestATimeBeyondWhatTheColumnHoldsIsStoredAsItsBound(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	never, far, early := a.row("identity.hire", "03-02 09:00:00"), a.row("identity.hire", "03-02 09:00:00"), a.row("identity.hire", "03-02 09:00:00")
	never.EffectiveAt = time.Time{}
	far.EffectiveAt = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	early.EffectiveAt = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)
	a.insert(t, never, far, early)
	a.want(t, "SELECT effective_at FROM joinery.evidence ORDER BY src_offset", "effective_at",
		"1970-01-01 00:00:00.000", "2261-12-31 00:00:00.000", "1900-01-01 00:00:00.000")
}

func TestABatchMaySpanManyMonths(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	var rows []evidence.Row
	for i := range 150 {
		r := a.row("identity.hire", "03-02 09:00:00")
		r.OccurredAt = r.OccurredAt.AddDate(0, -i, 0)
		rows = append(rows, r)
	}
	a.insert(t, rows...)
	a.want(t, "SELECT count() AS n FROM joinery.evidence", "n", "150")
}

func TestKPITableHoldsOverallAndPerTriggerFigures(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	empty, err := a.store.KPI(t.Context(), at("03-01 00:00:00"))
	if err != nil {
		t.Fatal(err)
	}
	if empty.Overall.SuccessRate != nil || empty.Overall.Closed != 0 || empty.LeaversWithAccess.Oldest != nil {
		t.Errorf("figures of nothing = %+v, want nulls", empty)
	}
	a.seedCases(t)
	table, err := a.store.KPI(t.Context(), at("03-01 00:00:00"))
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, table.Overall, `{"cases_closed":4,"cases_succeeded":3,"cases_succeeded_first_time":2,"cases_refused":1,"cases_failed":0,"cases_open":2,"cases_held":1,`+
		`"success_rate":0.75,"first_time_success_rate":0.5,"event_to_access_p50_ms":1500,"event_to_access_p95_ms":86406000,"time_to_revoke_p95_ms":700,`+
		`"exceptions":2,"exceptions_unresolved":1,"mttr_ms":86400000}`)
	var triggers []string
	for _, k := range table.ByTrigger {
		triggers = append(triggers, k.Trigger)
	}
	if got := strings.Join(triggers, " "); got != "access.requested identity.hire identity.termination identity.transfer" {
		t.Fatalf("triggers = %s", got)
	}
	wantJSON(t, table.ByTrigger[1], `{"trigger":"identity.hire","cases_closed":1,"cases_succeeded":1,"cases_succeeded_first_time":1,"cases_refused":0,"cases_failed":0,"cases_open":2,"cases_held":1,`+
		`"success_rate":1,"first_time_success_rate":1,"event_to_access_p50_ms":1500,"event_to_access_p95_ms":1500,"time_to_revoke_p95_ms":null,`+
		`"exceptions":0,"exceptions_unresolved":0,"mttr_ms":null}`)
	wantJSON(t, table.ByTrigger[3], `{"trigger":"identity.transfer","cases_closed":1,"cases_succeeded":1,"cases_succeeded_first_time":0,"cases_refused":0,"cases_failed":0,"cases_open":0,"cases_held":0,`+
		`"success_rate":1,"first_time_success_rate":0,"event_to_access_p50_ms":86406000,"event_to_access_p95_ms":86406000,"time_to_revoke_p95_ms":null,`+
		`"exceptions":1,"exceptions_unresolved":0,"mttr_ms":86400000}`)
	wantJSON(t, table.Exceptions, `[{"class":"drift","opened":1,"unresolved":1},{"class":"retry exhausted","opened":1,"unresolved":0}]`)
	late, err := a.store.KPI(t.Context(), at("03-03 11:30:00"))
	if err != nil {
		t.Fatal(err)
	}
	if o := late.Overall; o.Closed != 1 || o.Refused != 1 || o.Exceptions != 1 || o.MTTR != nil {
		t.Errorf("figures since 03-03 11:30 = %+v, want one refusal and one exception", o)
	}
}

func wantJSON(t *testing.T, v any, want string) {
	t.Helper()
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n\t%s\nwant\n\t%s", got, want)
	}
}

package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// Targets implements desk.Archive.
func (a *Archive) Targets(ctx context.Context, now time.Time) (map[string]desk.TargetUse, error) {
	var rows []struct {
		Target      string    `ch:"target"`
		Accounts    uint64    `ch:"accounts"`
		Failed      uint64    `ch:"failed"`
		LastApplied time.Time `ch:"last_applied"`
		LastSwept   time.Time `ch:"last_swept"`
		Paused      bool      `ch:"paused"`
	}
	err := a.conn.Select(with(ctx, driver.Parameters{"day": instant(now.Add(-24 * time.Hour))}), &rows, `
		SELECT target, countIf(state IN ('active', 'disabled')) AS accounts, sum(failures) AS failed, max(applied) AS last_applied, max(swept) AS last_swept, max(paused) > max(resumed) AS paused
		FROM (
			SELECT target, identity_id,
				argMaxIf(JSONExtractString(payload, 'state'), (occurred_at, src_offset), kind IN ('provision.applied', 'provision.adopted', 'provision.unchanged')) AS state,
				countIf(kind IN ('provision.failed', 'provision.dead_lettered') AND occurred_at > parseDateTime64BestEffort({day:String}, 3, 'UTC')) AS failures,
				maxIf(occurred_at, kind = 'provision.applied') AS applied,
				maxIf(occurred_at, src_topic = 'jml.drift.event.v1' AND JSONExtractString(payload, 'drift') = 'swept') AS swept,
				maxIf(occurred_at, kind = 'target.paused') AS paused, maxIf(occurred_at, kind = 'target.resumed') AS resumed
			FROM joinery.evidence WHERE target != '' AND src_topic IN ('jml.provision.event.v1', 'jml.drift.event.v1')
			GROUP BY target, identity_id)
		GROUP BY target`)
	if err != nil {
		return nil, err
	}
	out := map[string]desk.TargetUse{}
	for _, r := range rows {
		out[r.Target] = desk.TargetUse{Accounts: int64(r.Accounts), Failed24h: int64(r.Failed), LastApplied: moment(r.LastApplied), LastSwept: moment(r.LastSwept), Paused: r.Paused}
	}
	return out, nil
}

// Counts implements desk.Archive.
func (a *Archive) Counts(ctx context.Context) (desk.Counts, error) {
	var row struct {
		Rows        uint64    `ch:"total"`
		Occurred    time.Time `ch:"occurred"`
		Stored      time.Time `ch:"stored"`
		CasesOpen   uint64    `ch:"cases_open"`
		Held        uint64    `ch:"held"`
		Exceptions  uint64    `ch:"exceptions_open"`
		DeadLetters uint64    `ch:"dead_letters"`
	}
	err := a.conn.QueryRow(ctx, `
		SELECT
			(SELECT count() FROM joinery.evidence) AS total,
			(SELECT max(occurred_at) FROM joinery.evidence_log) AS occurred,
			(SELECT max(stored_at) FROM joinery.evidence_log) AS stored,
			(SELECT count() FROM joinery.cases WHERE outcome = 'open') AS cases_open,
			(SELECT count() FROM joinery.cases WHERE outcome = 'held') AS held,
			(SELECT count() FROM joinery.exceptions WHERE resolved_at IS NULL) AS exceptions_open,
			(SELECT count() FROM joinery.exceptions WHERE resolved_at IS NULL AND class = 'dead_letter') AS dead_letters`).ScanStruct(&row)
	if err != nil {
		return desk.Counts{}, err
	}
	heard, err := a.heard(ctx)
	if err != nil {
		return desk.Counts{}, err
	}
	return desk.Counts{Heard: heard, Rows: int64(row.Rows), CasesOpen: int64(row.CasesOpen), ExceptionsOpen: int64(row.Exceptions), DeadLetters: int64(row.DeadLetters),
		Held: int64(row.Held), LastOccurredAt: moment(row.Occurred), LastStoredAt: moment(row.Stored)}, nil
}

// Urgent implements desk.Archive.
func (a *Archive) Urgent(ctx context.Context) (desk.Urgent, error) {
	var out desk.Urgent
	var since *time.Time
	if err := a.conn.QueryRow(ctx, "SELECT count(), minOrNull(left_at) FROM joinery.leavers_with_access").Scan(&out.Leavers, &since); err != nil {
		return out, err
	}
	out.LeaverSince = moments(since)
	var rows []struct {
		Class  string    `ch:"class"`
		Open   uint64    `ch:"open"`
		Oldest time.Time `ch:"oldest"`
	}
	err := a.conn.Select(ctx, &rows, "SELECT class, countIf(resolved_at IS NULL) AS open, minIf(opened_at, resolved_at IS NULL) AS oldest FROM joinery.exceptions GROUP BY class ORDER BY class")
	for _, r := range rows { // of a class without any, zeros: an alert must be able to end
		out.Exceptions = append(out.Exceptions, desk.OpenExceptions{Class: r.Class, Open: r.Open, Oldest: moment(r.Oldest)})
	}
	if err != nil {
		return out, err
	}
	var drift []struct {
		Target string   `ch:"target"`
		Items  []string `ch:"items"`
	}
	err = a.conn.Select(ctx, &drift, `
		SELECT target, JSONExtract(payload, 'items', 'Array(String)') AS items FROM joinery.evidence
		WHERE kind = 'exception.opened' AND src_topic = 'jml.drift.event.v1' AND JSONExtractString(payload, 'drift') = 'extra'
			AND JSONExtractString(payload, 'exception_id') IN (SELECT exception_id FROM joinery.exceptions WHERE class = 'drift' AND resolved_at IS NULL)`)
	for _, r := range drift {
		out.Drift = append(out.Drift, desk.OpenDrift(r))
	}
	return out, err
}

// heard is when each source's last record became an event: every record does, be it that nothing changed.
func (a *Archive) heard(ctx context.Context) (map[string]time.Time, error) {
	var rows []struct {
		Source string    `ch:"source"`
		Last   time.Time `ch:"last"`
	}
	if err := a.conn.Select(ctx, &rows, `SELECT source, max(known_at) AS last FROM joinery.evidence_log
		WHERE src_topic = 'jml.identity.event.v1' AND source != '' GROUP BY source`); err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	for _, r := range rows {
		out[r.Source] = r.Last.UTC()
	}
	return out, nil
}

// Cases implements desk.Archive.
func (a *Archive) Cases(ctx context.Context, q desk.CaseQuery) ([]desk.Case, error) {
	var rows []struct {
		ID              string     `ch:"case_id"`
		IdentityID      string     `ch:"identity_id"`
		Trigger         string     `ch:"trigger"`
		Source          string     `ch:"source"`
		EffectiveAt     time.Time  `ch:"effective_at"`
		KnownAt         time.Time  `ch:"known_at"`
		OpenedAt        time.Time  `ch:"opened_at"`
		ClosedAt        *time.Time `ch:"closed_at"`
		Outcome         string     `ch:"outcome"`
		EventToAccessMS *int64     `ch:"event_to_access_ms"`
		Changes         uint64     `ch:"changes"`
		Exceptions      uint64     `ch:"exceptions"`
	}
	before := q.Before
	if before.IsZero() {
		before = latest
	}
	p := driver.Parameters{"case": q.ID, "id": string(q.IdentityID), "outcome": q.Outcome, "trigger": q.Trigger,
		"before": instant(before), "before_id": q.BeforeID, "limit": fmt.Sprint(q.Limit)}
	err := a.conn.Select(with(ctx, p), &rows, `
		SELECT case_id, identity_id, trigger, source, effective_at, known_at, opened_at, closed_at, outcome, event_to_access_ms, changes, exceptions
		FROM joinery.cases
		WHERE ({case:String} = '' OR case_id = {case:String}) AND ({id:String} = '' OR identity_id = {id:String})
			AND ({outcome:String} = '' OR outcome = {outcome:String}) AND ({trigger:String} = '' OR trigger = {trigger:String})
			AND (opened_at, case_id) < (parseDateTime64BestEffort({before:String}, 3, 'UTC'), {before_id:String})
		ORDER BY opened_at DESC, case_id DESC LIMIT {limit:UInt32}`)
	if err != nil {
		return nil, err
	}
	out := make([]desk.Case, len(rows))
	for i, r := range rows {
		out[i] = desk.Case{ID: r.ID, IdentityID: r.IdentityID, Trigger: r.Trigger, Source: r.Source, Outcome: r.Outcome, EffectiveAt: moment(r.EffectiveAt),
			KnownAt: moment(r.KnownAt), OpenedAt: moment(r.OpenedAt), ClosedAt: moments(r.ClosedAt), EventToAccessMS: r.EventToAccessMS,
			Changes: int64(r.Changes), Exceptions: int64(r.Exceptions)}
	}
	return out, nil
}

// DeadLetters implements desk.Archive.
func (a *Archive) DeadLetters(ctx context.Context, q desk.DeadLetterQuery) ([]desk.DeadLetter, error) {
	var rows []struct {
		ID         string     `ch:"id"`
		Class      string     `ch:"class"`
		Service    string     `ch:"service"`
		Message    string     `ch:"message"`
		IdentityID string     `ch:"identity_id"`
		OpenedAt   time.Time  `ch:"opened_at"`
		Payload    string     `ch:"payload"`
		ResolvedAt *time.Time `ch:"resolved_at"`
		Resolution string     `ch:"resolution"`
		Target     string     `ch:"target"`
		SrcTopic   string     `ch:"src_topic"`
		Raw        string     `ch:"raw"`
	}
	err := a.conn.Select(with(ctx, driver.Parameters{"id": q.ID, "state": q.State, "class": q.Class, "topic": q.Topic, "limit": fmt.Sprint(q.Limit)}), &rows, `
		SELECT d.exception_id AS id, d.reason AS class, d.service AS service, d.message AS message, d.identity_id AS identity_id, d.occurred_at AS opened_at,
			d.payload AS payload, e.resolved_at AS resolved_at, e.resolution AS resolution, d.target AS target, d.src_topic AS src_topic, d.raw AS raw
		FROM (SELECT *, JSONExtractString(payload, 'exception_id') AS exception_id, if(src_topic = 'jml.dlq.v1', JSONExtractString(payload, 'topic'), 'jml.access.desired.v1') AS of_topic
			FROM joinery.evidence WHERE kind = 'exception.opened'
			AND (src_topic = 'jml.dlq.v1' OR (src_topic = 'jml.provision.event.v1' AND reason = 'invalid'))) AS d
		LEFT JOIN joinery.exceptions AS e ON e.exception_id = d.exception_id
		WHERE ({id:String} = '' OR d.exception_id = {id:String})
			AND ({state:String} = '' OR ({state:String} = 'open') = (e.resolved_at IS NULL))
			AND ({class:String} = '' OR d.reason = {class:String}) AND ({topic:String} = '' OR d.of_topic = {topic:String})
		ORDER BY d.occurred_at DESC, id LIMIT {limit:UInt32}`)
	if err != nil {
		return nil, err
	}
	out := make([]desk.DeadLetter, len(rows))
	for i, r := range rows {
		var place struct {
			Topic     string `json:"topic"`
			Partition int32  `json:"partition"`
			Offset    int64  `json:"offset"`
		}
		if err := json.Unmarshal([]byte(r.Payload), &place); err != nil {
			return nil, fmt.Errorf("read dead letter %s: %w", r.ID, err)
		}
		if r.SrcTopic != string(event.DeadLetters) { // an account that the provisioner parks: the record is what is desired of it
			place.Topic = string(event.AccessDesired)
		}
		out[i] = desk.DeadLetter{ID: r.ID, Class: r.Class, Service: r.Service, Topic: place.Topic, Partition: place.Partition, Offset: place.Offset,
			Target: r.Target, Message: r.Message, IdentityID: r.IdentityID, OpenedAt: moment(r.OpenedAt), ResolvedAt: moments(r.ResolvedAt), Resolution: r.Resolution}
		if q.Whole {
			out[i].Payload = json.RawMessage(r.Payload)
			if r.SrcTopic == string(event.DeadLetters) {
				out[i].Raw = []byte(r.Raw)
			}
		}
	}
	return out, nil
}

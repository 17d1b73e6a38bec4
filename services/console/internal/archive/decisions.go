package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
	"joinery.internal/services/console/internal/desk"
)

// Decisions implements desk.Archive. What explains a role is the grant it rests on; what came of it since, the last word.
func (a *Archive) Decisions(ctx context.Context, id event.IdentityID) ([]desk.Explanation, error) {
	var rows []struct {
		Role    string            `ch:"role"`
		Last    string            `ch:"last"`
		Word    string            `ch:"word"`
		Until   string            `ch:"until"`
		Reason  string            `ch:"why"`
		Rule    string            `ch:"rule"`
		Values  map[string]string `ch:"vals"`
		Request string            `ch:"request"`
		Case    string            `ch:"of_case"`
		Policy  string            `ch:"under"`
		Since   time.Time         `ch:"since"`
	}
	err := a.conn.Select(with(ctx, driver.Parameters{"id": string(id)}), &rows, `
		SELECT role, argMax(kind, decided) AS last, argMax(reason, decided) AS word, argMax(JSONExtractString(payload, 'until'), decided) AS until,
			argMaxIf(reason, decided, gives) AS why, argMaxIf(JSONExtractString(payload, 'rule'), decided, gives) AS rule,
			argMaxIf(JSONExtract(payload, 'values', 'Map(String, String)'), decided, gives) AS vals, argMaxIf(JSONExtractString(payload, 'request_id'), decided, gives) AS request,
			argMaxIf(case_id, decided, gives) AS of_case, argMaxIf(policy, decided, gives) AS under, maxIf(occurred_at, gives) AS since
		FROM (SELECT *, (occurred_at, src_offset) AS decided, kind = 'access.granted' AS gives FROM joinery.evidence
			WHERE identity_id = {id:String} AND role != '' AND kind IN ('access.granted', 'access.extended', 'access.grace_started', 'access.revoked', 'access.expired'))
		GROUP BY role HAVING last NOT IN ('access.revoked', 'access.expired') ORDER BY role`)
	out := make([]desk.Explanation, len(rows))
	for i, r := range rows {
		out[i] = desk.Explanation{ID: r.Role, Reason: r.Reason, Rule: r.Rule, Values: r.Values, Since: r.Since.UTC(), RequestID: r.Request, CaseID: r.Case, Policy: r.Policy}
		if r.Last == string(event.AccessGraceStarted) {
			out[i].Ending = r.Word
		}
		if until, err := time.Parse(time.RFC3339Nano, r.Until); err == nil { // null: it has no end
			out[i].Until = until.UTC()
		}
	}
	return out, err
}

// Population implements desk.Archive: who is neither gone, nor shut out, nor somebody else by now.
func (a *Archive) Population(ctx context.Context) ([]policy.Holder, error) {
	var rows []struct {
		Person string   `ch:"person"`
		Roles  []string `ch:"roles"`
	}
	err := a.conn.Select(ctx, &rows, `
		SELECT p.person AS person, arraySort(a.roles) AS roles
		FROM (SELECT identity_id, argMax(JSONExtractRaw(payload, 'person'), (occurred_at, src_offset)) AS person FROM joinery.evidence
			WHERE startsWith(kind, 'identity.') AND JSONExtractRaw(payload, 'person') NOT IN ('', 'null') GROUP BY identity_id) AS p
		LEFT JOIN (SELECT identity_id, groupUniqArray(role) AS roles FROM joinery.access_now GROUP BY identity_id) AS a ON a.identity_id = p.identity_id
		WHERE JSONExtractString(person, 'status') != 'ended' AND NOT JSONExtractBool(person, 'emergency') AND JSONExtractString(person, 'merged_into') = ''
		ORDER BY p.identity_id`)
	if err != nil {
		return nil, err
	}
	out := make([]policy.Holder, len(rows))
	for i, r := range rows {
		if err := json.Unmarshal([]byte(r.Person), &out[i].Person); err != nil {
			return nil, fmt.Errorf("read person of an identity event: %w", err)
		}
		out[i].Roles = r.Roles
	}
	return out, nil
}

// Past implements desk.Archive.
func (a *Archive) Past(ctx context.Context, since time.Time, visit func(desk.PastEvent) error) error {
	rows, err := a.conn.Query(with(ctx, driver.Parameters{"since": instant(since)}), `
		SELECT event_id, kind, source, reason, effective_at, occurred_at, JSONExtractRaw(payload, 'person') AS person
		FROM joinery.evidence WHERE startsWith(kind, 'identity.') AND person NOT IN ('', 'null')
			AND identity_id IN (SELECT identity_id FROM joinery.evidence WHERE startsWith(kind, 'identity.') AND occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC'))
		ORDER BY identity_id, occurred_at, src_offset`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // what matters is rows.Err
	for rows.Next() {
		var e desk.PastEvent
		var id, person string
		if err := rows.Scan(&id, &e.Kind, &e.Source, &e.Reason, &e.EffectiveAt, &e.OccurredAt, &person); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(person), &e.Person); err != nil {
			return fmt.Errorf("read person of identity event %s: %w", id, err)
		}
		e.ID, e.EffectiveAt, e.OccurredAt = event.EventID(id), moment(e.EffectiveAt), e.OccurredAt.UTC()
		if err := visit(e); err != nil {
			return err
		}
	}
	return rows.Err()
}

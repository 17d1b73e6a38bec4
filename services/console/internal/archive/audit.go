package archive

import (
	"context"
	"fmt"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"joinery.internal/pkg/evidence"
	"joinery.internal/services/console/internal/desk"
)

// Audit implements desk.Archive.
func (a *Archive) Audit(ctx context.Context, visit func(evidence.Row) error) error {
	return a.rows(ctx, "SELECT * FROM joinery.evidence ORDER BY src_topic, src_partition, service, seq, src_offset", visit)
}

// Export implements desk.Archive.
func (a *Archive) Export(ctx context.Context, q desk.ExportQuery, visit func(evidence.Row) error) error {
	p := driver.Parameters{"id": string(q.IdentityID), "case": q.CaseID, "kind": q.Kind, "since": instant(q.Since), "until": instant(q.Until)}
	return a.rows(with(ctx, p), `SELECT * FROM joinery.evidence
		WHERE ({id:String} = '' OR identity_id = {id:String}) AND ({case:String} = '' OR case_id = {case:String})
			AND ({kind:String} = '' OR kind = {kind:String} OR startsWith(kind, concat({kind:String}, '.')))
			AND occurred_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC') AND occurred_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')
		ORDER BY occurred_at, src_topic, src_partition, src_offset`, visit)
}

// rows reads whole rows, one after the other.
func (a *Archive) rows(ctx context.Context, query string, visit func(evidence.Row) error) error {
	rows, err := a.conn.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // what matters is rows.Err
	for rows.Next() {
		var r evidence.Row
		if err := rows.ScanStruct(&r); err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

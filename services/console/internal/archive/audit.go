package archive

import (
	"context"

	"joinery.internal/pkg/evidence"
)

// Audit implements desk.Archive: every chained row, by chain and place in it.
func (a *Archive) Audit(ctx context.Context, visit func(evidence.Row) error) (err error) {
	rows, err := a.conn.Query(ctx, `
		SELECT event_id, kind, service, identity_id, payload, seq, prev_hash, hash, src_topic, src_partition, src_offset, src_key, raw
		FROM joinery.evidence WHERE seq > 0 ORDER BY src_topic, src_partition, service, seq, src_offset`)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // what matters is rows.Err
	for rows.Next() {
		var r evidence.Row
		if err := rows.Scan(&r.EventID, &r.Kind, &r.Service, &r.IdentityID, &r.Payload, &r.Seq, &r.PrevHash, &r.Hash, &r.SrcTopic, &r.SrcPartition, &r.SrcOffset, &r.SrcKey, &r.Raw); err != nil {
			return err
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return rows.Err()
}

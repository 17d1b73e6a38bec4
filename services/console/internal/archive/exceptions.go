package archive

import (
	"context"
	"fmt"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// Exceptions implements desk.Archive.
func (a *Archive) Exceptions(ctx context.Context, q desk.ExceptionQuery) ([]desk.Exception, error) {
	var rows []struct {
		ID         string     `ch:"id"`
		Class      string     `ch:"class"`
		CaseID     string     `ch:"case_id"`
		Identity   string     `ch:"identity_id"`
		Target     string     `ch:"target"`
		Message    string     `ch:"message"`
		Opened     time.Time  `ch:"opened_at"`
		Resolved   *time.Time `ch:"resolved_at"`
		Resolution string     `ch:"resolution"`
	}
	p := driver.Parameters{"state": q.State, "class": q.Class, "limit": fmt.Sprint(q.Limit)}
	err := a.conn.Select(with(ctx, p), &rows, `
		SELECT e.exception_id AS id, e.class AS class, e.case_id AS case_id, e.identity_id AS identity_id, e.target AS target, o.message AS message,
			e.opened_at AS opened_at, e.resolved_at AS resolved_at, e.resolution AS resolution
		FROM (SELECT * FROM joinery.exceptions
			WHERE ({state:String} = 'all' OR ({state:String} = 'open') = (resolved_at IS NULL)) AND ({class:String} = '' OR class = {class:String})
			ORDER BY opened_at DESC, exception_id LIMIT {limit:UInt32}) AS e
		LEFT JOIN (SELECT JSONExtractString(payload, 'exception_id') AS exception_id, any(message) AS message FROM joinery.evidence
			WHERE kind = 'exception.opened' GROUP BY exception_id) AS o ON o.exception_id = e.exception_id
		ORDER BY opened_at DESC, id`)
	if err != nil {
		return nil, err
	}
	out := make([]desk.Exception, len(rows))
	for i, r := range rows {
		out[i] = desk.Exception{ID: r.ID, Class: r.Class, CaseID: r.CaseID, Person: desk.Named{ID: event.IdentityID(r.Identity)}, Target: r.Target, Message: r.Message,
			OpenedAt: moment(r.Opened), ResolvedAt: moments(r.Resolved), Resolution: r.Resolution}
	}
	return out, nil
}

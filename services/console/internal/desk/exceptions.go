package desk

import (
	"context"
	"slices"
	"time"
)

// Exception is something a person may have to look at, until it is resolved.
type Exception struct {
	ID         string    `json:"id"`
	Class      string    `json:"class"`
	CaseID     string    `json:"case_id"`
	Person     Named     `json:"person" doc:"whom it is about; empty: nobody"`
	Target     string    `json:"target"`
	Message    string    `json:"message"`
	OpenedAt   time.Time `json:"opened_at"`
	ResolvedAt time.Time `json:"resolved_at,omitzero"`
	Resolution string    `json:"resolution"`
}

// ExceptionQuery asks for exceptions, newest first.
type ExceptionQuery struct {
	State string // open (the default), resolved, all
	Class string // empty: any
	Limit int
}

// Exceptions lists them.
func (d *Desk) Exceptions(ctx context.Context, q ExceptionQuery) ([]Exception, error) {
	var err error
	if q.Limit, err = limitOf(q.Limit); err != nil {
		return nil, err
	}
	if q.State == "" {
		q.State = "open"
	}
	if !slices.Contains([]string{"open", "resolved", "all"}, q.State) {
		return nil, fault(Invalid, "state is %q: give open, resolved or all", q.State)
	}
	rows, err := d.Archive.Exceptions(ctx, q)
	if err != nil {
		return nil, unavailable("read exceptions from the evidence", err)
	}
	for i := range rows {
		if rows[i].Person.ID != "" {
			rows[i].Person = d.named(rows[i].Person.ID)
		}
	}
	return rows, nil
}

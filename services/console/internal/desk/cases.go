package desk

import (
	"context"
	"strconv"
	"strings"
	"time"

	"joinery.internal/pkg/event"
)

// CaseQuery asks for workflows, newest first.
type CaseQuery struct {
	ID         string // exactly; empty: any
	IdentityID event.IdentityID
	Outcome    string
	Trigger    string
	Limit      int
	Before     time.Time // with BeforeID: only what was opened before; zero: from the newest
	BeforeID   string
}

// CasePage is some workflows, and the cursor of the next page if there are more.
type CasePage struct {
	Items []Case `json:"items"`
	Next  string `json:"next"`
}

// Cases lists workflows; person, where given, names whose.
func (d *Desk) Cases(ctx context.Context, q CaseQuery, person, cursor string) (CasePage, error) {
	var err error
	if q.Limit, err = limitOf(q.Limit); err != nil {
		return CasePage{}, err
	}
	if person != "" {
		if q.IdentityID, err = d.Find(person); err != nil {
			return CasePage{}, err
		}
	}
	if q.Before, q.BeforeID, err = caseCursor(cursor); err != nil {
		return CasePage{}, err
	}
	rows, err := d.Archive.Cases(ctx, q)
	if err != nil {
		return CasePage{}, unavailable("read cases from the evidence", err)
	}
	page := CasePage{Items: rows}
	if len(rows) == q.Limit {
		last := rows[len(rows)-1]
		page.Next = encodeCursor(strconv.FormatInt(last.OpenedAt.UnixMilli(), 10) + "|" + last.ID)
	}
	return page, nil
}

func caseCursor(cursor string) (time.Time, string, error) {
	key, err := decodeCursor(cursor)
	if err != nil || key == "" {
		return time.Time{}, "", err
	}
	ms, id, ok := strings.Cut(key, "|")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil {
		return time.Time{}, "", fault(Invalid, "cursor is not one of ours: give it as the page before had it in %q", "next")
	}
	return time.UnixMilli(n).UTC(), id, nil
}

// Case shows one workflow from its trigger to its last change.
func (d *Desk) Case(ctx context.Context, id string) (CaseDetail, error) {
	rows, err := d.Archive.Cases(ctx, CaseQuery{ID: id, Limit: 1})
	if err != nil {
		return CaseDetail{}, unavailable("read the case from the evidence", err)
	}
	if len(rows) == 0 {
		return CaseDetail{}, fault(NotFound, "there is no case %q: list cases, or wait a moment if it was opened just now", id)
	}
	moments, err := d.Archive.Timeline(ctx, TimelineQuery{CaseID: id, Limit: MaxLimit})
	if err != nil {
		return CaseDetail{}, unavailable("read the case's events from the evidence", err)
	}
	return CaseDetail{Case: rows[0], Moments: moments}, nil
}

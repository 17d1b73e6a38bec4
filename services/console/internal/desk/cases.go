package desk

import (
	"context"
	"slices"
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

// DeadLetterQuery asks for dead letters, newest first.
type DeadLetterQuery struct {
	ID    string // exactly; empty: any
	State string // open, resolved; empty: any
	Limit int
}

// DeadLetters lists records that could not be handled.
func (d *Desk) DeadLetters(ctx context.Context, state string, limit int) ([]DeadLetter, error) {
	limit, err := limitOf(limit)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "open", "resolved"}, state) {
		return nil, fault(Invalid, "state is %q: give open or resolved, or leave it out", state)
	}
	rows, err := d.Archive.DeadLetters(ctx, DeadLetterQuery{State: state, Limit: limit})
	if err != nil {
		return nil, unavailable("read dead letters from the evidence", err)
	}
	return rows, nil
}

// DeadLetter shows one of them whole.
func (d *Desk) DeadLetter(ctx context.Context, id string) (DeadLetter, error) {
	rows, err := d.Archive.DeadLetters(ctx, DeadLetterQuery{ID: id, Limit: 1})
	if err != nil {
		return DeadLetter{}, unavailable("read the dead letter from the evidence", err)
	}
	if len(rows) == 0 {
		return DeadLetter{}, fault(NotFound, "there is no dead letter %q: list them, or wait a moment if it was written just now", id)
	}
	return rows[0], nil
}

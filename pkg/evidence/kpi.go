package evidence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// KPITable is the state of affairs since an instant.
type KPITable struct {
	Since             time.Time         `json:"since"`
	Overall           KPI               `json:"overall"`
	ByTrigger         []KPI             `json:"by_trigger"` // sorted by trigger
	Exceptions        []ExceptionVolume `json:"exceptions"` // by class, most frequent first
	LeaversWithAccess LeaversWithAccess `json:"leavers_with_access"`
}

// KPI are the figures of all cases, or of those that one kind of event opened. Closed cases count by the time they
// closed, exceptions by the time they opened, remediations by the time they were done. A figure of nothing is null.
type KPI struct {
	Trigger              string   `json:"trigger,omitempty"` // empty: all
	Closed               uint64   `json:"cases_closed"`
	Succeeded            uint64   `json:"cases_succeeded"`
	FirstTime            uint64   `json:"cases_succeeded_first_time"` // without any exception
	Refused              uint64   `json:"cases_refused"`
	Failed               uint64   `json:"cases_failed"`
	Open                 uint64   `json:"cases_open"` // now, held ones included
	Held                 uint64   `json:"cases_held"` // now
	SuccessRate          *float64 `json:"success_rate"`
	FirstTimeSuccessRate *float64 `json:"first_time_success_rate"`
	EventToAccessP50     *int64   `json:"event_to_access_p50_ms"`
	EventToAccessP95     *int64   `json:"event_to_access_p95_ms"`
	TimeToRevokeP95      *int64   `json:"time_to_revoke_p95_ms"`
	Exceptions           uint64   `json:"exceptions"`
	Unresolved           uint64   `json:"exceptions_unresolved"` // of those
	MTTR                 *float64 `json:"mttr_ms"`
}

// ExceptionVolume is how often a class of exception opened.
type ExceptionVolume struct {
	Class      string `json:"class" ch:"class"`
	Opened     uint64 `json:"opened" ch:"opened"`
	Unresolved uint64 `json:"unresolved" ch:"unresolved"`
}

// LeaversWithAccess counts people who have left and still have access, whenever they left.
type LeaversWithAccess struct {
	Count  uint64     `json:"count" ch:"count"`
	Oldest *time.Time `json:"oldest" ch:"oldest"` // when the first of them left; null if there is none
}

// KPI computes the table for what happened at or after since.
func (s *Store) KPI(ctx context.Context, since time.Time) (KPITable, error) {
	table := KPITable{Since: since, ByTrigger: []KPI{}, Exceptions: []ExceptionVolume{}}
	byTrigger, err := s.caseFigures(ctx, since)
	if err != nil {
		return KPITable{}, err
	}
	if err := s.addExceptionFigures(ctx, since, byTrigger); err != nil {
		return KPITable{}, err
	}
	for trigger, k := range byTrigger {
		if trigger == "" {
			table.Overall = *k
		} else {
			table.ByTrigger = append(table.ByTrigger, *k)
		}
	}
	slices.SortFunc(table.ByTrigger, func(a, b KPI) int { return strings.Compare(a.Trigger, b.Trigger) })
	if err := s.conn.Select(ctx, &table.Exceptions, exceptionsByClass, since.UnixMilli()); err != nil {
		return KPITable{}, fmt.Errorf("count exceptions by class: %w", err)
	}
	if err := s.conn.QueryRow(ctx, leaversOpen).ScanStruct(&table.LeaversWithAccess); err != nil {
		return KPITable{}, fmt.Errorf("count leavers with access: %w", err)
	}
	return table, nil
}

const caseFigures = `
SELECT
    grouping(trigger) = 0 AS is_trigger, trigger,
    countIf(closed), countIf(closed AND outcome = 'succeeded'), countIf(closed AND outcome = 'succeeded' AND exceptions = 0),
    countIf(closed AND outcome = 'refused'), countIf(closed AND outcome = 'failed'),
    countIf(NOT closed), countIf(NOT closed AND outcome = 'held'),
    countIf(closed AND outcome = 'succeeded') / nullIf(countIf(closed), 0),
    countIf(closed AND outcome = 'succeeded' AND exceptions = 0) / nullIf(countIf(closed), 0),
    quantileExactOrNullIf(0.5)(event_to_access_ms, closed AND event_to_access_ms IS NOT NULL),
    quantileExactOrNullIf(0.95)(event_to_access_ms, closed AND event_to_access_ms IS NOT NULL),
    quantileExactOrNullIf(0.95)(event_to_access_ms, closed AND event_to_access_ms IS NOT NULL
        AND trigger IN ('identity.termination', 'identity.emergency_termination', 'identity.contract_ended'))
FROM (SELECT *, closed_at IS NOT NULL AS closed FROM ` + Database + `.cases)
WHERE NOT closed OR closed_at >= fromUnixTimestamp64Milli(?)
GROUP BY GROUPING SETS ((), (trigger))`

// caseFigures returns the figures per trigger, and under "" those of all.
func (s *Store) caseFigures(ctx context.Context, since time.Time) (map[string]*KPI, error) {
	found := map[string]*KPI{"": {}}
	rows, err := s.conn.Query(ctx, caseFigures, since.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("compute case figures: %w", err)
	}
	defer func() { _ = rows.Close() }() // what matters is rows.Err
	for rows.Next() {
		var isTrigger bool
		k := new(KPI)
		if err := rows.Scan(&isTrigger, &k.Trigger, &k.Closed, &k.Succeeded, &k.FirstTime, &k.Refused, &k.Failed, &k.Open, &k.Held,
			&k.SuccessRate, &k.FirstTimeSuccessRate, &k.EventToAccessP50, &k.EventToAccessP95, &k.TimeToRevokeP95); err != nil {
			return nil, fmt.Errorf("read case figures: %w", err)
		}
		if isTrigger && k.Trigger == "" {
			continue // cases that do not say what opened them; they are among all
		}
		found[k.Trigger] = k
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read case figures: %w", err)
	}
	return found, nil
}

const exceptionFigures = `
SELECT
    grouping(trigger) = 0 AS is_trigger, trigger,
    countIf(opened_at >= since), countIf(opened_at >= since AND resolved_at IS NULL),
    avgOrNullIf(time_to_remediate_ms, resolved_at >= since)
FROM
(
    SELECT c.trigger AS trigger, e.opened_at AS opened_at, e.resolved_at AS resolved_at, e.time_to_remediate_ms AS time_to_remediate_ms,
        fromUnixTimestamp64Milli(?) AS since
    FROM ` + Database + `.exceptions AS e LEFT JOIN ` + Database + `.cases AS c ON e.case_id = c.case_id
)
WHERE opened_at >= since OR resolved_at >= since
GROUP BY GROUPING SETS ((), (trigger))`

// addExceptionFigures adds to the figures of cases. Exceptions outside any case count under "" only.
func (s *Store) addExceptionFigures(ctx context.Context, since time.Time, to map[string]*KPI) error {
	rows, err := s.conn.Query(ctx, exceptionFigures, since.UnixMilli())
	if err != nil {
		return fmt.Errorf("compute exception figures: %w", err)
	}
	defer func() { _ = rows.Close() }() // what matters is rows.Err
	for rows.Next() {
		var isTrigger bool
		var f KPI
		if err := rows.Scan(&isTrigger, &f.Trigger, &f.Exceptions, &f.Unresolved, &f.MTTR); err != nil {
			return fmt.Errorf("read exception figures: %w", err)
		}
		if isTrigger && f.Trigger == "" {
			continue // exceptions of no case; they are among all
		}
		k := to[f.Trigger]
		if k == nil {
			k = &KPI{Trigger: f.Trigger}
			to[f.Trigger] = k
		}
		k.Exceptions, k.Unresolved, k.MTTR = f.Exceptions, f.Unresolved, f.MTTR
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read exception figures: %w", err)
	}
	return nil
}

const exceptionsByClass = `
SELECT class, count() AS opened, countIf(resolved_at IS NULL) AS unresolved
FROM ` + Database + `.exceptions WHERE opened_at >= fromUnixTimestamp64Milli(?)
GROUP BY class ORDER BY opened DESC, class`

const leaversOpen = `
SELECT count() AS count, minOrNull(left_at) AS oldest FROM ` + Database + `.leavers_with_access`

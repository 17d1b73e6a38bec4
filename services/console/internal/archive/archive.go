// Package archive reads evidence from ClickHouse for the console.
//
// It owns the queries and how rows become views of package desk; the tables and views it reads are those of pkg/evidence.
// It never writes. Questions of people (Query) run as a user who can only read, with bounds on time and size.
//
// An Archive is safe for concurrent use.
package archive

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"joinery.internal/pkg/clickhouse"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/history"
)

// Archive implements desk.Archive.
type Archive struct {
	conn   clickhouse.Conn
	reader clickhouse.Conn // of queries of people
	guard  driver.Settings
	store  *evidence.Store
}

// Open connects. reader is the URL of a user who can only read; empty: url, with writing forbidden query by query.
func Open(ctx context.Context, url, reader string) (*Archive, error) {
	conn, err := clickhouse.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("open evidence: %w", err)
	}
	a := &Archive{conn: conn, guard: bounds(), store: evidence.NewStore(conn)}
	if reader == "" {
		reader, a.guard["readonly"] = url, 1
	}
	if a.reader, err = inDatabase(reader); err != nil {
		return nil, errors.Join(fmt.Errorf("open evidence as the reader: %w", err), conn.Close())
	}
	return a, nil
}

// inDatabase gives a pool in which tables need no database before their name. It connects when it is first used, since
// the database is there only once the sink has made it.
func inDatabase(url string) (clickhouse.Conn, error) {
	o, err := clickhouse.Options(url)
	if err != nil {
		return nil, err
	}
	o.Auth.Database = evidence.Database
	return driver.Open(o)
}

// Close ends the connections.
func (a *Archive) Close() error {
	return errors.Join(a.conn.Close(), a.reader.Close())
}

// with gives a query its parameters, which the server binds.
func with(ctx context.Context, p driver.Parameters) context.Context {
	return driver.Context(ctx, driver.WithParameters(p))
}

// latest is later than any row is: see evidence.Row.
var latest = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)

// instant is a time as a parameter of type String, read by parseDateTime64BestEffort.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// moment is a column's time: the start of 1970 means that there is none.
func moment(t time.Time) time.Time {
	if t.UnixMilli() == 0 {
		return time.Time{}
	}
	return t.UTC()
}

func moments(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return moment(*t)
}

// History implements desk.Archive.
func (a *Archive) History(ctx context.Context, id event.IdentityID) ([]history.Event, error) {
	var rows []struct {
		EffectiveAt time.Time `ch:"effective_at"`
		KnownAt     time.Time `ch:"known_at"`
		OccurredAt  time.Time `ch:"occurred_at"`
		Changed     []string  `ch:"changed"`
		Person      string    `ch:"person"`
	}
	err := a.conn.Select(with(ctx, driver.Parameters{"id": string(id)}), &rows, `
		SELECT effective_at, known_at, occurred_at, JSONExtract(payload, 'changed', 'Array(String)') AS changed, JSONExtractRaw(payload, 'person') AS person
		FROM joinery.evidence WHERE identity_id = {id:String} AND startsWith(kind, 'identity.') AND person NOT IN ('', 'null')
		ORDER BY occurred_at, src_offset`)
	out := make([]history.Event, len(rows))
	for i, r := range rows {
		out[i] = history.Event{EffectiveAt: r.EffectiveAt, KnownAt: r.KnownAt, OccurredAt: r.OccurredAt, Changed: r.Changed, Person: json.RawMessage(r.Person)}
	}
	return out, err
}

type momentRow struct {
	EventID     string    `ch:"event_id"`
	Kind        string    `ch:"kind"`
	Service     string    `ch:"service"`
	IdentityID  string    `ch:"identity_id"`
	CaseID      string    `ch:"case_id"`
	CausationID string    `ch:"causation_id"`
	Source      string    `ch:"source"`
	Target      string    `ch:"target"`
	Account     string    `ch:"account"`
	Role        string    `ch:"role"`
	Entitlement string    `ch:"entitlement"`
	Actor       string    `ch:"actor"`
	Outcome     string    `ch:"outcome"`
	Reason      string    `ch:"reason"`
	Message     string    `ch:"message"`
	Policy      string    `ch:"policy"`
	Attempt     uint16    `ch:"attempt"`
	EffectiveAt time.Time `ch:"effective_at"`
	KnownAt     time.Time `ch:"known_at"`
	OccurredAt  time.Time `ch:"occurred_at"`
}

// rank orders what happened within one millisecond as the pipeline does it: a case opens before what it decides, and
// closes after what it waited for.
const rank = `multiIf(startsWith(kind, 'identity.'), 0, kind = 'case.opened', 1, startsWith(kind, 'access.'), 2, startsWith(kind, 'approval.'), 3,
	startsWith(kind, 'provision.'), 4, startsWith(kind, 'case.'), 6, 5)`

// Timeline implements desk.Archive. Rows of one instant come in the order of the pipeline.
func (a *Archive) Timeline(ctx context.Context, q desk.TimelineQuery) ([]desk.Moment, error) {
	var rows []momentRow
	p := driver.Parameters{"id": string(q.IdentityID), "case": q.CaseID, "kind": q.Kind, "limit": fmt.Sprint(q.Limit),
		"at": instant(cmp.Or(q.At, latest)), "known": instant(cmp.Or(q.Known, latest))}
	err := a.conn.Select(with(ctx, p), &rows, `
		SELECT event_id, kind, service, identity_id, case_id, causation_id, source, target, account, role, entitlement, actor, outcome, reason,
			message, policy, attempt, effective_at, known_at, occurred_at
		FROM joinery.evidence
		WHERE ({id:String} = '' OR identity_id = {id:String}) AND ({case:String} = '' OR case_id = {case:String})
			AND ({kind:String} = '' OR kind = {kind:String} OR startsWith(kind, concat({kind:String}, '.')))
			AND effective_at <= parseDateTime64BestEffort({at:String}, 3, 'UTC') AND known_at <= parseDateTime64BestEffort({known:String}, 3, 'UTC')
		ORDER BY occurred_at DESC, `+rank+` DESC, src_partition DESC, src_offset DESC LIMIT {limit:UInt32}`)
	if err != nil {
		return nil, err
	}
	out := make([]desk.Moment, len(rows))
	for i, r := range rows {
		m := desk.Moment(r)
		m.EffectiveAt, m.KnownAt, m.OccurredAt = moment(r.EffectiveAt), moment(r.KnownAt), moment(r.OccurredAt)
		out[len(rows)-1-i] = m
	}
	return out, nil
}

// Access implements desk.Archive.
func (a *Archive) Access(ctx context.Context, id event.IdentityID, at, known time.Time) ([]desk.Access, error) {
	from := "joinery.access_now"
	if !at.IsZero() {
		from = "joinery.access_as_of(at = '" + instant(at) + "', known = '" + instant(known) + "')"
	}
	var rows []struct {
		Role        string     `ch:"role"`
		Target      string     `ch:"target"`
		Entitlement string     `ch:"entitlement"`
		Since       time.Time  `ch:"since"`
		Until       *time.Time `ch:"until"`
	}
	err := a.conn.Select(with(ctx, driver.Parameters{"id": string(id)}), &rows,
		`SELECT role, target, entitlement, since, until FROM `+from+` WHERE identity_id = {id:String} ORDER BY role, target, entitlement`)
	if err != nil {
		return nil, err
	}
	out := make([]desk.Access, len(rows))
	for i, r := range rows {
		out[i] = desk.Access{ID: r.Role + "|" + r.Target + "|" + r.Entitlement, Role: r.Role, Target: r.Target, Entitlement: r.Entitlement,
			Since: moment(r.Since), Until: moments(r.Until)}
	}
	return out, nil
}

// KPI implements desk.Archive.
func (a *Archive) KPI(ctx context.Context, since time.Time) (evidence.KPITable, error) {
	return a.store.KPI(ctx, since)
}

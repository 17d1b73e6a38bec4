package desktest

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/history"
)

// Journal keeps what is written to it.
type Journal struct {
	Fails  error               // answers every write, when set
	Answer func(desk.Outgoing) // called after each record is written; nil: nothing

	mu      sync.Mutex
	records []desk.Incoming
	tails   []*Tail
}

// Append implements desk.Journal.
func (j *Journal) Append(_ context.Context, out ...desk.Outgoing) error {
	if j.Fails != nil {
		return j.Fails
	}
	for _, o := range out {
		first, last := int32(0), int32(Partitions-1)
		switch {
		case o.Partition != nil:
			first, last = *o.Partition, *o.Partition
		case !o.Everywhere:
			first = stream.Partition(o.Key, Partitions)
			last = first
		}
		for p := first; p <= last; p++ {
			j.write(desk.Incoming{Topic: o.Topic, Partition: p, Time: Start, Key: o.Key, Value: o.Value})
		}
	}
	if j.Answer != nil {
		for _, o := range out {
			j.Answer(o)
		}
	}
	return nil
}

func (j *Journal) write(r desk.Incoming) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Offset = int64(len(j.records))
	j.records = append(j.records, r)
	for _, t := range j.tails {
		if t.topic == r.Topic {
			t.incoming <- r
		}
	}
}

// Put writes a record of another service to a partition.
func (j *Journal) Put(t testing.TB, topic event.Topic, partition int32, v any) {
	t.Helper()
	value, err := wire.New(wire.Static()).Encode(string(topic), v)
	if err != nil {
		t.Fatal(err)
	}
	j.write(desk.Incoming{Topic: topic, Partition: partition, Time: Start, Value: value})
}

// Last implements desk.Journal.
func (j *Journal) Last(_ context.Context, topic event.Topic, limit int) ([]desk.Incoming, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	of := slices.DeleteFunc(slices.Clone(j.records), func(r desk.Incoming) bool { return r.Topic != topic })
	return of[max(0, len(of)-limit):], nil
}

// Read implements desk.Journal.
func (j *Journal) Read(ctx context.Context, topic event.Topic, see func(desk.Incoming)) error {
	records, err := j.Last(ctx, topic, math.MaxInt)
	for _, r := range records {
		see(r)
	}
	return err
}

// Lag implements desk.Journal.
func (j *Journal) Lag(context.Context) ([]desk.Lag, error) {
	return []desk.Lag{{ID: "ingest", State: "Stable", Members: 1, Records: 4}}, nil
}

// Tail implements desk.Journal.
func (j *Journal) Tail(_ context.Context, topic event.Topic) (desk.Tail, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	t := &Tail{topic: topic, incoming: make(chan desk.Incoming, 1000)} // more than any test writes
	j.tails = append(j.tails, t)
	return t, nil
}

// Tail gives records as they are written.
type Tail struct {
	topic    event.Topic
	incoming chan desk.Incoming
}

// Next implements desk.Tail.
func (t *Tail) Next(ctx context.Context) ([]desk.Incoming, error) {
	select {
	case r := <-t.incoming:
		return []desk.Incoming{r}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Partitions implements desk.Tail.
func (t *Tail) Partitions() int { return Partitions }

// Close implements desk.Tail.
func (t *Tail) Close() {}

// Written decodes what was written to a topic.
func Written[T any](t testing.TB, w *World, topic event.Topic) []T {
	t.Helper()
	records, err := w.Journal.Last(t.Context(), topic, 1000)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]T, len(records))
	for i, r := range records {
		if err := w.Desk.Codec.Decode(r.Value, string(topic), &out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// ErrDown is what an archive that is down answers.
var ErrDown = errors.New("connection refused")

// Archive answers what it was given. What it was asked is in Asked.
type Archive struct {
	Down      bool
	Heard     map[string]time.Time
	Newest    *event.Person
	People    []policy.Holder
	Why       []desk.Explanation
	Moments   []desk.Moment
	Roles     []desk.Access
	Workflows []desk.Case
	Letters   []desk.DeadLetter
	Trips     []desk.Guard
	Closed    []desk.Ticket
	Wrong     []desk.Exception
	Figures   evidence.KPITable
	Rows      desk.Table
	Evidence  []evidence.Row // of an audit or an export
	Events    []desk.PastEvent
	Woken     desk.Urgent
	Asked     struct {
		Export      desk.ExportQuery
		Timeline    desk.TimelineQuery
		Cases       desk.CaseQuery
		DeadLetters desk.DeadLetterQuery
		At, Known   time.Time
		Since       time.Time
		SQL         string
	}
}

func answer[T any](a *Archive, v T) (T, error) {
	if a.Down {
		var none T
		return none, ErrDown
	}
	return v, nil
}

// History implements desk.Archive: one event, of the newest person.
func (a *Archive) History(context.Context, event.IdentityID) ([]history.Event, error) {
	if a.Newest == nil {
		return answer[[]history.Event](a, nil)
	}
	b, err := json.Marshal(a.Newest)
	if err != nil {
		return nil, err
	}
	return answer(a, []history.Event{{Person: b}})
}

// Timeline implements desk.Archive.
func (a *Archive) Timeline(_ context.Context, q desk.TimelineQuery) ([]desk.Moment, error) {
	a.Asked.Timeline = q
	return answer(a, slices.Clone(a.Moments))
}

// Access implements desk.Archive.
func (a *Archive) Access(_ context.Context, _ event.IdentityID, at, known time.Time) ([]desk.Access, error) {
	a.Asked.At, a.Asked.Known = at, known
	return answer(a, a.Roles)
}

// Cases implements desk.Archive.
func (a *Archive) Cases(_ context.Context, q desk.CaseQuery) ([]desk.Case, error) {
	a.Asked.Cases = q
	all := slices.DeleteFunc(slices.Clone(a.Workflows), func(c desk.Case) bool { return q.ID != "" && c.ID != q.ID })
	return answer(a, all[:min(len(all), q.Limit)])
}

// DeadLetters implements desk.Archive.
func (a *Archive) DeadLetters(_ context.Context, q desk.DeadLetterQuery) ([]desk.DeadLetter, error) {
	a.Asked.DeadLetters = q
	return answer(a, slices.DeleteFunc(slices.Clone(a.Letters), func(l desk.DeadLetter) bool { return q.ID != "" && l.ID != q.ID }))
}

// Guards implements desk.Archive.
func (a *Archive) Guards(_ context.Context, id string) ([]desk.Guard, error) {
	return answer(a, slices.DeleteFunc(slices.Clone(a.Trips), func(g desk.Guard) bool { return id != "" && g.ID != id }))
}

// Exceptions implements desk.Archive.
func (a *Archive) Exceptions(context.Context, desk.ExceptionQuery) ([]desk.Exception, error) {
	return answer(a, slices.Clone(a.Wrong))
}

// Tickets implements desk.Archive.
func (a *Archive) Tickets(_ context.Context, q desk.ClosedTicketQuery) ([]desk.Ticket, error) {
	return answer(a, slices.DeleteFunc(slices.Clone(a.Closed), func(t desk.Ticket) bool { return q.ID != "" && t.ID != q.ID || q.State != "" && t.State != q.State }))
}

// Targets implements desk.Archive.
func (a *Archive) Targets(context.Context, time.Time) (map[string]desk.TargetUse, error) {
	return answer(a, map[string]desk.TargetUse{"chat": {Accounts: 3}})
}

// KPI implements desk.Archive.
func (a *Archive) KPI(_ context.Context, since time.Time) (evidence.KPITable, error) {
	a.Asked.Since = since
	return answer(a, a.Figures)
}

// Counts implements desk.Archive.
func (a *Archive) Counts(context.Context) (desk.Counts, error) {
	return answer(a, desk.Counts{Heard: a.Heard, Rows: 12, CasesOpen: 2, ExceptionsOpen: 1})
}

// Urgent implements desk.Archive.
func (a *Archive) Urgent(context.Context) (desk.Urgent, error) { return answer(a, a.Woken) }

// Query implements desk.Archive.
func (a *Archive) Query(_ context.Context, sql string) (desk.Table, error) {
	a.Asked.SQL = sql
	return answer(a, a.Rows)
}

// Population implements desk.Archive.
func (a *Archive) Population(context.Context) ([]policy.Holder, error) { return answer(a, a.People) }

// Past implements desk.Archive.
func (a *Archive) Past(_ context.Context, since time.Time, visit func(desk.PastEvent) error) error {
	a.Asked.Since = since
	events, err := answer(a, a.Events)
	for _, e := range events {
		if err := visit(e); err != nil {
			return err
		}
	}
	return err
}

// Decisions implements desk.Archive.
func (a *Archive) Decisions(context.Context, event.IdentityID) ([]desk.Explanation, error) {
	return answer(a, a.Why)
}

// Audit implements desk.Archive.
func (a *Archive) Audit(_ context.Context, visit func(evidence.Row) error) error {
	return a.visit(visit)
}

// Export implements desk.Archive. It gives all there is, whatever is asked.
func (a *Archive) Export(_ context.Context, q desk.ExportQuery, visit func(evidence.Row) error) error {
	a.Asked.Export = q
	return a.visit(visit)
}

func (a *Archive) visit(visit func(evidence.Row) error) error {
	rows, err := answer(a, a.Evidence)
	for _, r := range rows {
		if err := visit(r); err != nil {
			return err
		}
	}
	return err
}

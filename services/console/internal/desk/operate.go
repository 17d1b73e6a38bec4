package desk

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/clock"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/services/console/internal/inbox"
	"joinery.internal/services/console/internal/published"
)

// maxLine bounds one record of a file to produce, in bytes.
const maxLine = 1 << 20

// keys says what the record key is made of, for each topic that people and their systems may write to. Every other has
// a service or a verb of its own.
var keys = map[event.Topic][]string{
	event.SourceRecords:  {"source", "source_key"},
	event.UrgentRecords:  {"source", "source_key"},
	event.IntakeCommands: {"source", "source_key"},
	event.AccessRequests: {"identity_id"},
}

// Produce writes JSON lines to a topic that source systems write to, all of them or none.
func (d *Desk) Produce(ctx context.Context, topic event.Topic, lines io.Reader, dryRun bool) (Produced, error) {
	if keys[topic] == nil {
		return Produced{}, fault(Invalid, "topic %q is not for people to write to: source systems write %s, request systems %s; every other topic has a service or a verb of its own",
			topic, event.SourceRecords, event.AccessRequests)
	}
	in := bufio.NewScanner(lines)
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	var records []Outgoing
	number := 0
	for in.Scan() {
		number++
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 {
			continue
		}
		r, err := d.record(topic, line)
		if err != nil {
			return Produced{}, fault(Invalid, "line %d: %v; nothing was produced", number, err)
		}
		records = append(records, r)
	}
	if err := in.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return Produced{}, fault(Invalid, "line %d: longer than %d bytes; nothing was produced", number+1, maxLine)
		}
		return Produced{}, fmt.Errorf("read what is to be produced: %w", err)
	}
	if dryRun || len(records) == 0 {
		return Produced{DryRun: dryRun}, nil
	}
	if err := d.Journal.Append(ctx, records...); err != nil {
		return Produced{}, unavailable("write to "+string(topic)+"; nothing was produced", err)
	}
	return Produced{Produced: len(records)}, nil
}

// record encodes one line and works out its key.
func (d *Desk) record(topic event.Topic, line []byte) (Outgoing, error) {
	value, err := d.Codec.EncodeJSON(string(topic), line)
	if err != nil {
		return Outgoing{}, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return Outgoing{}, fmt.Errorf("read the record's key: %w", err)
	}
	parts := make([]string, len(keys[topic]))
	for i, name := range keys[topic] {
		if err := json.Unmarshal(fields[name], &parts[i]); err != nil || parts[i] == "" {
			return Outgoing{}, fmt.Errorf("%q must not be empty: it is part of the record's key", name)
		}
	}
	return Outgoing{Topic: topic, Key: strings.Join(parts, "/"), Value: value}, nil
}

// KPI computes the pipeline's figures over the time up to now.
func (d *Desk) KPI(ctx context.Context, since time.Duration) (evidence.KPITable, error) {
	if since <= 0 {
		return evidence.KPITable{}, fault(Invalid, "since must be a duration such as 30d or 36h")
	}
	out, err := d.Archive.KPI(ctx, d.Clock.Now().UTC().Add(-since))
	if err != nil {
		return evidence.KPITable{}, unavailable("compute KPIs from the evidence", err)
	}
	return out, nil
}

// SQL answers a query of the evidence. It runs as a user who can only read.
func (d *Desk) SQL(ctx context.Context, query string) (Table, error) {
	if strings.TrimSpace(query) == "" {
		return Table{}, fault(Invalid, "give a query, such as SELECT kind, count() FROM evidence GROUP BY kind")
	}
	return d.Archive.Query(ctx, query)
}

// Status looks at everything at once. What does not answer is named and does not hide the rest.
func (d *Desk) Status(ctx context.Context) Status {
	s := Status{State: "ok", Now: d.now(), People: len(d.Directory.All()), Endpoints: d.Endpoints, Lag: []Lag{}, Sources: []SourceStatus{}, Silent: []string{}, Faults: []string{}}
	note := func(what string, err error) {
		s.State = "degraded"
		s.Faults = append(s.Faults, what+": "+err.Error())
	}
	var inForce published.Bundle
	if b, ok, err := d.Policies.Current(); err != nil {
		note("policy", err)
	} else if ok {
		s.Policy, inForce = b.Hash, b
	}
	s.ApprovalsOpen = len(d.Inbox.List(func(a inbox.Approval) bool { return a.Status == inbox.Open }))
	s.TicketsOpen = len(d.Queue.List(func(event.Ticket) bool { return true }))
	if counts, err := d.Archive.Counts(ctx); err != nil {
		note("evidence", err)
	} else {
		s.Evidence = &counts
		s.listen(inForce, counts.Heard)
	}
	if lag, err := d.Journal.Lag(ctx); err != nil {
		note("kafka", err)
	} else {
		s.Lag = append(s.Lag, lag...)
		slices.SortFunc(s.Lag, func(a, b Lag) int { return cmp.Compare(a.ID, b.ID) })
	}
	return s
}

// listen says which sources are silent. One that was never heard is so since the policy that has it is in force.
func (s *Status) listen(b published.Bundle, heard map[string]time.Time) {
	if b.Config == nil {
		return
	}
	for _, c := range b.Config.Sources {
		out := SourceStatus{ID: c.Name.Value, Intake: c.Intake.Kind(), LastHeardAt: heard[c.Name.Value]}
		since := out.LastHeardAt
		if since.IsZero() {
			since = b.ActivatedAt
		}
		if out.Silent = c.ExpectEvery > 0 && s.Now.Sub(since) > c.ExpectEvery; out.Silent {
			s.Silent = append(s.Silent, out.ID)
		}
		s.Sources = append(s.Sources, out)
	}
}

// now is the pipeline's time as precisely as anything else of it.
func (d *Desk) now() time.Time { return d.Clock.Now().UTC().Truncate(time.Millisecond) }

// ReadClock tells the pipeline's time.
func (d *Desk) ReadClock() ClockReading {
	return ClockReading{Now: d.now(), Movable: d.Advance != nil}
}

// MoveClock moves the pipeline's clock ahead, so that dated things can be tried.
func (d *Desk) MoveClock(by time.Duration, dryRun bool) (ClockReading, error) {
	switch {
	case d.Advance == nil:
		return ClockReading{}, fault(Forbidden, "this pipeline runs on real time; only the clock of `joinery dev` can be moved")
	case by <= 0:
		return ClockReading{}, fault(Invalid, "the clock only moves ahead: give a duration such as 36h or 14d")
	case dryRun:
		return ClockReading{Now: d.now().Add(by), Movable: true}, nil
	}
	now, err := d.Advance(by)
	switch {
	case errors.Is(err, clock.ErrBeyond):
		return ClockReading{}, fault(Invalid, "%v", err)
	case err != nil:
		return ClockReading{}, unavailable("move the clock", err)
	}
	return ClockReading{Now: now.UTC().Truncate(time.Millisecond), Movable: true}, nil
}

// Cat shows the newest records of a topic, oldest first, in plain JSON.
func (d *Desk) Cat(ctx context.Context, topic event.Topic, limit int) ([]TopicRecord, error) {
	limit, err := limitOf(limit)
	if err != nil {
		return nil, err
	}
	records, err := d.Journal.Last(ctx, topic, limit)
	if err != nil {
		return nil, err
	}
	out := make([]TopicRecord, len(records))
	for i, r := range records {
		out[i] = TopicRecord{ID: fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset), Key: r.Key, Time: r.Time.UTC()}
		if r.Value == nil {
			continue // a tombstone
		}
		if doc, _, err := d.Codec.DecodeJSON(r.Value); err == nil {
			out[i].Value = doc
		} else if json.Valid(r.Value) {
			out[i].Value = r.Value
		} else {
			out[i].Fault = err.Error()
		}
	}
	return out, nil
}

package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	"joinery.internal/pkg/event"
)

// What a replay of a dead letter is.
const (
	RemedyRecord  = "record"  // the record is written again, as it was or corrected
	RemedyAccount = "account" // an account that the provisioner parks is driven again, at what is wanted of it now
	RemedyNone    = "none"    // a link of a chain is never written again
)

// DeadLetterQuery asks for dead letters, newest first.
type DeadLetterQuery struct {
	ID    string // exactly; empty: any
	State string // open, resolved; empty: any
	Class string // empty: any
	Topic string // that the record stands in; empty: any
	Limit int
	Whole bool // with the letters themselves
}

// DeadLetters lists records that could not be handled.
func (d *Desk) DeadLetters(ctx context.Context, q DeadLetterQuery) ([]DeadLetter, error) {
	var err error
	if q.Limit, err = limitOf(q.Limit); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "open", "resolved"}, q.State) {
		return nil, fault(Invalid, "state is %q: give open or resolved, or leave it out", q.State)
	}
	rows, err := d.Archive.DeadLetters(ctx, q)
	if err != nil {
		return nil, unavailable("read dead letters from the evidence", err)
	}
	for i := range rows {
		rows[i].Remedy = remedyOf(event.Topic(rows[i].Topic))
	}
	return rows, nil
}

func remedyOf(topic event.Topic) string {
	switch {
	case topic == event.AccessDesired:
		return RemedyAccount
	case topic.Chained():
		return RemedyNone
	}
	return RemedyRecord
}

// DeadLetter shows one of them whole, with the record as people can read it.
func (d *Desk) DeadLetter(ctx context.Context, id string) (DeadLetter, error) {
	rows, err := d.DeadLetters(ctx, DeadLetterQuery{ID: id, Limit: 1, Whole: true})
	if err != nil {
		return DeadLetter{}, err
	}
	if len(rows) == 0 {
		return DeadLetter{}, fault(NotFound, "there is no dead letter %q: list them, or wait a moment if it was written just now", id)
	}
	letter := rows[0]
	if len(letter.Raw) == 0 {
		return letter, nil
	}
	record, err := d.original(letter)
	if err != nil {
		return letter, err
	}
	letter.Key, letter.Value, letter.Headers = string(record.Key), record.Value, map[string]string{}
	for name, value := range record.Headers {
		letter.Headers[name] = string(value)
	}
	if doc, ok := d.plain(record.Value); ok {
		letter.Decoded = doc
	}
	return letter, nil
}

// LetterChoice says which dead letters are meant: those named, else the open ones that fit.
type LetterChoice struct {
	IDs   []string
	Class string
	Topic string
	Where string // CEL over letter, record, key and at
}

func (c LetterChoice) String() string {
	if len(c.IDs) > 0 {
		return fmt.Sprintf("%d dead letters by id", len(c.IDs))
	}
	parts := []string{"open dead letters"}
	for _, p := range []struct{ name, value string }{{"class", c.Class}, {"topic", c.Topic}, {"where", c.Where}} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	return strings.Join(parts, ", ")
}

// BulkRemedy is what somebody does about several dead letters.
type BulkRemedy struct {
	LetterChoice
	Discard bool // nothing is to be done about them; else they are handled again, as they are
	Reason  string
	DryRun  bool
}

// BulkRemedied is what was done.
type BulkRemedied struct {
	Remedied
	Failures []string `json:"failures" doc:"letters that nothing was done about, and why"`
	More     bool     `json:"more" doc:"there may be more that fit: do it again"`
}

// RemedyLetters does the same about several dead letters, in batches that are each done whole or not at all.
func (d *Desk) RemedyLetters(ctx context.Context, r BulkRemedy, actor Actor) (BulkRemedied, error) {
	out := BulkRemedied{Remedied: Remedied{ID: d.NewID(), Topic: string(event.DeadLetters), Filter: r.String(), DryRun: r.DryRun}, Failures: []string{}}
	switch {
	case actor.ID == "":
		return out, fault(Forbidden, "only a person can decide: sign in, or act as one (--as PERSON)")
	case !r.DryRun && strings.TrimSpace(r.Reason) == "":
		return out, fault(Invalid, "give a reason: it becomes evidence")
	case len(r.IDs) > MaxLimit:
		return out, fault(Invalid, "%d letters at once: give at most %d", len(r.IDs), MaxLimit)
	case len(r.IDs) > 0 && (r.Class != "" || r.Topic != "" || r.Where != ""):
		return out, fault(Invalid, "name letters, or say which by class, topic and where; not both")
	case len(r.IDs) == 0 && r.Class == "" && r.Topic == "" && r.Where == "":
		return out, fault(Invalid, "say which letters: by id, or by class, topic or where")
	}
	letters, err := d.chosen(ctx, r.LetterChoice, &out)
	if err != nil {
		return out, err
	}
	steps, err := d.bulk(ctx, letters, r.Discard, &out)
	if err != nil || r.DryRun || len(steps) == 0 {
		return out, err
	}
	var commands []event.ReplayCommand
	if !r.Discard {
		commands = []event.ReplayCommand{{Kind: event.ReplayStart}}
	}
	for batch := range slices.Chunk(steps, replayBatch) {
		var records []Outgoing
		for _, s := range batch {
			records = append(records, s.records...)
			commands = append(commands, s.commands...)
		}
		if err := d.remedied(ctx, out.Remedied, r.Reason, actor, commands, records...); err != nil {
			return out, err
		}
		commands = nil
	}
	if r.Discard {
		return out, nil
	}
	return out, d.remedied(ctx, out.Remedied, r.Reason, actor, []event.ReplayCommand{{Kind: event.ReplayFinish, Count: int64(out.Count)}})
}

// bulk works out what is to be written; what cannot be is named in out.
func (d *Desk) bulk(ctx context.Context, letters []DeadLetter, discard bool, out *BulkRemedied) ([]remedyStep, error) {
	var newest map[string]Incoming
	if !discard {
		var err error
		if newest, err = d.newest(ctx, letters...); err != nil {
			return nil, err
		}
	}
	var steps []remedyStep
	for _, l := range letters {
		step := remedyStep{commands: resolved(l.ID, "person")}
		if !discard {
			var err error
			if step, err = d.handledAgain(l, nil, newest); err != nil {
				out.Failures = append(out.Failures, l.ID+": "+err.Error())
				continue
			}
		}
		steps = append(steps, step)
	}
	out.Count = len(steps)
	return steps, nil
}

// chosen reads the letters that are meant. One that is named and resolved already is a failure, one that is not there a fault.
func (d *Desk) chosen(ctx context.Context, c LetterChoice, out *BulkRemedied) (letters []DeadLetter, err error) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(c.IDs))) {
		l, err := d.DeadLetter(ctx, id)
		switch {
		case err != nil:
			return nil, err
		case !l.ResolvedAt.IsZero():
			out.Failures = append(out.Failures, l.ID+": resolved already ("+l.Resolution+")")
		default:
			letters = append(letters, l)
		}
	}
	if len(c.IDs) > 0 {
		return letters, nil
	}
	meant, err := newFilter(c.Where, map[string]*cel.Type{"letter": cel.DynType, "record": cel.DynType, "key": cel.StringType, "at": cel.TimestampType})
	if err != nil {
		return nil, err
	}
	all, err := d.DeadLetters(ctx, DeadLetterQuery{State: "open", Class: c.Class, Topic: c.Topic, Limit: MaxLimit, Whole: true})
	if err != nil {
		return nil, err
	}
	out.More = len(all) == MaxLimit
	for _, l := range all {
		values, err := d.valuesOf(l)
		if err != nil {
			return nil, err
		}
		if meant(values) {
			letters = append(letters, l)
		}
	}
	return letters, nil
}

// valuesOf are the variables of a filter. A record that nobody can read is null.
func (d *Desk) valuesOf(l DeadLetter) (map[string]any, error) {
	original, err := d.original(l)
	if err != nil {
		return nil, err
	}
	var record any
	if doc, ok := d.plain(original.Value); ok {
		if err := json.Unmarshal(doc, &record); err != nil {
			return nil, fmt.Errorf("read the record of dead letter %s: %w", l.ID, err)
		}
	}
	letter := map[string]any{"id": l.ID, "class": l.Class, "service": l.Service, "topic": l.Topic, "partition": int64(l.Partition), "offset": l.Offset,
		"message": l.Message, "identity_id": l.IdentityID, "target": l.Target}
	return map[string]any{"letter": letter, "record": record, "key": string(original.Key), "at": l.OpenedAt}, nil
}

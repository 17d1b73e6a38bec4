package desk

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"joinery.internal/pkg/event"
)

// replayBatch is how many records of a replay are written in one transaction.
const replayBatch = 500

// Remedy is what somebody does about a dead letter.
type Remedy struct {
	Reason string
	Value  json.RawMessage // replay this instead, as JSON; empty: as it is
	DryRun bool
}

// Remedied is what was done.
type Remedied struct {
	ID     string `json:"id" doc:"of the replay, in evidence"`
	Topic  string `json:"topic"`
	Filter string `json:"filter" doc:"which records"`
	Count  int    `json:"count" doc:"how many were, or would be, written again"`
	DryRun bool   `json:"dry_run"`
}

// ReplayLetter has the record of a dead letter handled again. It is written as it was, so its idempotency key is the same:
// what has been done meanwhile is not done twice.
func (d *Desk) ReplayLetter(ctx context.Context, id string, r Remedy, actor Actor) (Remedied, error) {
	letter, out, err := d.openLetter(ctx, id, r.Reason, actor)
	if err != nil {
		return out, err
	}
	newest, err := d.newest(ctx, letter)
	if err != nil {
		return out, err
	}
	step, err := d.handledAgain(letter, r.Value, newest)
	if err != nil {
		return out, err
	}
	out.Count, out.DryRun = 1, r.DryRun
	if r.DryRun {
		return out, nil
	}
	commands := append([]event.ReplayCommand{{Kind: event.ReplayStart}, {Kind: event.ReplayFinish, Count: 1}}, step.commands...)
	return out, d.remedied(ctx, out, r.Reason, actor, commands, step.records...)
}

// remedyStep is what is written about one letter.
type remedyStep struct {
	records  []Outgoing
	commands []event.ReplayCommand
}

// handledAgain is a letter's record once more, fixed or as it was, and the end of its exception.
func (d *Desk) handledAgain(letter DeadLetter, fixed json.RawMessage, newest map[string]Incoming) (remedyStep, error) {
	record, err := d.again(letter, fixed, newest)
	step := remedyStep{records: []Outgoing{record}}
	if letter.Service != provisionerName { // who says itself when the account is as it should be
		step.commands = resolved(letter.ID, "replay")
	}
	return step, err
}

func resolved(letter, how string) []event.ReplayCommand {
	return []event.ReplayCommand{{Kind: event.ReplayResolve, ExceptionID: letter, Resolution: how}}
}

// provisionerName is the service whose letters are about accounts: it parks them, and the newest desired state drives them.
const provisionerName = "provisioner"

// DiscardLetter says that nothing is to be done about a dead letter.
func (d *Desk) DiscardLetter(ctx context.Context, id string, r Remedy, actor Actor) (Remedied, error) {
	_, out, err := d.openLetter(ctx, id, r.Reason, actor)
	if err != nil || r.DryRun {
		out.DryRun = r.DryRun
		return out, err
	}
	return out, d.remedied(ctx, out, r.Reason, actor, resolved(id, "person"))
}

// openLetter is a dead letter that nobody has dealt with, and the beginning of what is done about it.
func (d *Desk) openLetter(ctx context.Context, id, reason string, actor Actor) (DeadLetter, Remedied, error) {
	letter, err := d.DeadLetter(ctx, id)
	if err != nil {
		return letter, Remedied{}, err
	}
	switch {
	case actor.ID == "":
		return letter, Remedied{}, fault(Forbidden, "only a person can decide: sign in, or act as one (--as PERSON)")
	case strings.TrimSpace(reason) == "":
		return letter, Remedied{}, fault(Invalid, "give a reason: it becomes evidence")
	case !letter.ResolvedAt.IsZero():
		return letter, Remedied{}, fault(Conflict, "this dead letter is resolved (%s); there is nothing left to do", letter.Resolution)
	}
	return letter, Remedied{ID: d.NewID(), Topic: letter.Topic, Filter: "dead letter " + id}, nil
}

// again is the record to write. newest gives what is desired now, by key.
func (d *Desk) again(letter DeadLetter, fixed json.RawMessage, newest map[string]Incoming) (Outgoing, error) {
	record, err := d.original(letter)
	if err != nil {
		return Outgoing{}, err
	}
	switch letter.Remedy {
	case RemedyNone:
		return Outgoing{}, fault(Conflict, "records of %s are links of a chain and cannot be written again; replay what led to it: the record named as its cause", letter.Topic)
	case RemedyAccount: // a level: only the newest of its key may be the last
		if len(fixed) > 0 {
			return Outgoing{}, fault(Invalid, "what is desired comes of the policy: correct policy or target file, and replay the letter as it is")
		}
		now, ok := newest[string(record.Key)]
		if !ok || now.Value == nil {
			return Outgoing{}, fault(NotFound, "%s has no record of %q any more: nothing is wanted of that account", letter.Topic, record.Key)
		}
		return Outgoing{Topic: event.AccessDesired, Key: now.Key, Partition: &now.Partition, Value: now.Value}, nil
	}
	o := Outgoing{Topic: event.Topic(letter.Topic), Key: string(record.Key), Partition: &record.Partition, Value: record.Value, Headers: record.Headers}
	if len(fixed) > 0 {
		value, err := d.Codec.EncodeJSON(letter.Topic, fixed)
		if err != nil {
			return o, fault(Invalid, "the corrected value: %v", err)
		}
		o.Value = value
	}
	return o, nil
}

// original is the dead letter as it was written. Of an account that the provisioner parks there is the key alone.
func (d *Desk) original(letter DeadLetter) (event.DeadLetter, error) {
	record := event.DeadLetter{Key: []byte(letter.IdentityID + "|" + letter.Target)}
	if len(letter.Raw) > 0 {
		if err := d.Codec.Decode(letter.Raw, string(event.DeadLetters), &record); err != nil {
			return record, fmt.Errorf("read dead letter %s: %w", letter.ID, err)
		}
	}
	return record, nil
}

// newest reads what is desired now of the accounts that letters are about, in one pass.
func (d *Desk) newest(ctx context.Context, letters ...DeadLetter) (map[string]Incoming, error) {
	found := map[string]Incoming{}
	for _, l := range letters {
		record, err := d.original(l)
		if err != nil {
			return nil, err
		}
		if l.Remedy == RemedyAccount {
			found[string(record.Key)] = Incoming{}
		}
	}
	if len(found) == 0 {
		return found, nil
	}
	return found, d.Journal.Read(ctx, event.AccessDesired, func(r Incoming) {
		if _, wanted := found[r.Key]; wanted {
			found[r.Key] = r
		}
	})
}

// remedied writes what was done and the evidence of it, all or nothing.
func (d *Desk) remedied(ctx context.Context, out Remedied, reason string, actor Actor, commands []event.ReplayCommand, records ...Outgoing) error {
	for _, c := range commands {
		c.ID, c.Topic, c.Filter, c.Actor, c.Reason, c.At = out.ID, out.Topic, out.Filter, actor.ID, strings.TrimSpace(reason), d.Clock.Now()
		value, err := d.Codec.Encode(string(event.ReplayCommands), c)
		if err != nil {
			return unavailable("encode what was done", err)
		}
		records = append(records, Outgoing{Topic: event.ReplayCommands, Key: out.ID, Value: value})
	}
	if err := d.Journal.Append(ctx, records...); err != nil {
		return unavailable("write the records again", err)
	}
	return nil
}

// ReplayQuery says which records of a topic are to be handled again.
type ReplayQuery struct {
	Topic    event.Topic
	From, To time.Time // by when they were written; zero: no bound
	Where    string    // CEL over record, key and at; empty: all
	Reason   string
	DryRun   bool // count only
}

// Replay has records handled again that were written in a time. Their idempotency keys are the same. Of what is desired it
// writes the newest state of each account.
func (d *Desk) Replay(ctx context.Context, q ReplayQuery, actor Actor) (Remedied, error) {
	matches, err := d.mayReplay(q, actor)
	if err != nil {
		return Remedied{}, err
	}
	out := Remedied{ID: d.NewID(), Topic: string(q.Topic), Filter: describeReplay(q), DryRun: q.DryRun}
	var found []Incoming
	at := map[string]int{} // of what is desired: the newest of each key
	err = d.Journal.Read(ctx, q.Topic, func(r Incoming) {
		before, known := at[r.Key]
		switch {
		case q.Topic == event.AccessDesired && known:
			found[before] = r
		default:
			at[r.Key] = len(found)
			found = append(found, r)
		}
	})
	if err != nil {
		return out, err
	}
	found = slices.DeleteFunc(found, func(r Incoming) bool {
		return r.Value == nil || (!q.From.IsZero() && r.Time.Before(q.From)) || (!q.To.IsZero() && !r.Time.Before(q.To)) || !matches(r)
	})
	slices.SortStableFunc(found, func(a, b Incoming) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	out.Count = len(found)
	if q.DryRun || len(found) == 0 {
		return out, nil
	}
	commands := []event.ReplayCommand{{Kind: event.ReplayStart}}
	for batch := range slices.Chunk(found, replayBatch) {
		records := make([]Outgoing, len(batch))
		for i, r := range batch {
			records[i] = Outgoing{Topic: r.Topic, Key: r.Key, Partition: &batch[i].Partition, Value: r.Value}
		}
		if err := d.remedied(ctx, out, q.Reason, actor, commands, records...); err != nil {
			return out, err
		}
		commands = nil
	}
	return out, d.remedied(ctx, out, q.Reason, actor, []event.ReplayCommand{{Kind: event.ReplayFinish, Count: int64(len(found))}})
}

// mayReplay checks a replay before anything is read.
func (d *Desk) mayReplay(q ReplayQuery, actor Actor) (matches func(Incoming) bool, err error) {
	switch {
	case q.Topic != event.AccessDesired && keys[q.Topic] == nil:
		return nil, fault(Invalid, "records of %q cannot be written again: give %s, %s, or %s, whose newest state of each account then is driven again",
			q.Topic, event.SourceRecords, event.AccessRequests, event.AccessDesired)
	case actor.ID == "":
		return nil, fault(Forbidden, "only a person can decide: sign in, or act as one (--as PERSON)")
	case !q.DryRun && strings.TrimSpace(q.Reason) == "":
		return nil, fault(Invalid, "give a reason: it becomes evidence")
	case !q.To.IsZero() && !q.From.Before(q.To):
		return nil, fault(Invalid, "`from` must be before `to`")
	}
	meant, err := newFilter(q.Where, map[string]*cel.Type{"record": cel.DynType, "key": cel.StringType, "at": cel.TimestampType})
	if err != nil || q.Where == "" {
		return func(Incoming) bool { return true }, err
	}
	return func(r Incoming) bool {
		doc, _, err := d.Codec.DecodeJSON(r.Value)
		var record any
		if err != nil || json.Unmarshal(doc, &record) != nil {
			return false // poison was poison
		}
		return meant(map[string]any{"record": record, "key": r.Key, "at": r.Time})
	}, nil
}

func describeReplay(q ReplayQuery) string {
	var parts []string
	for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !at.IsZero() {
			parts = append(parts, name+" "+at.UTC().Format(time.RFC3339))
		}
	}
	slices.Sort(parts)
	if q.Where != "" {
		parts = append(parts, "where "+q.Where)
	}
	return cmp.Or(strings.Join(parts, ", "), "all")
}

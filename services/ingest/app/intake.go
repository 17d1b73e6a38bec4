package app

import (
	"errors"
	"fmt"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/ingest/internal/calendar"
	"joinery.internal/services/ingest/internal/intake"
)

// State of the intake topology, all by record key (source/source_key) but the count.
var (
	links  = stream.NewTable[event.IdentityID]("link")
	parked = stream.NewTable[[]event.Fact]("parked") // in order of arrival
	counts = stream.NewTable[int]("count")           // of parked workers, so that Idle need not look when there are none
)

const (
	parkedWorkers = "parked"
	maxParked     = 64 // records of one worker
	intakeName    = "intake"
)

// Intake checks and correlates source records.
func Intake(sources []intake.Source, dir intake.Directory) stream.Topology {
	in := &intaker{check: intake.NewChecker(sources, calendar.NewZones()), dir: dir, sources: map[string]intake.Source{}}
	for _, s := range sources {
		in.sources[s.Name] = s
	}
	return stream.Topology{
		Name: intakeName,
		Inputs: []stream.Input{{Topic: event.UrgentRecords, Handle: in.ahead, Entrance: true, Urgent: true}, {Topic: event.SourceRecords, Handle: in.handle, Entrance: true},
			{Topic: event.IntakeCommands, Handle: in.command, Entrance: true}, {Topic: event.SourceRejects, Handle: reject, Entrance: true}},
		Outputs: []stream.Output{{Topic: event.IdentityFacts, Rekey: true}, {Topic: event.UrgentFacts, Rekey: true}, {Topic: event.SourceRecords, Rekey: true}, {Topic: event.WaitingRecords}},
		Idle:    in.recheck,
	}
}

type intaker struct {
	check   *intake.Checker
	dir     intake.Directory
	sources map[string]intake.Source
}

func (in *intaker) handle(tx *stream.Tx, r stream.Record) error {
	rec, err := stream.Decode[event.SourceRecord](tx, r)
	if err != nil {
		return err
	}
	rec = intake.Normalise(rec)
	src, err := in.check.Check(r.Key, rec)
	if err != nil {
		if f, ok := errors.AsType[*intake.Fault](err); ok {
			return stream.Poison(f.Class, err)
		}
		return fmt.Errorf("check record: %w", err)
	}
	linked, _ := links.Get(tx, r.Key)
	match, found := intake.Correlate(src, rec, linked, in.dir)
	fact := intake.NewFact(src, rec, match, tx.Now())
	urgent := found && in.overtakes(r.Topic, fact)
	switch {
	case !found && r.Topic == event.UrgentRecords && rec.Overtakes() && rec.Kind != event.Emergency: // it may have overtaken its hire
		tx.Emit(event.SourceRecords, r.Key, rec)
		return nil
	case !found && rec.Kind == event.Observation:
		emit(tx, intake.ObservedFact(src, rec, tx.Now()), false)
		return nil
	case !found:
		return in.park(tx, r.Key, intake.ParkedFact(src, rec, match, tx.Now()))
	}
	if linked != "" || rec.Kind == event.Observation {
		emit(tx, fact, urgent)
		return nil
	}
	links.Put(tx, r.Key, match.ID)
	if match.How == intake.AsNew { // what waited, waited for this hire
		emit(tx, fact, urgent)
		in.release(tx, r.Key, match, intake.Said{})
		return nil
	}
	in.release(tx, r.Key, match, intake.Said{})
	emit(tx, fact, urgent)
	return nil
}

// reject makes a dead letter of what an adapter could not make a record of. The same reject again has the same id.
func reject(tx *stream.Tx, r stream.Record) error {
	v, err := stream.Decode[event.Reject](tx, r)
	if err != nil {
		return err
	}
	id := event.DeriveID("dl", 0, v.Source, v.ID)
	letter := event.DeadLetter{
		Meta: event.Meta{EventID: event.EventID(id), Kind: event.ExceptionOpened, CausationID: v.Place, Source: v.Source, Actor: "intake",
			Outcome: "dead_lettered", Reason: v.Class, Message: v.Message, EffectiveAt: tx.Now(), KnownAt: tx.Now(), OccurredAt: tx.Now()},
		Service: "intake", Topic: v.Topic, Partition: v.Partition, Offset: v.Offset, Key: v.Key, Value: v.Value,
		Exception: event.Exception{ExceptionID: id, Class: "dead_letter"},
	}
	tx.Emit(event.DeadLetters, r.Key, &letter)
	return nil
}

// overtakes says whether a fact goes by the fast lane: emergencies, what came by it, and ends, but no end its own hire.
func (in *intaker) overtakes(from event.Topic, f event.Fact) bool {
	if f.Record.Kind == event.Emergency || !f.Record.Overtakes() {
		return f.Record.Kind == event.Emergency || from == event.UrgentRecords
	}
	_, hired := in.dir.Entry(f.IdentityID)
	return hired
}

// emit sends a fact to its identity.
func emit(tx *stream.Tx, f event.Fact, urgent bool) {
	topic := event.IdentityFacts
	if urgent {
		topic = event.UrgentFacts
	}
	tx.Emit(topic, string(f.IdentityID), f)
}

// park keeps a record until somebody is known, and puts the wait on record. The same record again is on record again
// (as a duplicate), but waits once.
func (in *intaker) park(tx *stream.Tx, key string, f event.Fact) error {
	waiting, _ := parked.Get(tx, key)
	emit(tx, f, f.Record.Kind == event.Emergency)
	for _, w := range waiting {
		if w.ID == f.ID {
			return nil
		}
	}
	switch len(waiting) {
	case maxParked:
		return stream.Poison("invalid", fmt.Errorf("%d records of this worker wait for somebody with their keys already; make the person known, then replay", maxParked))
	case 0:
		in.count(tx, 1)
	}
	in.wait(tx, key, append(waiting, f))
	return nil
}

// newest is how many of the records of a worker that wait people are shown.
const newest = 3

// wait keeps the records of a worker that wait, and lets people see them; none: nothing waits any more.
func (in *intaker) wait(tx *stream.Tx, key string, waiting []event.Fact) {
	if len(waiting) == 0 {
		parked.Delete(tx, key)
		tx.Emit(event.WaitingRecords, key, nil)
		return
	}
	parked.Put(tx, key, waiting)
	first := waiting[0]
	whose, _ := links.Get(tx, key)
	w := event.Waiting{Source: first.Record.Source, SourceKey: first.Record.SourceKey, Reason: first.Parked, Candidates: first.Candidates, Whose: whose,
		New: firstIdentity(in.sources[first.Record.Source], waiting), Since: first.KnownAt, Count: len(waiting)}
	for _, f := range waiting[max(0, len(waiting)-newest):] {
		w.Records = append(w.Records, f.Record)
	}
	tx.Emit(event.WaitingRecords, key, w)
}

// release emits what waited for a worker, in order, now that it is known whose it is: an end by the fast lane, unless an
// upsert goes before it. What still lacks another worker (a merge) goes on waiting.
func (in *intaker) release(tx *stream.Tx, key string, whose intake.Match, said intake.Said) {
	waiting, ok := parked.Get(tx, key)
	if !ok {
		return
	}
	var rest []event.Fact
	inOrder := whose.How == intake.AsNew
	for _, f := range waiting {
		match, found := intake.Correlate(in.sources[f.Record.Source], f.Record, whose.ID, in.dir)
		if !found {
			rest = append(rest, f)
			continue
		}
		match.How = whose.How
		inOrder = inOrder || f.Record.Kind == event.Upsert
		emit(tx, intake.Release(f, match, said), f.Record.Overtakes() && !inOrder || f.Record.Kind == event.Emergency)
	}
	in.wait(tx, key, rest)
	if len(rest) == 0 {
		in.count(tx, -1)
	}
}

func (in *intaker) count(tx *stream.Tx, by int) {
	n, _ := counts.Get(tx, parkedWorkers)
	if n += by; n == 0 {
		counts.Delete(tx, parkedWorkers)
		return
	}
	counts.Put(tx, parkedWorkers, n)
}

// recheck looks again whether anybody has the keys of what waits.
func (in *intaker) recheck(tx *stream.Tx) error {
	if n, _ := counts.Get(tx, parkedWorkers); n == 0 {
		return nil
	}
	for key, waiting := range parked.All(tx) {
		linked, _ := links.Get(tx, key)
		for _, f := range waiting {
			src, ok := in.sources[f.Record.Source]
			if !ok { // no longer configured; what waits stays on record
				break
			}
			if match, found := intake.Correlate(src, f.Record, linked, in.dir); found {
				links.Put(tx, key, match.ID)
				in.release(tx, key, match, intake.Said{})
				break
			}
		}
	}
	return nil
}

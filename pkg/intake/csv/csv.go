package csv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
)

// scanEvery is how often the folder is looked at, and how long a file without a manifest must not have changed.
const scanEvery = time.Second

// chunk bounds one transaction, in rows.
const chunk = 1000

// Names of marks.
const (
	fileMark = "file" // state
	rowMark  = "row/" // + source_key: the hash of its row in the last snapshot
)

// state is what is remembered between files.
type state struct {
	Generation int       `json:"generation"` // files accepted
	Rows       int       `json:"rows"`       // of the last accepted
	At         time.Time `json:"at"`
	Name       string    `json:"name"`
	Sum        string    `json:"sum"`
	Filed      bool      `json:"filed"`          // it was moved to done/
	Line       int       `json:"line,omitempty"` // of a delta under way: rows up to here are in Kafka
	LineOf     string    `json:"line_of,omitempty"`
}

// reader is the folder's one reader.
type reader struct {
	source  intake.Source
	c       config.CSVIntake
	columns Columns
	ledger  *intake.Ledger
	folder  folder
	ballot  *ballot
	state   state
	step    func(string) error // of tests: fails where a crash would be
}

// Run takes files until ctx ends or something fails.
func Run(ctx context.Context, s intake.Source, c config.CSVIntake, columns Columns) error {
	r, err := open(ctx, s, c, columns)
	if err != nil {
		return err
	}
	defer r.close()
	tick := time.NewTicker(scanEvery)
	defer tick.Stop()
	for {
		if err := r.scan(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func open(ctx context.Context, s intake.Source, c config.CSVIntake, columns Columns) (*reader, error) {
	r := &reader{source: s, c: c, columns: columns, folder: folder{dir: c.Directory}, step: func(string) error { return nil }}
	if err := r.folder.prepare(); err != nil {
		return nil, err
	}
	var err error
	if r.ledger, err = s.OpenLedger(ctx); err != nil {
		return nil, err
	}
	if r.ballot, err = listen(ctx, s.Stream, s.Name()); err != nil {
		r.ledger.Close()
		return nil, err
	}
	if b, ok := r.ledger.Marks()[fileMark]; ok {
		if err := json.Unmarshal(b, &r.state); err != nil {
			r.close()
			return nil, fmt.Errorf("read what is remembered of source %s: %w", s.Name(), err)
		}
	}
	return r, nil
}

func (r *reader) close() {
	r.ballot.follower.Close()
	r.ledger.Close()
}

// scan takes every file that is ready.
func (r *reader) scan(ctx context.Context) error {
	if err := errors.Join(r.ballot.follower.Err(), r.finish(ctx)); err != nil {
		return err
	}
	if err := r.decide(ctx); err != nil {
		return err
	}
	ready, err := r.folder.ready(r.c.Manifest == "required")
	if err != nil {
		return err
	}
	for _, f := range ready {
		if err := r.take(ctx, f); err != nil {
			return fmt.Errorf("take %s: %w", f.path(), err)
		}
	}
	held, err := r.folder.held()
	r.source.Meter.Held(held)
	return err
}

// finish moves away a file that was accepted when the last run ended.
func (r *reader) finish(ctx context.Context) error {
	if r.state.Filed || r.state.Generation == 0 {
		return nil
	}
	if err := r.folder.moveIfSame(r.state.Name, r.state.Sum, r.state.Generation); err != nil {
		return err
	}
	r.state.Filed = true
	return r.commit(ctx, intake.Batch{})
}

// commit makes a batch durable with the state as it is.
func (r *reader) commit(ctx context.Context, b intake.Batch) error {
	if b.Marks == nil {
		b.Marks = map[string][]byte{}
	}
	text, err := json.Marshal(r.state)
	if err != nil {
		return fmt.Errorf("remember the file: %w", err)
	}
	b.Marks[fileMark] = text
	return r.ledger.Commit(ctx, b)
}

func (r *reader) take(ctx context.Context, f found) error {
	data, err := r.folder.read(f)
	if errors.Is(err, errChanged) {
		return nil // its writer is not done
	}
	if err != nil {
		return err
	}
	d, err := r.check(f, data)
	if bad, ok := errors.AsType[*intake.Fault](err); ok {
		return r.refuse(ctx, f, data, bad)
	}
	if err != nil {
		return err
	}
	released, err := r.released(d.sum)
	if err != nil {
		return err
	}
	if reason := r.shrunk(d); reason != "" && len(released) == 0 {
		return r.hold(ctx, f, d.sum, reason)
	}
	if err := r.emit(ctx, d); err != nil {
		return err
	}
	if err := r.step("emitted"); err != nil {
		return err
	}
	if err := r.folder.writeRejects(d); err != nil {
		return err
	}
	r.state = state{Generation: d.generation, Rows: d.rows, At: d.at, Name: f.path(), Sum: d.sum}
	over := map[string][]byte{}
	for _, id := range released {
		over[holdMark+id] = nil
	}
	if err := r.commit(ctx, intake.Batch{Marks: over}); err != nil {
		return err
	}
	r.source.Meter.Heard(time.Now())
	r.source.Log.Info("a file is taken", "source", r.source.Name(), "file", f.name, "rows", d.rows, "bad", len(d.bad))
	if err := r.step("accepted"); err != nil {
		return err
	}
	if err := r.folder.move(f, doneFolder, numbered(d.generation, f.name), ""); err != nil {
		return err
	}
	if err := r.step("filed"); err != nil {
		return err
	}
	return r.finish(ctx)
}

// check reads a file whole. The error is an intake.Fault if it is none of workers.
func (r *reader) check(f found, data []byte) (*drop, error) {
	snapshot := r.c.Mode == "snapshot"
	d := &drop{name: f.name, sum: sumOf(data), at: f.written, generation: r.state.Generation + 1}
	if f.size > maxFile {
		return nil, intake.Faultf(intake.Decode, "the file has %d bytes, more than %d", f.size, maxFile)
	}
	t, err := parse(data)
	if err != nil {
		return nil, err
	}
	if f.manifest != nil {
		m, err := parseManifest(f.manifest)
		if err != nil {
			return nil, err
		}
		if err := m.keeps(d.sum, len(t.rows)); err != nil {
			return nil, err
		}
		if !m.At.IsZero() {
			d.at = m.At.UTC()
		}
	}
	d.read(t, r.source.Mapper, r.columns, snapshot)
	switch {
	case d.rows > 0 && len(d.good) == 0:
		return nil, intake.Faultf(d.bad[0].class, "no row of the file is a worker; line %d: %s", d.bad[0].line, d.bad[0].reason)
	case !snapshot:
	case d.rows == 0:
		return nil, intake.Faultf(intake.Invalid, "a snapshot of nobody: everybody would be missing")
	case d.at.Before(r.state.At):
		return nil, intake.Faultf(intake.Invalid, "the snapshot is of %s, and older than the last one accepted, of %s", d.at.Format(time.RFC3339), r.state.At.Format(time.RFC3339))
	}
	return d, nil
}

// shrunk says why a snapshot must wait for a person; empty: it need not.
func (r *reader) shrunk(d *drop) string {
	if r.c.Mode != "snapshot" || r.c.Shrink == nil || r.state.Rows == 0 {
		return ""
	}
	lost := 100 * float64(r.state.Rows-d.rows) / float64(r.state.Rows)
	if lost <= r.c.Shrink.Percent {
		return ""
	}
	return fmt.Sprintf("The snapshot has %d rows where the last one accepted has %d: %.1f %% fewer, and %g %% are allowed.", d.rows, r.state.Rows, lost, r.c.Shrink.Percent)
}

// refuse puts a file that is none of workers aside, with a dead letter.
func (r *reader) refuse(ctx context.Context, f found, data []byte, bad *intake.Fault) error {
	r.source.Log.Warn("a file is refused", "source", r.source.Name(), "file", f.name, "reason", bad.Error())
	sum := sumOf(data)
	letter := event.Reject{ID: sum[:16] + "@" + f.name + "@" + f.written.Format(time.RFC3339Nano), Source: r.source.Name(), Class: bad.Class,
		Message: "the file is refused: " + bad.Error(), Place: f.name, Value: data, RejectedAt: f.written}
	if err := r.commit(ctx, intake.Batch{Rejects: []event.Reject{letter}}); err != nil {
		return err
	}
	if err := r.step("refused"); err != nil {
		return err
	}
	return r.folder.move(f, refusedFolder, f.name, bad.Error()+"\n")
}

// emit puts what is new into Kafka, a chunk at a time. What an earlier run put there is left out.
func (r *reader) emit(ctx context.Context, d *drop) error {
	var b intake.Batch
	b.Rejects = d.rejects(r.source.Name())
	for len(b.Rejects) > chunk {
		if err := r.commit(ctx, intake.Batch{Rejects: b.Rejects[:chunk]}); err != nil {
			return err
		}
		b.Rejects = b.Rejects[chunk:]
	}
	add := func(records []event.SourceRecord, mark func(i int) (string, []byte)) error {
		for i, record := range records {
			name, value := mark(i)
			b.Records = append(b.Records, record)
			if b.Marks == nil {
				b.Marks = map[string][]byte{}
			}
			if name != "" {
				b.Marks[name] = value
			}
			if len(b.Records) < chunk {
				continue
			}
			if err := r.chunk(ctx, d, &b); err != nil {
				return err
			}
		}
		return nil
	}
	fresh := r.fresh(d)
	records := make([]event.SourceRecord, len(fresh))
	for i, w := range fresh {
		records[i] = w.record
	}
	if err := add(records, func(i int) (string, []byte) { return r.mark(d, fresh[i]) }); err != nil {
		return err
	}
	if r.c.Mode == "snapshot" {
		gone := d.absent(r.source.Name(), r.ledger.Marks())
		if err := add(gone, func(i int) (string, []byte) { return rowMark + gone[i].SourceKey, nil }); err != nil {
			return err
		}
	}
	return r.chunk(ctx, d, &b)
}

func (r *reader) chunk(ctx context.Context, d *drop, b *intake.Batch) error {
	if err := r.commit(ctx, *b); err != nil {
		return err
	}
	*b = intake.Batch{}
	return r.step("chunk")
}

// fresh are the rows that say something new: of a snapshot those that differ, of a delta those not yet in Kafka.
func (r *reader) fresh(d *drop) []worker {
	var out []worker
	for _, w := range d.good {
		if r.c.Mode == "snapshot" && bytes.Equal(r.ledger.Marks()[rowMark+w.record.SourceKey], w.hash) {
			continue
		}
		if r.c.Mode == "delta" && r.state.LineOf == d.sum+d.name && w.line <= r.state.Line {
			continue
		}
		out = append(out, w)
	}
	return out
}

// mark is what is remembered of a row once it is in Kafka.
func (r *reader) mark(d *drop, w worker) (string, []byte) {
	if r.c.Mode == "snapshot" {
		return rowMark + w.record.SourceKey, w.hash
	}
	r.state.LineOf, r.state.Line = d.sum+d.name, w.line
	return "", nil
}

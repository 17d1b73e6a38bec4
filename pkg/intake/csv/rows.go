package csv

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/policy"
)

// drop is one file on its way in.
type drop struct {
	name       string
	sum        string
	at         time.Time
	generation int // of the files accepted, from 1
	rows       int // in it, good or bad
	good       []worker
	bad        []badRow
}

// worker is a good row.
type worker struct {
	line   int
	record event.SourceRecord
	hash   []byte // of what the map made of it
}

// badRow is one that is no worker.
type badRow struct {
	line, column int // column 0: not known
	class        string
	reason       string
	raw          []byte
}

// read maps every row. In a snapshot a worker is there once.
func (d *drop) read(t *table, m *intake.Mapper, columns Columns, snapshot bool) {
	d.rows = len(t.rows)
	first := map[string]int{}
	for _, r := range t.rows {
		if r.fault != "" {
			d.bad = append(d.bad, badRow{r.line, 0, intake.Decode, r.fault, r.raw})
			continue
		}
		record, err := m.Map(t.record(r), intake.Origin{})
		if err != nil {
			d.bad = append(d.bad, badRow{r.line, columns.of(t, err), intake.Invalid, oneLine(err), r.raw})
			continue
		}
		if line, twice := first[record.SourceKey]; twice && snapshot {
			d.bad = append(d.bad, badRow{r.line, 0, intake.Invalid, fmt.Sprintf("the worker is in line %d already; a snapshot has each once", line), r.raw})
			continue
		}
		first[record.SourceKey] = r.line
		w := worker{line: r.line, hash: hashOf(record)}
		w.record = d.origin(r.line).Complete(record)
		d.good = append(d.good, w)
	}
}

// origin dates and names what a line says. A file of the same bytes that comes again later is another one.
func (d *drop) origin(line int) intake.Origin {
	return intake.Origin{ID: fmt.Sprintf("%s/%d:%d", d.sum[:16], d.generation, line), At: d.at, Sequence: intake.SequenceOf(d.at, int64(line))}
}

func hashOf(r event.SourceRecord) []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic("csv: a record of texts does not encode: " + err.Error())
	}
	h := sha256.Sum256(b)
	return hex.AppendEncode(nil, h[:8])
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// rejects are the dead letters of the bad rows.
func (d *drop) rejects(source string) []event.Reject {
	out := make([]event.Reject, len(d.bad))
	for i, b := range d.bad {
		out[i] = event.Reject{ID: d.origin(b.line).ID, Source: source, Class: b.class, Message: fmt.Sprintf("line %d: %s", b.line, b.reason),
			Place: fmt.Sprintf("%s:%d", d.name, b.line), Value: b.raw, RejectedAt: d.at}
	}
	return out
}

// absent are those of the marks that the snapshot no longer has.
func (d *drop) absent(source string, marks map[string][]byte) []event.SourceRecord {
	if len(d.bad) > 0 {
		return nil // who is in a bad row is not missing
	}
	here := make(map[string]bool, len(d.good))
	for _, w := range d.good {
		here[w.record.SourceKey] = true
	}
	var out []event.SourceRecord
	for _, name := range slices.Sorted(maps.Keys(marks)) {
		if key, ok := strings.CutPrefix(name, rowMark); ok && !here[key] {
			o := intake.Origin{ID: fmt.Sprintf("%s/%d:absent:%s", d.sum[:16], d.generation, key), At: d.at, Sequence: intake.SequenceOf(d.at, 1<<20-1), Kind: event.Absent}
			out = append(out, o.Complete(event.SourceRecord{Source: source, SourceKey: key}))
		}
	}
	return out
}

// Columns are the columns of a file that each field of the map looks at, the first one first.
type Columns map[string]string

// columnRead is a column in an expression: record.dept or record["cost centre"].
var columnRead = regexp.MustCompile(`\brecord(?:\.([A-Za-z_]\w*)|\[["']([^"']+)["']\])`)

// ColumnsOf reads them from a map's expressions.
func ColumnsOf(m *config.Mapping) Columns {
	out := Columns{}
	add := func(fields config.Map[config.Expr]) {
		for _, f := range fields {
			if m := columnRead.FindStringSubmatch(f.Value.Text); m != nil {
				out[f.Key.Value] = m[1] + m[2]
			}
		}
	}
	add(m.Fields())
	if m.Person != nil {
		add(m.Person.Fields())
		add(m.Person.Attributes)
	}
	return out
}

// of is the column that a fault is about; 0: none can be named.
func (c Columns) of(t *table, err error) int {
	f, ok := errors.AsType[*policy.FieldError](err)
	if !ok {
		return 0
	}
	return t.column(c[f.Field])
}

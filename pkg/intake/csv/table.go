package csv

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"joinery.internal/pkg/intake"
)

// Bounds of a file.
const (
	maxFile    = 256 << 20
	maxColumns = 1000
)

// table is a file, read. Rows that are none have a fault; what makes the whole file none is an error of parse.
type table struct {
	header []string
	rows   []row
}

type row struct {
	line   int
	values []string // as the header; nil: see fault
	raw    []byte
	fault  string
}

// record is the row as the map sees it.
func (t *table) record(r row) map[string]any {
	out := make(map[string]any, len(t.header))
	for i, name := range t.header {
		out[name] = r.values[i]
	}
	return out
}

// column is where a column stands, from 1; 0: nowhere.
func (t *table) column(name string) int {
	for i, h := range t.header {
		if h == name {
			return i + 1
		}
	}
	return 0
}

// parse reads a file. The error is an intake.Fault and says where.
func parse(data []byte) (*table, error) {
	data, err := text(data)
	if err != nil {
		return nil, err
	}
	in := csv.NewReader(bytes.NewReader(data))
	in.Comma = separator(data)
	in.FieldsPerRecord = -1
	t := &table{}
	if t.header, err = header(in); err != nil {
		return nil, err
	}
	for {
		begin := in.InputOffset()
		values, err := in.Read()
		switch {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil: // where quotes are wrong, rows cannot be told apart
			return nil, intake.Faultf(intake.Decode, "%s", place(err))
		}
		line, _ := in.FieldPos(0)
		r := row{line: line, values: values, raw: bytes.Trim(data[begin:in.InputOffset()], "\r\n")}
		switch {
		case len(r.raw) > intake.MaxBytes:
			r.fault = fmt.Sprintf("the row has %d bytes, more than %d", len(r.raw), intake.MaxBytes)
		case len(values) != len(t.header):
			r.fault = fmt.Sprintf("the row has %d columns, the header %d", len(values), len(t.header))
		}
		t.rows = append(t.rows, r)
	}
}

// text is the file without its byte order mark, if it is UTF-8.
func text(data []byte) ([]byte, error) {
	switch {
	case len(data) > maxFile:
		return nil, intake.Faultf(intake.Decode, "the file has %d bytes, more than %d", len(data), maxFile)
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return nil, intake.Faultf(intake.Decode, "the file is UTF-16; save it as UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if at := bytes.IndexByte(data, 0); at >= 0 {
		return nil, intake.Faultf(intake.Decode, "line %d holds a zero byte: the file is no text", lineOf(data, at))
	}
	if !utf8.Valid(data) {
		return nil, intake.Faultf(intake.Decode, "line %d is not UTF-8; save the file as UTF-8", lineOf(data, invalidAt(data)))
	}
	return data, nil
}

func invalidAt(data []byte) int {
	at := 0
	for at < len(data) {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at
}

func lineOf(data []byte, at int) int { return 1 + bytes.Count(data[:at], []byte("\n")) }

// separator is what the header has most of.
func separator(data []byte) rune {
	first, _, _ := bytes.Cut(data, []byte("\n"))
	best, most := ',', 0
	for _, c := range ",;\t" {
		if n := bytes.Count(first, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

func header(in *csv.Reader) ([]string, error) {
	names, err := in.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, intake.Faultf(intake.Decode, "the file is empty: it must have a header")
	case err != nil:
		return nil, intake.Faultf(intake.Decode, "%s", place(err))
	case len(names) > maxColumns:
		return nil, intake.Faultf(intake.Decode, "the header has %d columns, more than %d", len(names), maxColumns)
	}
	seen := map[string]bool{}
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		switch {
		case names[i] == "":
			return nil, intake.Faultf(intake.Decode, "column %d of the header has no name", i+1)
		case seen[names[i]]:
			return nil, intake.Faultf(intake.Decode, "column %d of the header has the name of an earlier one", i+1)
		}
		seen[names[i]] = true
	}
	return names, nil
}

// place says where a file stops being CSV.
func place(err error) string {
	p, ok := errors.AsType[*csv.ParseError](err)
	if !ok {
		return "the file cannot be read as CSV"
	}
	return fmt.Sprintf("line %d, column %d: %v (the row begins in line %d)", p.Line, p.Column, p.Err, p.StartLine)
}

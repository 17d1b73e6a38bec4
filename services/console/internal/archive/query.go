package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"joinery.internal/services/console/internal/desk"
)

// Bounds of one question.
const (
	maxRows    = 10_000
	maxSeconds = 30
	maxMemory  = 1 << 30 // bytes
)

func bounds() driver.Settings {
	return driver.Settings{"max_execution_time": maxSeconds, "max_memory_usage": maxMemory, "max_result_rows": maxRows + 1, "result_overflow_mode": "break"}
}

// Query implements desk.Archive. A fault of the query itself is the asker's to mend.
func (a *Archive) Query(ctx context.Context, sql string) (desk.Table, error) {
	rows, err := a.reader.Query(driver.Context(ctx, driver.WithSettings(a.guard)), sql)
	if err != nil {
		return desk.Table{}, queryFault(err)
	}
	defer rows.Close() //nolint:errcheck // what matters is rows.Err
	types := rows.ColumnTypes()
	out := desk.Table{Columns: rows.Columns(), Items: []json.RawMessage{}}
	for rows.Next() {
		if len(out.Items) == maxRows {
			return desk.Table{}, &desk.Fault{Kind: desk.Invalid, Detail: fmt.Sprintf("the answer has more than %d rows: add a LIMIT, or ask ClickHouse itself", maxRows)}
		}
		values := make([]any, len(types))
		for i, t := range types {
			values[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := rows.Scan(values...); err != nil {
			return desk.Table{}, fmt.Errorf("read row of the answer: %w", err)
		}
		item, err := object(out.Columns, values)
		if err != nil {
			return desk.Table{}, err
		}
		out.Items = append(out.Items, item)
	}
	if err := rows.Err(); err != nil {
		return desk.Table{}, queryFault(err)
	}
	return out, nil
}

// queryFault tells what the server refuses from a server that does not answer.
func queryFault(err error) error {
	var refused *driver.Exception
	if errors.As(err, &refused) {
		return &desk.Fault{Kind: desk.Invalid, Detail: "ClickHouse refuses this query: " + refused.Message}
	}
	return &desk.Fault{Kind: desk.Unavailable, Detail: "query the evidence", Err: err}
}

// object writes one row as JSON with its columns in order. Numbers JSON does not have become null.
func object(columns []string, values []any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(columns[i]); err != nil {
			return nil, fmt.Errorf("write column %s: %w", columns[i], err)
		}
		b.WriteByte(':')
		if f, ok := v.(*float64); ok && (math.IsNaN(*f) || math.IsInf(*f, 0)) {
			v = nil
		}
		if err := enc.Encode(v); err != nil {
			return nil, fmt.Errorf("write column %s: %w", columns[i], err)
		}
	}
	b.WriteByte('}')
	var compact bytes.Buffer
	if err := json.Compact(&compact, b.Bytes()); err != nil {
		return nil, fmt.Errorf("write row: %w", err)
	}
	return compact.Bytes(), nil
}

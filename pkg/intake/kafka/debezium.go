package kafka

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
)

// change makes a record of a change of a row.
func (r Reader) change(doc map[string]any, key []byte, o intake.Origin) (record event.SourceRecord, ok bool, err error) {
	decimals(doc)
	if err := r.envelope(doc, key, &o); err != nil {
		return record, false, err
	}
	e := payload(doc)
	if record, err = r.Mapper.Map(e, o); err != nil {
		return record, false, err
	}
	if e["op"] == "d" && record.Kind != event.Upsert {
		record.Person = nil // of a row that is gone most databases tell the key, and Debezium fills the rest with zeros
		return record, true, nil
	}
	used := r.untold(e, o, record)
	if len(used) > 0 {
		return record, false, intake.Faultf(intake.Invalid, "the map uses %s, whose value did not change and which the database does not tell then: "+
			"ALTER TABLE … REPLICA IDENTITY FULL, and change the row once more", strings.Join(used, " and "))
	}
	return record, true, nil
}

// notTold stands for the value of a large column that did not change, unless Debezium is set up to use another word.
const notTold = "__debezium_unavailable_value"

// untold names the columns that the envelope has no value of and the map makes something of: without them, the record
// would be another. They are taken out.
func (r Reader) untold(e map[string]any, o intake.Origin, record event.SourceRecord) (used []string) {
	row, _ := e["after"].(map[string]any) // reading of nil is harmless
	for _, name := range slices.Sorted(maps.Keys(row)) {
		if row[name] != notTold {
			continue
		}
		row[name] = nil
		without, err := r.Mapper.Map(e, o)
		if err != nil || !reflect.DeepEqual(record, without) {
			used = append(used, name)
		}
		record = without
	}
	return used
}

// decimals writes numbers out which Debezium's JSON converter has as bytes, by the schema that goes with them. Without a
// schema nobody can: see decimal.format of the converter, or decimal.handling.mode of the connector.
func decimals(doc map[string]any) {
	schema, _ := doc["schema"].(map[string]any)
	for _, side := range fields(schema) {
		name, _ := side["field"].(string)
		row, _ := payload(doc)[name].(map[string]any)
		for _, column := range fields(side) {
			name, _ := column["field"].(string)
			parameters, _ := column["parameters"].(map[string]any)
			switch column["name"] {
			case "org.apache.kafka.connect.data.Decimal":
				scale, _ := parameters["scale"].(string)
				if text, ok := decimal(row[name], scale); ok {
					row[name] = text
				}
			case "io.debezium.data.VariableScaleDecimal":
				parts, _ := row[name].(map[string]any)
				if text, ok := decimal(parts["value"], fmt.Sprint(parts["scale"])); ok {
					row[name] = text
				}
			}
		}
	}
}

// fields are those of a schema that is a struct.
func fields(schema map[string]any) (out []map[string]any) {
	list, _ := schema["fields"].([]any)
	for _, v := range list {
		if f, ok := v.(map[string]any); ok {
			out = append(out, f)
		}
	}
	return out
}

// maxScale is more than databases have.
const maxScale = 16_383

// decimal is an unscaled number in two's complement, base64, as text.
func decimal(v any, scale string) (string, bool) {
	encoded, ok := v.(string)
	digits, err := strconv.Atoi(scale)
	b, err2 := base64.StdEncoding.DecodeString(encoded)
	if !ok || errors.Join(err, err2) != nil || len(b) == 0 || digits < 0 || digits > maxScale {
		return "", false
	}
	n := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	return new(big.Rat).SetFrac(n, unit).FloatString(digits), true
}

// payload takes the schema off that Debezium's JSON converter puts around, unless told not to.
func payload(doc map[string]any) map[string]any {
	_, schema := doc["schema"]
	inner, ok := doc["payload"].(map[string]any)
	if schema && ok && len(doc) == 2 {
		return inner
	}
	return doc
}

// envelope checks a change of a row, completes `after` of one that is gone, and dates the change as the database did.
//
//	op  c u r   the row as it is now
//	    d       the row is gone: absent
//	    t m     of the whole table, or of no row: nobody's
func (r Reader) envelope(doc map[string]any, key []byte, o *intake.Origin) error {
	e := payload(doc)
	if at, ok := changedAt(e); ok {
		o.At = at
	}
	row := e["after"]
	switch e["op"] {
	case "c", "u", "r":
	case "d":
		o.Kind = event.Absent
		if row = e["before"]; row == nil {
			row = r.rowOfKey(key)
		}
		e["after"] = row
	case "t":
		return intake.Faultf("unsupported", "op t: the table was emptied; say by rows who is gone")
	case "m":
		return intake.Faultf("unsupported", "op m: a message, of no row")
	default:
		return intake.Faultf(intake.Decode, "not a Debezium envelope: op is none of c, u, r, d, t, m; for plain rows the format is json or avro")
	}
	if _, ok := row.(map[string]any); !ok {
		return intake.Faultf(intake.Decode, "not a Debezium envelope: there is no row in it")
	}
	return nil
}

// rowOfKey is what a delete tells when the database logs no more than the key.
func (r Reader) rowOfKey(key []byte) any {
	doc, err := r.parse(key)
	if err != nil {
		return nil // the fault is said of the envelope
	}
	return payload(doc)
}

// changedAt is when the database made the change, or else when Debezium saw it.
func changedAt(e map[string]any) (time.Time, bool) {
	source, _ := e["source"].(map[string]any) // reading of nil is harmless
	for _, v := range []any{source["ts_ms"], e["ts_ms"]} {
		if n, ok := v.(json.Number); ok {
			if ms, err := n.Int64(); err == nil && ms > 0 {
				return time.UnixMilli(ms).UTC(), true
			}
		}
	}
	return time.Time{}, false
}

package kafka

import (
	"encoding/json"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
)

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

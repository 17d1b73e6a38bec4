package wire

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro"
)

// maxBlock bounds what goavro allocates on the word of a record: it makes room for as many items as a block claims to have before it
// has seen one.
const maxBlock = 1 << 20

func init() { goavro.MaxBlockCount = maxBlock } // goavro has no other way to be told

// millisLayout is RFC 3339 in UTC with exactly three decimals.
const (
	millisLayout = "2006-01-02T15:04:05.000Z07:00"
	microsLayout = "2006-01-02T15:04:05.000000Z07:00"
)

// foreign is a schema of the registry, as its records are read without knowing them.
type foreign struct {
	codec *goavro.Codec
	shape *shape
	guard *avro.Schema // of a recursive schema: bounds the depth, which goavro does not
}

// DecodeJSON reads a framed value of any schema, by the very schema it was written with, into plain JSON: unions bare, fields in the
// schema's order, timestamps as RFC 3339 in UTC, bytes in base64. fullName is the record's.
func (s *Serde) DecodeJSON(b []byte) (doc []byte, fullName string, err error) {
	id, body, err := unframe(b)
	if err != nil {
		return nil, "", fmt.Errorf("decode value to JSON: %w", err)
	}
	f, ok := s.foreign.get(id)
	if !ok {
		if f, err = s.loadForeign(id); err != nil {
			return nil, "", fmt.Errorf("decode value to JSON: %w", err)
		}
	}
	doc, err = f.toJSON(body)
	if err != nil {
		return nil, "", fmt.Errorf("decode value to JSON with schema id %d (%s): %w: %w", id, f.shape, ErrDecode, err)
	}
	return doc, f.shape.String(), nil
}

func (s *Serde) loadForeign(id int) (*foreign, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	text, err := s.reg.SchemaByID(ctx, id)
	if err != nil {
		return nil, err
	}
	f, err := newForeign(text)
	if err != nil {
		return nil, fmt.Errorf("%w: schema id %d: %w", ErrDecode, id, err)
	}
	s.foreign.put(id, f)
	return f, nil
}

func newForeign(text string) (*foreign, error) {
	schema, err := avro.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	codec, err := goavro.NewCodec(text)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	f := &foreign{codec: codec, shape: shapeOf(schema)}
	if f.shape.recursive {
		f.guard = schema
	}
	return f, nil
}

func (f *foreign) toJSON(body []byte) ([]byte, error) {
	if f.guard != nil {
		var ignored any
		if _, err := f.guard.Decode(body, &ignored); err != nil {
			return nil, err
		}
	}
	native, rest, err := f.codec.NativeFromBinary(body)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes too many after the record", len(rest))
	}
	return f.shape.appendJSON(make([]byte, 0, 2*len(body)+64), native)
}

// appendJSON writes a value as goavro gives it.
func (s *shape) appendJSON(dst []byte, v any) ([]byte, error) {
	switch s.typ {
	case "record":
		return s.appendRecord(dst, v)
	case "union":
		return s.appendUnion(dst, v)
	case "array":
		return s.appendArray(dst, v)
	case "map":
		return s.appendMap(dst, v)
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int32:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float32:
		return appendFloat(dst, float64(v), 32), nil
	case float64:
		return appendFloat(dst, v, 64), nil
	case string:
		return appendString(dst, v)
	case []byte:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v), '"'), nil
	case time.Time:
		return append(v.UTC().AppendFormat(append(dst, '"'), s.timeLayout()), '"'), nil
	case time.Duration:
		return append(time.Time{}.Add(v).AppendFormat(append(dst, '"'), "15:04:05.000000"), '"'), nil
	case *big.Rat:
		return append(append(append(dst, '"'), v.FloatString(s.scale)...), '"'), nil
	}
	return nil, fmt.Errorf("%s came out of the codec as %T", s, v)
}

func (s *shape) timeLayout() string {
	switch s.logical {
	case "date":
		return time.DateOnly
	case "timestamp-micros", "local-timestamp-micros":
		return microsLayout
	}
	return millisLayout
}

func (s *shape) appendRecord(dst []byte, v any) ([]byte, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s came out of the codec as %T", s, v)
	}
	var err error
	dst = append(dst, '{')
	for i, f := range s.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendString(dst, f.name); err != nil {
			return nil, err
		}
		if dst, err = f.shape.appendJSON(append(dst, ':'), object[f.name]); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// appendUnion takes the wrapper off: goavro gives {"branch": value}.
func (s *shape) appendUnion(dst []byte, v any) ([]byte, error) {
	if v == nil {
		return append(dst, "null"...), nil
	}
	wrapper, ok := v.(map[string]any)
	if !ok || len(wrapper) != 1 {
		return nil, fmt.Errorf("a union came out of the codec as %T", v)
	}
	for name, inner := range wrapper {
		for _, b := range s.branches {
			if name == b.String() || name == b.typ+"."+b.logical || name == b.typ {
				return b.appendJSON(dst, inner)
			}
		}
	}
	return nil, fmt.Errorf("a union came out of the codec with a branch it does not have: %v", slices.Collect(maps.Keys(wrapper)))
}

func (s *shape) appendArray(dst []byte, v any) ([]byte, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("an array came out of the codec as %T", v)
	}
	var err error
	dst = append(dst, '[')
	for i, item := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = s.item.appendJSON(dst, item); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func (s *shape) appendMap(dst []byte, v any) ([]byte, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a map came out of the codec as %T", v)
	}
	var err error
	dst = append(dst, '{')
	for i, k := range sortedKeys(object) {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendString(dst, k); err != nil {
			return nil, err
		}
		if dst, err = s.item.appendJSON(append(dst, ':'), object[k]); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendString(dst []byte, text string) ([]byte, error) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(text)
			return append(dst, quoted...), err
		}
	}
	return append(append(append(dst, '"'), text...), '"'), nil // as nearly all text is
}

// appendFloat writes what JSON has no number for as the strings Avro tools use.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

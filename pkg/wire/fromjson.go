package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// EncodeJSON returns the framed value of one record in plain JSON: unions bare, absent fields at their default, timestamps as RFC 3339, as
// a date (midnight UTC) or as milliseconds since 1970, bytes in base64. An error names the field by its path.
func (s *Serde) EncodeJSON(topic string, line []byte) ([]byte, error) {
	own, err := s.own(topic)
	if err != nil {
		return nil, err
	}
	doc, err := parseJSON(line)
	if err != nil {
		return nil, fmt.Errorf("encode JSON for %s: %w", topic, err)
	}
	native, err := own.shape.native("", doc)
	if err != nil {
		return nil, fmt.Errorf("encode JSON for %s: %w", topic, err)
	}
	return s.Encode(topic, native)
}

func parseJSON(line []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var doc any
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("no JSON in it")
	case err != nil:
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more after the first JSON value: one record a line")
	}
	return doc, nil
}

// native checks a JSON value against the shape and returns it as the encoder wants it. The path is empty at the root.
func (s *shape) native(path string, v any) (any, error) {
	switch s.typ {
	case "record":
		return s.nativeRecord(path, v)
	case "union":
		return s.nativeUnion(path, v)
	case "array":
		return s.nativeArray(path, v)
	case "map":
		return s.nativeMap(path, v)
	case "int", "long":
		return s.nativeInteger(path, v)
	case "bytes", "fixed":
		return s.nativeBytes(path, v)
	}
	switch got := v.(type) {
	case nil:
		if s.typ == "null" {
			return nil, nil
		}
	case bool:
		if s.typ == "boolean" {
			return got, nil
		}
	case string:
		if s.typ == "string" {
			return got, nil
		}
		if s.typ == "enum" && slices.Contains(s.symbols, got) {
			return got, nil
		}
	case json.Number:
		if s.typ == "float" || s.typ == "double" {
			return got, nil
		}
	}
	return nil, mismatch(path, s.wants(), v)
}

func (s *shape) nativeRecord(path string, v any) (any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, mismatch(path, "an object", v)
	}
	out := make(map[string]any, len(s.fields))
	for _, f := range s.fields {
		got, present := object[f.name]
		if !present {
			if !f.optional {
				return nil, fmt.Errorf("field %q is missing", join(path, f.name))
			}
			continue
		}
		native, err := f.shape.native(join(path, f.name), got)
		if err != nil {
			return nil, err
		}
		out[f.name] = native
	}
	for _, name := range sortedKeys(object) {
		if !slices.ContainsFunc(s.fields, func(f fieldShape) bool { return f.name == name }) {
			return nil, fmt.Errorf("unknown field %q: %s has %s", join(path, name), s, s.fieldNames())
		}
	}
	return out, nil
}

func (s *shape) nativeUnion(path string, v any) (any, error) {
	if v == nil && s.nullable() {
		return nil, nil
	}
	var err error
	for _, b := range s.branches {
		if b.typ == "null" {
			continue
		}
		native, branchErr := b.native(path, v)
		if branchErr == nil {
			return native, nil
		}
		if err == nil || len(s.branches) == 2 {
			err = branchErr
		} else {
			err = mismatch(path, s.wants(), v)
		}
	}
	return nil, err
}

func (s *shape) nativeArray(path string, v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, mismatch(path, "an array", v)
	}
	out := make([]any, len(list))
	for i, item := range list {
		native, err := s.item.native(fmt.Sprintf("%s[%d]", path, i), item)
		if err != nil {
			return nil, err
		}
		out[i] = native
	}
	return out, nil
}

func (s *shape) nativeMap(path string, v any) (any, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, mismatch(path, "an object", v)
	}
	out := make(map[string]any, len(object))
	for _, k := range sortedKeys(object) {
		native, err := s.item.native(join(path, k), object[k])
		if err != nil {
			return nil, err
		}
		out[k] = native
	}
	return out, nil
}

func (s *shape) nativeInteger(path string, v any) (any, error) {
	if text, ok := v.(string); ok && s.isInstant() {
		t, err := parseTime(text)
		if err != nil {
			return nil, mismatch(path, s.wants(), v)
		}
		return t, nil
	}
	number, ok := v.(json.Number)
	if !ok {
		return nil, mismatch(path, s.wants(), v)
	}
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || s.typ == "int" && (n < math.MinInt32 || n > math.MaxInt32) {
		return nil, mismatch(path, s.wants(), v)
	}
	return n, nil
}

// isInstant says whether an ISO 8601 string stands for the number.
func (s *shape) isInstant() bool {
	return s.logical == "date" || strings.HasPrefix(s.logical, "timestamp-") || strings.HasPrefix(s.logical, "local-timestamp-")
}

func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UTC(), err
}

func (s *shape) nativeBytes(path string, v any) (any, error) {
	if number, ok := v.(json.Number); ok && s.logical == "decimal" {
		return number, nil
	}
	text, ok := v.(string)
	if !ok {
		return nil, mismatch(path, s.wants(), v)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || s.typ == "fixed" && len(b) != s.size {
		return nil, mismatch(path, s.wants(), v)
	}
	return b, nil
}

// wants says in words what a value of the shape looks like in JSON.
func (s *shape) wants() string {
	switch {
	case s.typ == "union":
		words := make([]string, len(s.branches))
		for i, b := range s.branches {
			words[i] = b.wants()
		}
		return strings.Join(words, " or ")
	case s.logical == "date":
		return "a date (2026-03-02) or days since 1970"
	case s.isInstant():
		return "an RFC 3339 time (2026-03-02T08:00:00Z), a date (2026-03-02) or " + unitOf(s.logical) + " since 1970"
	case s.logical == "decimal":
		return "a number"
	}
	switch s.typ {
	case "record", "map":
		return "an object"
	case "array":
		return "an array"
	case "enum":
		return "one of " + strings.Join(s.symbols, ", ")
	case "int":
		return "a whole number of 32 bits"
	case "long":
		return "a whole number"
	case "float", "double":
		return "a number"
	case "boolean":
		return "true or false"
	case "bytes":
		return "a string in base64"
	case "fixed":
		return fmt.Sprintf("a string of %d bytes in base64", s.size)
	case "null":
		return "null"
	}
	return "a string"
}

func unitOf(logical string) string {
	return logical[strings.LastIndexByte(logical, '-')+1:]
}

func (s *shape) fieldNames() string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// mismatch says what stands where something else should. Text is cut short: values may be long, and may be personal.
func mismatch(path, want string, got any) error {
	if path == "" {
		path = "the record"
	} else {
		path = fmt.Sprintf("field %q", path)
	}
	return fmt.Errorf("%s: want %s, got %s", path, want, describe(got))
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	case string:
		if len(v) > 40 {
			return "a string of " + strconv.Itoa(len(v)) + " bytes"
		}
		return strconv.Quote(v)
	case []any:
		return "an array"
	}
	return "an object"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// Bounds of one foreign record. Whoever needs more than that in one worker sends something else.
const (
	MaxBytes = 1 << 20
	MaxDepth = 64
)

// ParseObject reads one JSON object in UTF-8, with numbers as json.Number. The error is a Fault.
func ParseObject(b []byte) (map[string]any, error) {
	doc, err := Parse(b)
	if err != nil {
		return nil, err
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return nil, Faultf(Decode, "the record is JSON but no object")
	}
	return object, nil
}

// Parse reads one JSON value in UTF-8, with numbers as json.Number. The error is a Fault.
func Parse(b []byte) (any, error) {
	switch {
	case len(b) > MaxBytes:
		return nil, Faultf(Decode, "the record has %d bytes, more than %d", len(b), MaxBytes)
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return nil, Faultf(Decode, "the record is UTF-16; send UTF-8")
	case !utf8.Valid(b):
		return nil, Faultf(Decode, "the record is not UTF-8: byte %d", invalidAt(b))
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if at := tooDeep(b); at >= 0 {
		return nil, Faultf(Decode, "the record is nested deeper than %d levels at byte %d", MaxDepth, at)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return nil, Faultf(Decode, "%s", jsonFault(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, Faultf(Decode, "more follows after the first JSON value, at byte %d", dec.InputOffset())
	}
	return doc, nil
}

// jsonFault says what is wrong with JSON without repeating it.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return "the record is not JSON, or cut off: byte " + strconv.FormatInt(syntax.Offset, 10)
	case errors.Is(err, io.EOF):
		return "the record is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the record ends in the middle: it is cut off"
	}
	return "the record is not JSON"
}

func invalidAt(b []byte) int {
	for at := 0; at < len(b); {
		r, n := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && n == 1 {
			return at
		}
		at += n
	}
	return len(b)
}

// tooDeep is where JSON goes deeper than MaxDepth; -1: nowhere. It comes before the parser, which would follow.
func tooDeep(b []byte) int {
	depth, text := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return i
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}

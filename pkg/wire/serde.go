package wire

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/avro"

	"joinery.internal/schemas"
)

const (
	headerLen     = 5               // zero byte, schema id
	lookupTimeout = 5 * time.Second // of one question to the registry
)

// Serde encodes and decodes records. See the package comment.
type Serde struct {
	reg    Registry
	latest func(topic string) string // the newest schema of a topic, or ""

	topics   table[string, *ownSchema]
	ids      table[string, int] // of the newest schema, by topic
	resolved table[writer, *avro.Schema]
	foreign  table[int, *foreign]
}

// writer names the schema a value was written with, and the topic it is read for.
type writer struct {
	topic string
	id    int
}

// ownSchema is the newest schema of a topic: what Encode writes and what Decode resolves to.
type ownSchema struct {
	text   string
	schema *avro.Schema
	shape  *shape
}

// New returns a Serde that looks schemas up in reg.
func New(reg Registry) *Serde { return &Serde{reg: reg, latest: schemas.Latest} }

// Warm looks up the schemas of these topics, so that a service learns at its start, not at its first record, that one is not registered.
func (s *Serde) Warm(ctx context.Context, topics ...string) error {
	for _, topic := range topics {
		own, err := s.own(topic)
		if err != nil {
			return err
		}
		if _, err := s.lookUp(ctx, topic, own); err != nil {
			return err
		}
	}
	return nil
}

// Encode returns the framed value of v, a struct of the topic's record, in the topic's newest schema.
func (s *Serde) Encode(topic string, v any) ([]byte, error) { return s.AppendEncode(nil, topic, v) }

// AppendEncode is Encode that appends to dst. After an error the result is dst as it was.
func (s *Serde) AppendEncode(dst []byte, topic string, v any) ([]byte, error) {
	own, err := s.own(topic)
	if err != nil {
		return dst, err
	}
	id, ok := s.ids.get(topic)
	if !ok {
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		if id, err = s.lookUp(ctx, topic, own); err != nil {
			return dst, err
		}
	}
	framed := binary.BigEndian.AppendUint32(append(dst, 0), uint32(id))
	framed, err = own.schema.AppendEncode(framed, v)
	if err != nil {
		return dst, fmt.Errorf("encode %T for %s: %w", v, topic, err)
	}
	return framed, nil
}

// Decode reads a framed value of the topic into v, a pointer to a zero struct of the topic's record. The value may have been written with
// any version of the topic's schema.
func (s *Serde) Decode(b []byte, topic string, v any) error {
	id, body, err := unframe(b)
	if err != nil {
		return fmt.Errorf("decode value of %s: %w", topic, err)
	}
	schema, ok := s.resolved.get(writer{topic, id})
	if !ok {
		if schema, err = s.resolve(topic, id); err != nil {
			return fmt.Errorf("decode value of %s: %w", topic, err)
		}
	}
	rest, err := schema.Decode(body, v)
	if err != nil {
		return fmt.Errorf("decode value of %s with schema id %d: %w: %w", topic, id, ErrDecode, err)
	}
	if len(rest) > 0 {
		return fmt.Errorf("decode value of %s with schema id %d: %w: %d bytes too many after the record", topic, id, ErrDecode, len(rest))
	}
	return nil
}

// own parses the topic's newest schema, once.
func (s *Serde) own(topic string) (*ownSchema, error) {
	if own, ok := s.topics.get(topic); ok {
		return own, nil
	}
	text := s.latest(topic)
	if text == "" {
		return nil, fmt.Errorf("topic %s has no schema for its values: records can be written to and read from only the topics listed in schemas/", topic)
	}
	schema, err := avro.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse newest schema of %s: %w", topic, err)
	}
	own := &ownSchema{text: text, schema: schema, shape: shapeOf(schema)}
	s.topics.put(topic, own)
	return own, nil
}

// lookUp asks the registry for the id of the topic's newest schema.
func (s *Serde) lookUp(ctx context.Context, topic string, own *ownSchema) (int, error) {
	id, err := s.reg.SchemaID(ctx, topic+"-value", own.text)
	if err != nil {
		return 0, fmt.Errorf("newest schema of %s: %w (`joinery schemas apply` registers it)", topic, err)
	}
	s.ids.put(topic, id)
	return id, nil
}

// resolve prepares reading what was written with schema id as the topic's newest schema.
func (s *Serde) resolve(topic string, id int) (*avro.Schema, error) {
	own, err := s.own(topic)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	text, err := s.reg.SchemaByID(ctx, id)
	if err != nil {
		return nil, err
	}
	written, err := avro.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: schema id %d is not valid Avro: %w", ErrDecode, id, err)
	}
	if have, want := shapeOf(written).String(), own.shape.String(); have != want {
		return nil, fmt.Errorf("%w: schema id %d is of %s, but this topic holds %s", ErrDecode, id, have, want)
	}
	schema, err := avro.Resolve(written, own.schema)
	if err != nil {
		return nil, fmt.Errorf("%w: schema id %d cannot be read as the newest: %w", ErrDecode, id, err)
	}
	s.resolved.put(writer{topic, id}, schema)
	return schema, nil
}

// unframe splits a value into schema id and record.
func unframe(b []byte) (id int, body []byte, err error) {
	switch {
	case len(b) < headerLen:
		return 0, nil, fmt.Errorf("%w: %d bytes, where the header alone has %d", ErrFraming, len(b), headerLen)
	case b[0] != 0:
		return 0, nil, fmt.Errorf("%w: the first byte is 0x%02x and not 0x00", ErrFraming, b[0])
	}
	return int(binary.BigEndian.Uint32(b[1:headerLen])), b[headerLen:], nil
}

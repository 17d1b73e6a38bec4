package wire

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"

	"github.com/twmb/franz-go/pkg/sr"

	"joinery.internal/schemas"
)

// Registry looks schemas up. An id or schema that is not there is ErrUnknownSchema; a registry that does not answer, or not as one, is ErrUnavailable.
type Registry interface {
	SchemaByID(ctx context.Context, id int) (avsc string, err error)
	SchemaID(ctx context.Context, subject, avsc string) (int, error)
}

// Client is a Registry over HTTP (the Confluent API). What it once found it keeps: ids never change their meaning.
type Client struct {
	sr   *sr.Client
	text table[int, string]
	ids  table[registration, int]
}

type registration struct{ subject, avsc string }

// NewClient returns a client of the registry at these addresses, which are tried in order. It does no I/O.
func NewClient(urls ...string) (*Client, error) {
	if len(urls) == 0 {
		return nil, errors.New("schema registry: no address given")
	}
	c, err := sr.NewClient(sr.URLs(urls...))
	if err != nil {
		return nil, fmt.Errorf("schema registry: %w", err)
	}
	return &Client{sr: c}, nil
}

// SchemaByID implements Registry.
func (c *Client) SchemaByID(ctx context.Context, id int) (string, error) {
	if text, ok := c.text.get(id); ok {
		return text, nil
	}
	s, err := c.sr.SchemaByID(ctx, id)
	if err != nil {
		return "", lookupError(fmt.Sprintf("look up schema id %d", id), err)
	}
	if s.Type != sr.TypeAvro || len(s.References) > 0 {
		return "", fmt.Errorf("look up schema id %d: %w: it is %s with %d references, and only self-contained Avro is understood",
			id, ErrDecode, s.Type, len(s.References))
	}
	c.text.put(id, s.Schema)
	return s.Schema, nil
}

// SchemaID implements Registry.
func (c *Client) SchemaID(ctx context.Context, subject, avsc string) (int, error) {
	key := registration{subject, avsc}
	if id, ok := c.ids.get(key); ok {
		return id, nil
	}
	found, err := c.sr.LookupSchema(ctx, subject, sr.Schema{Schema: avsc, Type: sr.TypeAvro})
	if err != nil {
		return 0, lookupError("look up schema of "+subject, err)
	}
	c.ids.put(key, found.ID)
	return found.ID, nil
}

// lookupError tells what is not there from a registry that is not there. Only a registry's own error codes count as the first: the 404 of
// a wrong address or of a proxy must not turn every record into poison.
func lookupError(what string, err error) error {
	var answer *sr.ResponseError
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		switch answer.ErrorCode {
		case sr.ErrSubjectNotFound.Code, sr.ErrVersionNotFound.Code, sr.ErrSchemaNotFound.Code:
			return fmt.Errorf("%s: %w: %w", what, ErrUnknownSchema, err)
		}
	}
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// static is a Registry in memory.
type static struct {
	text map[int]string
	ids  map[registration]int
}

// Static is a Registry that holds every version of the embedded schemas, for tests and for work offline. The id of a schema is a hash
// of its text, so it is the same in every build.
func Static() Registry { return newStatic(schemas.Subjects()) }

func newStatic(subjects []schemas.Subject) *static {
	s := &static{text: map[int]string{}, ids: map[registration]int{}}
	for _, subject := range subjects {
		for _, avsc := range subject.Versions {
			h := fnv.New32a()
			h.Write([]byte(avsc))
			id := int(h.Sum32() >> 1) // ids are positive int32
			if other, taken := s.text[id]; taken && other != avsc {
				panic("wire: two embedded schemas have one hash: reword the doc of the newer, " + subject.Name)
			}
			s.text[id] = avsc
			s.ids[registration{subject.Name, avsc}] = id
		}
	}
	return s
}

func (s *static) SchemaByID(_ context.Context, id int) (string, error) {
	text, ok := s.text[id]
	if !ok {
		return "", fmt.Errorf("look up schema id %d: %w", id, ErrUnknownSchema)
	}
	return text, nil
}

func (s *static) SchemaID(_ context.Context, subject, avsc string) (int, error) {
	id, ok := s.ids[registration{subject, avsc}]
	if !ok {
		return 0, fmt.Errorf("look up schema of %s: %w", subject, ErrUnknownSchema)
	}
	return id, nil
}

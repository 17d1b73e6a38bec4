package gate

import (
	"context"
	"errors"
	"net/http"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
)

// PutTimeout is how long Kafka has to take what was pushed; then the sender is asked to come again.
const PutTimeout = 5 * time.Second

// Sink hands records to Kafka; it returns when Kafka has all of them. intake.Sink is one.
type Sink interface {
	Put(ctx context.Context, records []event.SourceRecord) error
}

// Put hands records to a sink and returns when Kafka has all of them, or PutTimeout is over, whatever Kafka does: a record
// that is on its way cannot be called back, so what comes of it is waited for in the background, until the sink is closed.
func Put(ctx context.Context, s Sink, records []event.SourceRecord) error {
	ctx, cancel := context.WithTimeout(ctx, PutTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Put(ctx, records) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return Unavailable("Kafka did not take what was pushed; send it again", err)
	}
	return nil
}

// Decode reads the JSON value of a body; what it cannot take is refused.
func Decode(body []byte) (any, error) {
	value, err := intake.Parse(body)
	var fault *intake.Fault
	if errors.As(err, &fault) {
		return nil, Refuse(http.StatusBadRequest, "json", "%s", fault.Error())
	}
	return value, err
}

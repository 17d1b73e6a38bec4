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

// Decode reads the JSON value of a body; what it cannot take is refused.
func Decode(body []byte) (any, error) {
	value, err := intake.Parse(body)
	var fault *intake.Fault
	if errors.As(err, &fault) {
		return nil, Refuse(http.StatusBadRequest, "json", "%s", fault.Error())
	}
	return value, err
}

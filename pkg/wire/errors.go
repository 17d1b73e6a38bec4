package wire

import "errors"

// What can be wrong with a value. All but ErrUnavailable say that the value itself is bad, now and for ever: poison.
var (
	ErrFraming       = errors.New("not Avro in Confluent framing")
	ErrUnknownSchema = errors.New("schema not in the registry")
	ErrDecode        = errors.New("does not decode")
	ErrUnavailable   = errors.New("schema registry unavailable") // retry
)

// Class is the dead-letter class of a poison value: "framing", "unknown_schema" or "decode". It is empty for every other error (and
// for nil): that one is to be retried or to be fixed in the program.
func Class(err error) string {
	switch {
	case errors.Is(err, ErrUnavailable):
		return ""
	case errors.Is(err, ErrFraming):
		return "framing"
	case errors.Is(err, ErrUnknownSchema):
		return "unknown_schema"
	case errors.Is(err, ErrDecode):
		return "decode"
	}
	return ""
}

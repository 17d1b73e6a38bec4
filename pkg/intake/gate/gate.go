package gate

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits bound one request.
type Limits struct {
	Body int64         // bytes
	Wait time.Duration // for the body to arrive
}

// Default are the limits of a JSON push.
var Default = Limits{Body: 1 << 20, Wait: 10 * time.Second}

// Read returns the body of a request of one of the media types, or a *Refusal.
func Read(w http.ResponseWriter, r *http.Request, l Limits, types ...string) ([]byte, error) {
	if err := mediaType(r, types); err != nil {
		return nil, err
	}
	if r.ContentLength > l.Body {
		return nil, tooLarge(l)
	}
	// A writer that knows no deadlines is a test's: what it sends is there already.
	connection := http.NewResponseController(w)
	if err := connection.SetReadDeadline(time.Now().Add(l.Wait)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, Refuse(http.StatusInternalServerError, "internal", "the time for the body could not be bounded").Because(err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, l.Body))
	if err == nil { // or the deadline would end the request while Kafka is waited for
		if err := connection.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil, Refuse(http.StatusInternalServerError, "internal", "the time for the body could not be unbounded").Because(err)
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, tooLarge(l)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, Refuse(http.StatusRequestTimeout, "slow", "the body did not arrive within %s", l.Wait)
	case err != nil:
		return nil, Refuse(http.StatusBadRequest, "truncated", "the body ended before the length it was announced with").Because(err)
	case !utf8.Valid(body):
		return nil, Refuse(http.StatusBadRequest, "encoding", "the body is not UTF-8")
	}
	return body, nil
}

func tooLarge(l Limits) *Refusal {
	return Refuse(http.StatusRequestEntityTooLarge, "too_large", "the body is larger than %d bytes; send it in parts", l.Body)
}

func mediaType(r *http.Request, types []string) error {
	unsupported := func(detail string, args ...any) error {
		return Refuse(http.StatusUnsupportedMediaType, "media_type", detail, args...)
	}
	if c := r.Header.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		return unsupported("the body is compressed, which is not taken; send it plain")
	}
	got, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(types, got) {
		return unsupported("the Content-Type must be %s", strings.Join(types, " or "))
	}
	if c, ok := params["charset"]; ok && !strings.EqualFold(c, "utf-8") {
		return unsupported("the charset must be utf-8")
	}
	return nil
}

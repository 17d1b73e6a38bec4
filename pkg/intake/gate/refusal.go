package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Refusal is why a request is not taken, in words that may be told to anybody.
type Refusal struct {
	Status int
	Reason string // of a closed set: the metric's outcome
	Detail string
	Errors []string      // each of several things that are wrong
	Retry  time.Duration // when to try again; zero: nothing is said
	cause  error         // for the log
}

// Refuse makes a refusal.
func Refuse(status int, reason, detail string, args ...any) *Refusal {
	return &Refusal{Status: status, Reason: reason, Detail: fmt.Sprintf(detail, args...)}
}

// Because adds what the log should know.
func (r *Refusal) Because(err error) *Refusal {
	r.cause = err
	return r
}

func (r *Refusal) Error() string {
	if r.cause != nil {
		return r.Detail + ": " + r.cause.Error()
	}
	return r.Detail
}

func (r *Refusal) Unwrap() error { return r.cause }

// retryAfter is told to who meets a fault that passes.
const retryAfter = 5 * time.Second

// Unavailable says that nothing is wrong with the request, and that nothing of it was kept for sure.
func Unavailable(detail string, err error) *Refusal {
	r := Refuse(http.StatusServiceUnavailable, "unavailable", "%s", detail).Because(err)
	r.Retry = retryAfter
	return r
}

// RefusalOf makes a refusal of any error; what is none is a fault of ours, whose text is for the log.
func RefusalOf(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return Refuse(http.StatusInternalServerError, "internal", "this should not happen; the log of the receiver says more").Because(err)
}

// problem is the body of RFC 9457.
type problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail"`
	Instance string   `json:"instance"`
	Errors   []string `json:"errors,omitempty"`
}

// WriteProblem answers with a fault as RFC 9457 says.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	refused := RefusalOf(err)
	Write(w, refused.Status, "application/problem+json", refused, problem{
		Type: "urn:joinery:problem:" + strings.ReplaceAll(refused.Reason, "_", "-"), Title: http.StatusText(refused.Status), Status: refused.Status,
		Detail: refused.Detail, Instance: r.URL.Path, Errors: refused.Errors})
}

// Write answers in JSON of a media type; refused may be nil.
func Write(w http.ResponseWriter, status int, mediaType string, refused *Refusal, body any) {
	b, err := json.Marshal(body)
	if err != nil { // what is answered is made of what was read as JSON
		http.Error(w, "the answer could not be encoded", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", "no-store")
	if refused != nil && refused.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(refused.Retry.Seconds())))
	}
	w.WriteHeader(status)
	w.Write(b) //nolint:errcheck // the asker has gone
}

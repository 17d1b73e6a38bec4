package gate_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake/gate"
)

// serve answers with the length of the body, or the refusal.
func serve(t *testing.T, l gate.Limits, refused chan<- error) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := gate.Read(w, r, l, "application/json")
		refused <- err
		if err != nil {
			gate.WriteProblem(w, r, err)
			return
		}
		fmt.Fprint(w, len(body))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestABodyThatDoesNotArriveIsRefused(t *testing.T) {
	t.Parallel()
	refused := make(chan error, 1)
	conn, err := net.Dial("tcp", serve(t, gate.Limits{Body: 100, Wait: 50 * time.Millisecond}, refused))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
	if r := gate.RefusalOf(<-refused); r.Reason != "slow" || r.Status != http.StatusRequestTimeout {
		t.Errorf("got %d %s: %v", r.Status, r.Reason, r)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "408") {
		t.Errorf("the sender hears %q, %v", line, err)
	}
}

func TestABodyThatIsCutOffIsRefused(t *testing.T) {
	t.Parallel()
	refused := make(chan error, 1)
	conn, err := net.Dial("tcp", serve(t, gate.Limits{Body: 100, Wait: time.Minute}, refused))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if r := gate.RefusalOf(<-refused); r.Reason != "truncated" || r.Status != http.StatusBadRequest {
		t.Errorf("got %d %s: %v", r.Status, r.Reason, r)
	}
}

func TestABodyOfUnknownLengthIsBounded(t *testing.T) {
	t.Parallel()
	refused := make(chan error, 1)
	addr := serve(t, gate.Limits{Body: 100, Wait: time.Minute}, refused)
	res, err := http.Post("http://"+addr, "application/json", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", 1000))})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if r := gate.RefusalOf(<-refused); r.Reason != "too_large" || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %s: %v", res.StatusCode, r.Reason, r)
	}
}

func TestAFaultOfOursIsForTheLogAndNotForTheSender(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := gate.NewCounter(nil, slog.New(slog.NewTextHandler(&log, nil)))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/in/webhook/hr", nil)
	gate.WriteProblem(w, r, c.Refused("hr", errors.New("inner workings")))
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "inner") || !strings.Contains(log.String(), "inner workings") {
		t.Errorf("the sender hears %s, the log %s", w.Body, log.String())
	}
	log.Reset()
	if err := c.Refused("hr", gate.Refuse(http.StatusUnauthorized, "token", "no")); err == nil || log.Len() > 0 {
		t.Errorf("what senders do wrong is counted, not logged: %s", log.String())
	}
}

// instant is a sink that has everything at once.
type instant struct{}

func (instant) Put(context.Context, []event.SourceRecord) error { return nil }

// silent is a sink that says nothing for ever.
type silent struct{}

func (silent) Put(ctx context.Context, _ []event.SourceRecord) error {
	<-make(chan struct{})
	return ctx.Err()
}

func TestWhatKafkaHasIsAcknowledgedAndNothingElse(t *testing.T) {
	t.Parallel()
	for range 10_000 { // a race of the answer with its own time-out would show in some
		if err := gate.Put(t.Context(), instant{}, nil); err != nil {
			t.Fatalf("taken, and told %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := gate.Put(ctx, silent{}, nil); gate.RefusalOf(err).Status != http.StatusServiceUnavailable {
		t.Errorf("not taken, and told %v", err)
	}
}

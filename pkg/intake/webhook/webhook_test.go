package webhook_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/gate"
	"joinery.internal/pkg/intake/intaketest"
	"joinery.internal/pkg/intake/sendertest"
	"joinery.internal/pkg/intake/webhook"
)

var (
	secret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	next   = "whsec_" + base64.StdEncoding.EncodeToString([]byte("fedcba9876543210fedcba9876543210"))
)

func TestMain(m *testing.M) {
	os.Setenv("WEBHOOK_SECRET", secret+"\n"+next) //nolint:errcheck // a name that every system takes
	os.Exit(m.Run())
}

const sources = `
apiVersion: joinery/v1
kind: Source
metadata: {name: phones}
spec:
  authority: profile
  intake: {webhook: {secret: "env:WEBHOOK_SECRET"}}
  map:
    source_key: record.worker
    sequence: record.version
    person: {employee_number: record.worker, phone: record.phone}
  correlate: [employee_number]
`

// sink keeps what it is given, or refuses it.
type sink struct {
	mu      sync.Mutex
	records []event.SourceRecord
	down    error
}

func (s *sink) Put(_ context.Context, records []event.SourceRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.down
	}
	s.records = append(s.records, records...)
	return nil
}

type at time.Time

func (a at) Now() time.Time { return time.Time(a) }

// handler returns the handler of the source at a time of the world, with the pipeline 24 hours ahead.
func handler(t testing.TB, s gate.Sink, now time.Time) (http.Handler, *prometheus.Registry) {
	t.Helper()
	bundle := intaketest.Bundle(t, sources)
	mapper, err := intake.NewMapper(bundle, "phones")
	if err != nil {
		t.Fatal(err)
	}
	source, _ := bundle.Source("phones")
	metrics := prometheus.NewRegistry()
	h, err := webhook.New(webhook.Options{Source: source, Mapper: mapper, Sink: s, Counter: gate.NewCounter(metrics, nil),
		Clocks: gate.Clocks{World: at(now), Pipeline: at(now.Add(24 * time.Hour))}})
	if err != nil {
		t.Fatal(err)
	}
	return h, metrics
}

func TestTheStandardWebhooksClientIsUnderstood(t *testing.T) {
	t.Parallel()
	sender := sendertest.Start(t)
	kept := &sink{}
	now := time.Now().UTC().Truncate(time.Second)
	h, _ := handler(t, kept, now)
	server := httptest.NewServer(h)
	defer server.Close()
	push := sendertest.Webhook{URL: server.URL, Secret: secret, ID: "msg_1", At: now.Unix(), Body: `{"worker":"1001","phone":"+420 1 ☎","version":3}`}
	if a := sender.Webhook(t, push); a.Status != http.StatusAccepted || !strings.Contains(a.Body, `"records":1`) {
		t.Fatalf("got %+v", a)
	}
	push.ID, push.Secret, push.Body = "msg_2", next, `[{"worker":"1002","phone":"2"},{"worker":"1003","phone":"3"}]`
	if a := sender.Webhook(t, push); a.Status != http.StatusAccepted || !strings.Contains(a.Body, `"records":2`) {
		t.Fatalf("a batch by the other secret: %+v", a)
	}
	var ids []string
	for _, r := range kept.records {
		ids = append(ids, r.ID+" "+r.SourceKey+" "+r.Person.Phone)
	}
	if got := strings.Join(ids, ", "); got != "msg_1 1001 +420 1 ☎, msg_2/0 1002 2, msg_2/1 1003 3" {
		t.Errorf("got %s", got)
	}
	if r := kept.records[0]; *r.Sequence != 3 || r.Kind != event.Upsert || !r.RecordedAt.Equal(now.Add(24*time.Hour)) {
		t.Errorf("the record is %+v", r)
	}
}

func TestEachBadPushIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	sender := sendertest.Start(t)
	now := time.Now().UTC().Truncate(time.Second)
	good := `{"worker":"1","phone":"2"}`
	stranger := "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdeX"))
	for name, c := range map[string]struct {
		push   sendertest.Webhook
		status int
		reason string
	}{
		"signed by another":        {sendertest.Webhook{Secret: stranger, Body: good}, 401, "signature"},
		"of ten minutes ago":       {sendertest.Webhook{At: now.Add(-10 * time.Minute).Unix(), Body: good}, 401, "clock"},
		"of ten minutes ahead":     {sendertest.Webhook{At: now.Add(10 * time.Minute).Unix(), Body: good}, 401, "clock"},
		"cut off":                  {sendertest.Webhook{Body: good[:10]}, 400, "json"},
		"two values":               {sendertest.Webhook{Body: good + good}, 400, "json"},
		"nothing":                  {sendertest.Webhook{Body: " "}, 400, "json"},
		"deep":                     {sendertest.Webhook{Body: strings.Repeat("[", 10000) + strings.Repeat("]", 10000)}, 400, "json"},
		"enormous":                 {sendertest.Webhook{Body: `{"worker":"` + strings.Repeat("x", 1<<20) + `"}`}, 413, "too_large"},
		"too many":                 {sendertest.Webhook{Body: "[" + strings.Repeat(good+",", 1000) + good + "]"}, 413, "too_large"},
		"no object":                {sendertest.Webhook{Body: `["worker"]`}, 422, "record"},
		"a record without its key": {sendertest.Webhook{Body: "[" + good + `,{"phone":"2"}]`}, 422, "record"},
		"a key of another kind":    {sendertest.Webhook{Body: `{"worker":{"a":1}}`}, 422, "record"},
	} {
		kept := &sink{}
		h, metrics := handler(t, kept, now)
		server := httptest.NewServer(h)
		c.push.URL, c.push.ID = server.URL, "msg_1"
		if c.push.Secret == "" {
			c.push.Secret = secret
		}
		if c.push.At == 0 {
			c.push.At = now.Unix()
		}
		a := sender.Webhook(t, c.push)
		var problem struct {
			Type   string
			Status int
			Detail string
			Errors []string
		}
		if err := json.Unmarshal([]byte(a.Body), &problem); err != nil {
			t.Errorf("%s: %v: %s", name, err, a.Body)
		}
		if a.Status != c.status || problem.Status != c.status || problem.Type != "urn:joinery:problem:"+strings.ReplaceAll(c.reason, "_", "-") {
			t.Errorf("%s: %d %s, want %d %s", name, a.Status, a.Body, c.status, c.reason)
		}
		if len(kept.records) > 0 {
			t.Errorf("%s: %d records were taken", name, len(kept.records))
		}
		if n, err := testutil.GatherAndCount(metrics, "joinery_intake_pushes_total"); n != 1 || err != nil {
			t.Errorf("%s: %d series, %v", name, n, err)
		}
		server.Close()
	}
}

func TestWhatIsNoWebhookIsRefused(t *testing.T) {
	t.Parallel()
	h, _ := handler(t, &sink{}, time.Now())
	for name, c := range map[string]struct {
		method, body string
		headers      []string
		status       int
	}{
		"a GET":            {"GET", "", nil, 405},
		"no headers":       {"POST", "{}", nil, 400},
		"a form":           {"POST", "{}", []string{"Content-Type", "text/plain"}, 415},
		"UTF-16":           {"POST", "{}", []string{"Content-Type", "application/json; charset=utf-16"}, 415},
		"compressed":       {"POST", "{}", []string{"Content-Encoding", "gzip"}, 415},
		"not UTF-8":        {"POST", "\"\xff\"", nil, 400},
		"a time in words":  {"POST", "{}", []string{"webhook-id", "1", "webhook-timestamp", "now", "webhook-signature", "v1,x"}, 400},
		"an id of control": {"POST", "{}", []string{"webhook-id", "a b", "webhook-timestamp", "1", "webhook-signature", "v1,x"}, 400},
		"many signatures":  {"POST", "{}", []string{"webhook-id", "1", "webhook-timestamp", "1", "webhook-signature", strings.Repeat("v1,x ", 2000)}, 400},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/in/webhook/phones", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i+1 < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, c.status)
		}
	}
}

func TestAPushIsAcknowledgedOnlyAfterKafkaHasIt(t *testing.T) {
	t.Parallel()
	sender := sendertest.Start(t)
	kept := &sink{down: errors.New("no broker")}
	now := time.Now().UTC().Truncate(time.Second)
	h, _ := handler(t, kept, now)
	server := httptest.NewServer(h)
	defer server.Close()
	push := sendertest.Webhook{URL: server.URL, Secret: secret, ID: "msg_1", At: now.Unix(), Body: `{"worker":"1","phone":"2"}`}
	if a := sender.Webhook(t, push); a.Status != http.StatusServiceUnavailable || a.Retry == "" || strings.Contains(a.Body, "no broker") {
		t.Errorf("with Kafka away: %+v", a)
	}
	kept.down = nil
	if a := sender.Webhook(t, push); a.Status != http.StatusAccepted || len(kept.records) != 1 {
		t.Errorf("with Kafka back: %+v, %d records", a, len(kept.records))
	}
}

func TestASecretThatIsNoneIsNamedAtTheStart(t *testing.T) {
	for value, says := range map[string]string{"whsec_!": "BASE64", "whsec_c2hvcnQ=": "needs 24"} {
		t.Setenv("WEBHOOK_SECRET", value)
		bundle := intaketest.Bundle(t, sources)
		source, _ := bundle.Source("phones")
		if _, err := webhook.New(webhook.Options{Source: source, Counter: gate.NewCounter(nil, nil)}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

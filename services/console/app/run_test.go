package app

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/clickhouse/engine/enginetest"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/topics"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/console/internal/desk/desktest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// cluster is an embedded broker with the pipeline's topics.
func cluster(t *testing.T) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	specs, err := topics.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Apply(t.Context(), admin, specs); err != nil {
		t.Fatal(err)
	}
	return c.ListenAddrs()
}

// console runs one against a broker and an engine until the test ends, and returns its URL.
func console(t *testing.T, seeds []string) string {
	t.Helper()
	eng := enginetest.Open(t, t.TempDir())
	if err := evidence.Apply(t.Context(), enginetest.Connect(t, eng)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan struct{}), make(chan error, 1)
	given := service.Env{Name: Name, Instance: "test", Kafka: seeds, Registry: wire.Static(), ClickHouse: eng.NativeURL(),
		ConfigDir: env(t, "apiVersion: joinery/v1\nkind: Settings\nmetadata: {name: acme}\n").ConfigDir, Clock: &desktest.Clock{}, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Ready: func() { close(ready) }}
	go func() {
		ended <- RunDev(ctx, given, Options{Listener: l, Clock: &desktest.Clock{}, Reader: eng.ReaderURL()})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("the console ended: %v", err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the console ended with %v", err)
		}
	})
	return "http://" + l.Addr().String()
}

func do(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// until asks again until the answer holds, or the test's time is over: views run a little behind their topics.
func until(t *testing.T, url, holds string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		status, body := do(t, http.MethodGet, url, "")
		if status == http.StatusOK && strings.Contains(body, holds) {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("%s still answers %d %s", url, status, body)
		}
	}
}

func write(t *testing.T, seeds []string, topic event.Topic, key string, v any) {
	t.Helper()
	value, err := wire.New(wire.Static()).Encode(string(topic), v)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	r := &kgo.Record{Topic: string(topic), Key: []byte(key), Value: value, Partition: stream.Partition(key, 6)}
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestAConsoleWorksOnARealBrokerAndEngine(t *testing.T) {
	t.Parallel()
	seeds := cluster(t)
	url := console(t, seeds) + "/api/v1"

	write(t, seeds, event.IdentityDirectory, "id-ana", &event.DirectoryEntry{IdentityID: "id-ana", EmployeeNumber: "1001", DisplayName: "Ana Berg", Status: event.StatusActive})
	until(t, url+"/persons?employee_number=1001", "Ana Berg")

	files := map[string]string{}
	for _, f := range desktest.Files {
		files[f.Name] = string(f.Data)
	}
	body, err := json.Marshal(struct {
		Files  map[string]string `json:"files"`
		Reason string            `json:"reason"`
	}{files, "first"})
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := do(t, http.MethodPost, url+"/policy/publish", string(body)); status != http.StatusOK || !strings.Contains(answer, `"changed":true`) {
		t.Fatalf("publish: %d %s", status, answer)
	}
	until(t, url+"/policy", `"partitions":6`)
	if status, answer := do(t, http.MethodPost, url+"/policy/publish", string(body)); status != http.StatusOK || !strings.Contains(answer, `"changed":false`) {
		t.Errorf("publish again: %d %s", status, answer)
	}
	until(t, url+"/targets", `"id":"chat"`)

	if status, answer := do(t, http.MethodPost, url+"/requests", `{"kind":"grant","role":"payments-approver","for":"1001","reason":"quarter end"}`); status != http.StatusOK {
		t.Errorf("request: %d %s", status, answer)
	}
	until(t, url+"/topics/jml.access.request.v1/cat", `"requester":"operator"`)

	write(t, seeds, event.ApprovalRequests, "id-ana", &event.ApprovalRequest{RequestID: "act-1", IdentityID: "id-ana", Role: "payments-approver", RequestedAt: desktest.Start})
	until(t, url+"/approvals", `"id":"act-1"`)

	lines := `{"id":"r-1","source":"hr","source_key":"1001","recorded_at":"2026-03-02T08:00:00Z"}` + "\n"
	if status, answer := do(t, http.MethodPost, url+"/produce?topic=jml.source.record.v1", lines+lines); status != http.StatusOK || answer != "{\"produced\":2}\n" {
		t.Errorf("produce: %d %s", status, answer)
	}
	for path, holds := range map[string]string{
		"/persons/1001":          `"id":"id-ana"`,
		"/persons/1001/timeline": `"items":[]`,
		"/persons/1001/access":   `"items":[]`,
		"/cases":                 `"items":[]`,
		"/dlq":                   `"items":[]`,
		"/kpi":                   `"cases_closed":0`,
		"/topics/plan":           `"items":[]`,
		"/status":                `"state":"ok"`,
	} {
		if status, answer := do(t, http.MethodGet, url+path, ""); status != http.StatusOK || !strings.Contains(answer, holds) {
			t.Errorf("%s: %d %s; want %s", path, status, answer, holds)
		}
	}
	if status, answer := do(t, http.MethodPost, url+"/sql", `{"query":"SELECT count() AS n FROM evidence"}`); status != http.StatusOK || !strings.Contains(answer, `{"n":0}`) {
		t.Errorf("sql: %d %s", status, answer)
	}
	if status, answer := do(t, http.MethodPost, url+"/clock", `{"advance":"36h"}`); status != http.StatusOK {
		t.Errorf("clock: %d %s", status, answer)
	}
}

func TestAConsoleWithoutTopicsSaysWhichVerbMakesThem(t *testing.T) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	eng := enginetest.Open(t, t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	env := service.Env{Name: Name, Kafka: c.ListenAddrs(), Registry: wire.Static(), ClickHouse: eng.NativeURL(), ConfigDir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Clock: &desktest.Clock{}}
	if err := RunDev(t.Context(), env, Options{Listener: l}); err == nil || !strings.Contains(err.Error(), "joinery topics plan") {
		t.Errorf("got %v", err)
	}
}

package intake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/intaketest"
)

func open(t *testing.T, w *intaketest.World) *intake.Sink {
	t.Helper()
	s, err := intake.OpenSink(t.Context(), w.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func worker(n int) event.SourceRecord {
	return event.SourceRecord{ID: fmt.Sprint("r", n), Source: "hr", SourceKey: fmt.Sprint("W", n%7), RecordedAt: time.UnixMilli(int64(n)).UTC(), Kind: event.Upsert}
}

func TestPutReturnsWhenKafkaHasAllOfThemInOrder(t *testing.T) {
	t.Parallel()
	w := intaketest.New(t)
	var in []event.SourceRecord
	for n := range 1000 {
		in = append(in, worker(n))
	}
	if err := open(t, w).Put(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	last := map[string]time.Time{}
	for _, r := range w.Records(1000) {
		if r.RecordedAt.Before(last[r.SourceKey]) {
			t.Fatalf("%s came after a later one of %s", r.ID, r.SourceKey)
		}
		last[r.SourceKey] = r.RecordedAt
	}
}

func TestAnEmergencyTakesTheFastLane(t *testing.T) {
	t.Parallel()
	w := intaketest.New(t)
	hot := worker(2)
	hot.Kind = event.Emergency
	if err := open(t, w).Put(t.Context(), []event.SourceRecord{worker(1), hot}); err != nil {
		t.Fatal(err)
	}
	if urgent, rest := w.Urgent(1), w.Records(1); len(urgent) != 1 || urgent[0].ID != hot.ID || len(rest) != 1 {
		t.Errorf("urgent %+v, others %+v", urgent, rest)
	}
}

func TestPutFailsWhileKafkaDoesNotTakeThem(t *testing.T) {
	t.Parallel()
	w := intaketest.New(t)
	s := open(t, w)
	w.Broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: string(event.SourceRecords), Err: kerr.NotEnoughReplicas, Count: -1})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.Put(ctx, []event.SourceRecord{worker(1)}); err == nil {
		t.Error("acknowledged what no broker has taken")
	}
}

func TestARejectKeepsItsBytesAndSaysWhenNotAll(t *testing.T) {
	t.Parallel()
	w := intaketest.New(t)
	s := open(t, w)
	small := event.Reject{ID: "a", Source: "hr", Class: intake.Decode, Message: "cut off", Place: "call a", Value: []byte{0xff, 0x00}, RejectedAt: time.UnixMilli(5).UTC()}
	large := event.Reject{ID: "b", Source: "hr", Class: intake.Decode, Message: "too large", Value: make([]byte, 4<<20)}
	if err := s.Reject(t.Context(), small, large); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.Rejects(2) {
		switch {
		case r.ID == "a" && string(r.Value) != "\xff\x00":
			t.Errorf("%+v", r)
		case r.ID == "b" && (len(r.Value) != 512<<10 || !strings.Contains(r.Message, "of 4194304 bytes are kept")):
			t.Errorf("%d bytes, %s", len(r.Value), r.Message)
		}
	}
}

func TestASinkWithoutTheTopicsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	w := &intaketest.World{}
	w.Options.Seeds, w.Options.Dialer = broker.ListenAddrs(), []kgo.Opt{kgo.MetadataMinAge(10 * time.Millisecond)}
	if _, err := intake.OpenSink(t.Context(), w.Options); err == nil || !strings.Contains(err.Error(), "joinery topics plan") {
		t.Errorf("%v", err)
	}
}

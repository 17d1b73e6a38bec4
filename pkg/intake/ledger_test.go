package intake_test

import (
	"log/slog"
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/intaketest"
)

func source(t *testing.T, w *intaketest.World) intake.Source {
	return intake.Source{Mapper: mapper(t), Stream: w.Options, Meter: intake.NewMeter(nil, "hr", 0), Log: slog.New(slog.DiscardHandler)}
}

func ledger(t *testing.T, s intake.Source) *intake.Ledger {
	t.Helper()
	l, err := s.OpenLedger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestALedgerRemembersWhatWasCommittedWithTheRecordsAndNothingElse(t *testing.T) {
	t.Parallel()
	w := intaketest.New(t)
	s := source(t, w)
	l := ledger(t, s)
	if err := l.Commit(t.Context(), intake.Batch{Records: []event.SourceRecord{worker(1)}, Marks: map[string][]byte{"cookie": []byte("1"), "row/7": []byte("a")}}); err != nil {
		t.Fatal(err)
	}
	w.Broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.InvalidTxnState, Count: 1})
	if err := l.Commit(t.Context(), intake.Batch{Records: []event.SourceRecord{worker(2)}, Marks: map[string][]byte{"cookie": []byte("2")}}); err == nil {
		t.Fatal("acknowledged what was not committed")
	}
	again := ledger(t, s)
	if got, want := again.Marks(), map[string][]byte{"cookie": []byte("1"), "row/7": []byte("a")}; !maps.EqualFunc(got, want, func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Errorf("remembered %q", got)
	}
	if err := again.Commit(t.Context(), intake.Batch{Records: []event.SourceRecord{worker(3)}, Marks: map[string][]byte{"row/7": nil}}); err != nil {
		t.Fatal(err)
	}
	if got := ledger(t, s).Marks(); len(got) != 1 {
		t.Errorf("remembered %q", got)
	}
	if got := w.Records(2); len(got) != 2 {
		t.Errorf("%d records", len(got))
	}
}

func TestWhoeverOpensALedgerFencesTheOneBefore(t *testing.T) {
	t.Parallel()
	w := intaketest.New(t)
	s := source(t, w)
	old := ledger(t, s)
	if err := old.Commit(t.Context(), intake.Batch{Records: []event.SourceRecord{worker(1)}}); err != nil {
		t.Fatal(err)
	}
	ledger(t, s)
	if err := old.Commit(t.Context(), intake.Batch{Records: []event.SourceRecord{worker(2)}}); err == nil {
		t.Error("two writers of one source")
	}
	if got := w.Records(1); len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
}

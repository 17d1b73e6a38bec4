package desk_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/evidence/row"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

// archived gives a world n rows of one chain, and the checkpoint of the last.
func archived(t *testing.T, n int) *desktest.World {
	t.Helper()
	w := desktest.New(t)
	var prev []byte
	for i := range n {
		value, err := w.Desk.Codec.Encode(string(event.CaseEvents), event.CaseEvent{Meta: event.Meta{EventID: event.EventID(fmt.Sprint("e-", i)), Kind: event.CaseOpened,
			IdentityID: "id-ana", OccurredAt: desktest.Start}})
		if err != nil {
			t.Fatal(err)
		}
		hash := stream.LinkHash(prev, uint64(i+1), []byte("id-ana"), value)
		r, err := row.New(w.Desk.Codec).Make(&kgo.Record{Topic: string(event.CaseEvents), Offset: int64(i), Key: []byte("id-ana"), Value: value, Headers: []kgo.RecordHeader{
			{Key: "ce_source", Value: []byte("/joinery/policy-resolver")}, {Key: stream.HeaderSeq, Value: fmt.Append(nil, i+1)},
			{Key: stream.HeaderPrev, Value: prev}, {Key: stream.HeaderHash, Value: hash}}}, uuid.UUID{1})
		if err != nil {
			t.Fatal(err)
		}
		r = r.Storable()
		r.StoredAt = time.Now().Add(-time.Hour)
		w.Archive.Evidence, prev = append(w.Archive.Evidence, r), hash
	}
	checkpoint(t, w, evidence.Seal(w.SealKey, event.Checkpoint{Topic: event.CaseEvents, Service: "policy-resolver", Seq: int64(n), Hash: prev, At: desktest.Start}))
	return w
}

func checkpoint(t *testing.T, w *desktest.World, c event.Checkpoint) {
	t.Helper()
	value, err := w.Desk.Codec.Encode(string(event.Checkpoints), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Journal.Append(t.Context(), desk.Outgoing{Topic: event.Checkpoints, Key: c.Service, Value: value}); err != nil {
		t.Fatal(err)
	}
}

func TestAnAuditFindsWhatWasDoneToTheEvidence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(*testing.T, *desktest.World)
		want   string // id, seq and fault
	}{
		"nothing":    {func(*testing.T, *desktest.World) {}, ""},
		"a column":   {func(_ *testing.T, w *desktest.World) { w.Archive.Evidence[1].Outcome = "succeeded" }, "e-1 2 its column outcome is not what its bytes say"},
		"the end":    {func(_ *testing.T, w *desktest.World) { w.Archive.Evidence = w.Archive.Evidence[:2] }, " 3 rows from seq 3 to 4 lack at the end: a checkpoint sealed them"},
		"everything": {func(_ *testing.T, w *desktest.World) { w.Archive.Evidence = nil }, " 1 rows from seq 1 to 4 lack at the end: a checkpoint sealed them"},
		"bytes": {func(_ *testing.T, w *desktest.World) { w.Archive.Evidence[2].Raw += "x" },
			"e-2 3 its key or bytes are not those that its hash was made of"},
		"a checkpoint": {func(t *testing.T, w *desktest.World) {
			checkpoint(t, w, event.Checkpoint{Topic: event.CaseEvents, Service: "policy-resolver", Seq: 9, Hash: []byte{1}, Signature: []byte("mine")})
		}, " 9 a checkpoint of it is not signed by the key of the evidence sink"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := archived(t, 4)
			c.damage(t, w)
			got, err := w.Desk.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, f := range got.Faults {
				found = append(found, fmt.Sprintf("%s %d %s", f.ID, f.Seq, f.Fault))
			}
			if text := strings.Join(found, "; "); text != c.want || got.Whole != (c.want == "") {
				t.Errorf("%q, whole: %t; want %q", text, got.Whole, c.want)
			}
			if c.want == "" && (got.Rows != 4 || got.Chains != 1 || got.Sealed != 4) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAnExportCarriesThePayloadAndTheBytesOfItsHash(t *testing.T) {
	t.Parallel()
	w := archived(t, 2)
	write, err := w.Desk.Export("1001", desk.ExportQuery{Kind: "case"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := write(context.WithoutCancel(t.Context()), &out); err != nil {
		t.Fatal(err)
	}
	if q := w.Archive.Asked.Export; q.IdentityID != "id-ana" || q.Kind != "case" {
		t.Errorf("asked for %+v", q)
	}
	var prev []byte
	lines := 0
	for line := range strings.Lines(out.String()) {
		var r struct {
			Kind    string `json:"kind"`
			Seq     uint64 `json:"seq"`
			SrcKey  string `json:"src_key"`
			Hash    string `json:"hash"`
			Raw     []byte `json:"raw"`
			Payload struct {
				EventID string `json:"event_id"`
			} `json:"payload"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		prev = stream.LinkHash(prev, r.Seq, []byte(r.SrcKey), r.Raw)
		if hex.EncodeToString(prev) != r.Hash || r.Payload.EventID != fmt.Sprint("e-", lines) || r.Kind != "case.opened" {
			t.Errorf("line %d: %s", lines, line)
		}
		lines++
	}
	if lines != 2 {
		t.Errorf("%d lines", lines)
	}
}

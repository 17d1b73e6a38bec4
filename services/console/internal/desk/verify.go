package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/evidence/row"
)

// Verification is what an audit of the evidence found.
type Verification struct {
	Rows   uint64   `json:"rows"`
	Chains int      `json:"chains" doc:"of a topic, partition and writer each"`
	Sealed uint64   `json:"sealed" doc:"rows that a signed checkpoint covers; the newest of all get theirs within a moment"`
	Whole  bool     `json:"whole"`
	Faults []BadRow `json:"faults" doc:"the first of each chain"`
}

// BadRow is a row of the evidence that is not as it was written, does not follow from the one before, or lacks.
type BadRow struct {
	ID        string `json:"id" doc:"its event_id; empty: the row lacks"`
	Topic     string `json:"topic"`
	Partition uint32 `json:"partition"`
	Offset    uint64 `json:"offset"`
	Service   string `json:"service"`
	Seq       uint64 `json:"seq"`
	Fault     string `json:"fault"`
}

// Verify proves from the evidence and the checkpoints alone that each chain is gapless and whole from its first row to the one that was
// sealed last, and that each column of a row says what its bytes say. The checkpoints are read first: what they seal was stored before.
func (d *Desk) Verify(ctx context.Context) (Verification, error) {
	seals, forged, err := d.seals(ctx)
	if err != nil {
		return Verification{}, err
	}
	out := Verification{Faults: []BadRow{}}
	for _, c := range forged {
		out.Faults = append(out.Faults, BadRow{Topic: string(c.Topic), Partition: uint32(c.Partition), Service: c.Service, Seq: uint64(c.Seq),
			Fault: "a checkpoint of it is not signed by the key of the evidence sink"})
	}
	auditor, maker := evidence.Auditor{Seals: seals, Now: time.Now()}, row.New(d.Codec)
	broken := map[evidence.Chain]bool{}
	err = d.Archive.Audit(ctx, func(r evidence.Row) error {
		fault := auditor.Next(r)
		if fault == "" {
			column, err := maker.Differs(r)
			if err != nil {
				return err
			}
			if column != "" {
				fault = "its column " + column + " is not what its bytes say"
			}
		}
		if chain := r.Chain(); fault != "" && !broken[chain] {
			broken[chain] = true
			out.Faults = append(out.Faults, BadRow{ID: r.EventID, Topic: r.SrcTopic, Partition: r.SrcPartition, Offset: r.SrcOffset, Service: r.Service, Seq: r.Seq, Fault: fault})
		}
		return nil
	})
	if err != nil {
		return Verification{}, unavailable("read the evidence", err)
	}
	for _, cut := range auditor.End() {
		if !broken[cut.Chain] {
			out.Faults = append(out.Faults, BadRow{Topic: cut.Chain.Topic, Partition: cut.Chain.Partition, Service: cut.Chain.Service, Seq: cut.After + 1,
				Fault: fmt.Sprintf("rows from seq %d to %d lack at the end: a checkpoint sealed them", cut.After+1, cut.Seq)})
		}
	}
	out.Rows, out.Chains, out.Sealed, out.Whole = auditor.Rows, auditor.Chains(), auditor.Sealed, len(out.Faults) == 0
	return out, nil
}

// seals reads the checkpoints, and gives those that nobody but the sink can have made.
func (d *Desk) seals(ctx context.Context) (map[evidence.Chain]evidence.Head, []event.Checkpoint, error) {
	key, err := d.SealKey()
	if err != nil {
		return nil, nil, &Fault{Kind: Unavailable, Err: err,
			Detail: "the public key of checkpoints is not there: copy " + evidence.KeyFile + ".pub from the data folder of evidence-sink to that of the console"}
	}
	var checkpoints []event.Checkpoint
	var unread error
	err = d.Journal.Read(ctx, event.Checkpoints, func(in Incoming) {
		var c event.Checkpoint
		if err := d.Codec.Decode(in.Value, string(in.Topic), &c); err != nil {
			unread = fmt.Errorf("decode checkpoint %s/%d/%d: %w", in.Topic, in.Partition, in.Offset, err)
		}
		checkpoints = append(checkpoints, c)
	})
	if err == nil {
		err = unread
	}
	if err != nil {
		return nil, nil, unavailable("read the checkpoints", err)
	}
	seals, forged := evidence.Seals(key, checkpoints)
	return seals, forged, nil
}

// ExportQuery says which evidence. Empty fields mean any.
type ExportQuery struct {
	IdentityID event.IdentityID
	CaseID     string
	Kind       string    // or the part before its dot
	Since      time.Time // of occurred_at
	Until      time.Time // before it
}

// exported is a row as people take it away: the payload as JSON, and the bytes that its hash was made of.
type exported struct {
	evidence.Row
	Payload json.RawMessage `json:"payload"`
	Raw     []byte          `json:"raw"`
}

// Export writes rows as JSON lines, oldest first. person names somebody, or is empty.
func (d *Desk) Export(person string, q ExportQuery) (func(context.Context, io.Writer) error, error) {
	if person != "" {
		id, err := d.Find(person)
		if err != nil {
			return nil, err
		}
		q.IdentityID = id
	}
	if q.Until.IsZero() {
		q.Until = d.Clock.Now().AddDate(1, 0, 0) // beyond what has occurred
	}
	return func(ctx context.Context, w io.Writer) error {
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		return d.Archive.Export(ctx, q, func(r evidence.Row) error {
			return lines.Encode(exported{r, json.RawMessage(r.Payload), []byte(r.Raw)})
		})
	}, nil
}

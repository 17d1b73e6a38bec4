package desk

import (
	"context"
	"encoding/json"
	"fmt"

	"joinery.internal/pkg/evidence"
)

// Verification is what an audit of the evidence found.
type Verification struct {
	Rows   uint64   `json:"rows"`
	Chains uint64   `json:"chains" doc:"of a topic, partition and writer each"`
	Whole  bool     `json:"whole"`
	Faults []BadRow `json:"faults" doc:"the first of each chain"`
}

// BadRow is a row of the evidence that is not as it was written, or does not follow from the one before.
type BadRow struct {
	ID        string `json:"id" doc:"its event_id"`
	Topic     string `json:"topic"`
	Partition uint32 `json:"partition"`
	Offset    uint64 `json:"offset"`
	Service   string `json:"service"`
	Seq       uint64 `json:"seq"`
	Fault     string `json:"fault"`
}

// Verify proves from the evidence alone that each chain is gapless and whole from its first row, and that rows say what
// their bytes say. Rows cut off at the end of a chain it cannot miss.
func (d *Desk) Verify(ctx context.Context) (Verification, error) {
	var auditor evidence.Auditor
	out := Verification{Faults: []BadRow{}}
	broken := "" // the chain in which a fault was found
	err := d.Archive.Audit(ctx, func(r evidence.Row) error {
		fault := auditor.Next(r)
		if fault == "" {
			fault = d.misreads(r)
		}
		if chain := fmt.Sprintf("%s/%d/%s", r.SrcTopic, r.SrcPartition, r.Service); fault != "" && chain != broken {
			broken = chain
			out.Faults = append(out.Faults, BadRow{ID: r.EventID, Topic: r.SrcTopic, Partition: r.SrcPartition, Offset: r.SrcOffset, Service: r.Service, Seq: r.Seq, Fault: fault})
		}
		return nil
	})
	if err != nil {
		return Verification{}, unavailable("read the evidence", err)
	}
	out.Rows, out.Chains, out.Whole = auditor.Rows, auditor.Chains, len(out.Faults) == 0
	return out, nil
}

// misreads says how a row differs from the bytes it was made of; empty: not at all. Bytes that nobody can read are told of
// by the row itself.
func (d *Desk) misreads(r evidence.Row) string {
	payload, _, err := d.Codec.DecodeJSON([]byte(r.Raw))
	if err != nil {
		return ""
	}
	var says struct {
		EventID    string `json:"event_id"`
		Kind       string `json:"kind"`
		IdentityID string `json:"identity_id"`
	}
	switch {
	case string(payload) != r.Payload:
		return "its payload is not what its bytes say"
	case json.Unmarshal(payload, &says) != nil || says.EventID != r.EventID || says.Kind != r.Kind || says.IdentityID != r.IdentityID:
		return "its columns are not what its bytes say"
	}
	return ""
}

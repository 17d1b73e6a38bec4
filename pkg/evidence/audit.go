package evidence

import (
	"encoding/hex"
	"fmt"
	"time"

	"joinery.internal/pkg/stream"
)

// sealedWithin is how long after it was stored a row may be without a checkpoint: the sink writes one after each insert.
const sealedWithin = time.Minute

// Auditor follows the chains through rows that come ordered by topic, partition, writer and seq, and compares them with
// what checkpoints seal. It finds rows that lack, also at the end, that come twice under another content, that were altered, or
// that nobody but the pipeline's writers could have sealed.
type Auditor struct {
	Seals map[Chain]Head
	Now   time.Time // of the clock that stored_at is of

	Rows   uint64
	Sealed uint64 // of Rows, covered by a checkpoint
	last   Row
	ends   map[Chain]uint64 // seq of the last row
}

// Chains is how many there are.
func (a *Auditor) Chains() int { return len(a.ends) }

// Next says what is wrong with the next row of a chain; empty: nothing.
func (a *Auditor) Next(r Row) string {
	a.Rows++
	if r.Seq == 0 {
		return "it belongs to no chain: no part of the pipeline wrote it"
	}
	before := a.last
	if before.Chain() != r.Chain() {
		before = Row{}
	}
	a.last = r
	if a.ends == nil {
		a.ends = map[Chain]uint64{}
	}
	a.ends[r.Chain()] = r.Seq
	if fault := follows(before, r); fault != "" {
		return fault
	}
	seal, sealed := a.Seals[r.Chain()]
	switch {
	case r.Seq == seal.Seq && r.Hash != seal.Hash:
		return "it is not the row that a checkpoint sealed: the chain was written anew"
	case r.Seq <= seal.Seq:
		a.Sealed++
	case a.Now.Sub(r.StoredAt).Abs() <= sealedWithin: // its checkpoint is on its way
	case !sealed:
		return "no checkpoint knows its chain"
	default:
		return fmt.Sprintf("it comes after the newest checkpoint, which is of seq %d", seal.Seq)
	}
	return ""
}

// follows says how a row fails to be the next link of a chain; the zero Row is before the first.
func follows(before, r Row) string {
	prev, err := hex.DecodeString(r.PrevHash)
	switch {
	case err != nil:
		return "prev_hash is no hash"
	case r.Seq == before.Seq:
		return fmt.Sprintf("seq %d is there twice", r.Seq)
	case r.Seq != before.Seq+1:
		return fmt.Sprintf("rows from seq %d to %d lack before it", before.Seq+1, r.Seq-1)
	case r.PrevHash != before.Hash:
		return "it does not follow from the row before: prev_hash differs from its hash"
	case hex.EncodeToString(stream.LinkHash(prev, r.Seq, []byte(r.SrcKey), []byte(r.Raw))) != r.Hash:
		return "its key or bytes are not those that its hash was made of"
	}
	return ""
}

// Cut is a chain whose end lacks.
type Cut struct {
	Chain Chain
	After uint64 // seq of the last row that is there; 0: none is
	Seq   uint64 // that is sealed
}

// End gives the chains that end before what was sealed. Call it after the last row.
func (a *Auditor) End() (cut []Cut) {
	for _, c := range sortedChains(a.Seals) {
		if seal := a.Seals[c]; a.ends[c] < seal.Seq {
			cut = append(cut, Cut{c, a.ends[c], seal.Seq})
		}
	}
	return cut
}

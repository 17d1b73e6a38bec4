package evidence

import (
	"encoding/hex"
	"fmt"

	"joinery.internal/pkg/stream"
)

// Auditor follows the chains through rows that come ordered by topic, partition, writer and seq. The zero Auditor has
// seen none. It finds rows that lack, come twice under another content, or were altered; it cannot know of rows cut off at
// the end of a chain.
type Auditor struct {
	Chains uint64
	Rows   uint64
	last   Row
}

// Next says what is wrong with the next row of a chain; empty: nothing.
func (a *Auditor) Next(r Row) string {
	first := a.Rows == 0 || r.SrcTopic != a.last.SrcTopic || r.SrcPartition != a.last.SrcPartition || r.Service != a.last.Service
	before := a.last
	a.Rows, a.last = a.Rows+1, r
	if first {
		a.Chains++
		before = Row{}
	}
	prev, err := hex.DecodeString(r.PrevHash)
	if err != nil {
		return "prev_hash is no hash"
	}
	switch {
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

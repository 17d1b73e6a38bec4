package evidence

import (
	"cmp"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/signing"
)

// KeyFile is the name of the private key of checkpoints in the data folder of the sink.
const KeyFile = "evidence.key"

// Chain is a run of rows that one writer wrote to one partition.
type Chain struct {
	Topic     string
	Partition uint32
	Service   string
}

func (c Chain) String() string { return fmt.Sprintf("%s/%d/%s", c.Topic, c.Partition, c.Service) }

// Chain is whose link the row is.
func (r *Row) Chain() Chain { return Chain{r.SrcTopic, r.SrcPartition, r.Service} }

// Head is the last row of a chain. Its hash covers all before it.
type Head struct {
	Seq  uint64
	Hash string // hex
}

// Heads gives the head of each chain that rows belong to; the rows of a chain come in order.
func Heads(rows []Row) map[Chain]Head {
	heads := map[Chain]Head{}
	for _, r := range rows {
		if r.Seq > 0 {
			heads[r.Chain()] = Head{r.Seq, r.Hash}
		}
	}
	return heads
}

// Seal signs a checkpoint.
func Seal(key ed25519.PrivateKey, c event.Checkpoint) event.Checkpoint {
	c.Signature = ed25519.Sign(key, digest(c))
	return c
}

func digest(c event.Checkpoint) []byte {
	return signing.Digest("joinery evidence checkpoint 1", string(c.Topic), fmt.Sprint(c.Partition), c.Service, fmt.Sprint(c.Seq), string(c.Hash), fmt.Sprint(c.At.UnixMilli()))
}

// Seals is what checkpoints vouch for: the farthest head of each chain. Checkpoints that the key did not sign are
// given back, and vouch for nothing.
func Seals(public ed25519.PublicKey, checkpoints []event.Checkpoint) (seals map[Chain]Head, forged []event.Checkpoint) {
	seals = map[Chain]Head{}
	for _, c := range checkpoints {
		if !ed25519.Verify(public, digest(c), c.Signature) {
			forged = append(forged, c)
			continue
		}
		chain := Chain{string(c.Topic), uint32(c.Partition), c.Service}
		if seq := uint64(c.Seq); seq > seals[chain].Seq {
			seals[chain] = Head{seq, hex.EncodeToString(c.Hash)}
		}
	}
	return seals, forged
}

func sortedChains[V any](m map[Chain]V) []Chain {
	return slices.SortedFunc(maps.Keys(m), func(a, b Chain) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Service, b.Service))
	})
}

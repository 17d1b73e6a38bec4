package app

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/stream"
)

// seal writes a checkpoint of each chain that rows, which are stored, have grown. An owner of a partition that does not
// know yet that it has lost it writes an older one after a newer: readers take the farthest, and the next batch heals the topic.
func (s *sink) seal(ctx context.Context, rows []evidence.Row) error {
	var records []*kgo.Record
	heads := evidence.Heads(rows)
	for chain, head := range heads {
		hash, err := hex.DecodeString(head.Hash)
		if err != nil {
			return fmt.Errorf("read hash of %s seq %d: %w", chain, head.Seq, err)
		}
		value, err := s.codec.Encode(string(event.Checkpoints), evidence.Seal(s.key, event.Checkpoint{Topic: event.Topic(chain.Topic), Partition: int32(chain.Partition),
			Service: chain.Service, Seq: int64(head.Seq), Hash: hash, At: time.Now().UTC()}))
		if err != nil {
			return fmt.Errorf("encode checkpoint of %s: %w", chain, err)
		}
		records = append(records, &kgo.Record{Topic: string(event.Checkpoints), Key: []byte(chain.String()), Value: value})
	}
	if err := s.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("write checkpoints: %w", err)
	}
	for chain, head := range heads {
		s.heads[chain] = max(s.heads[chain], head.Seq)
	}
	return nil
}

// sealedHeads reads how far each chain is sealed.
func (s *sink) sealedHeads(ctx context.Context) (map[evidence.Chain]uint64, error) {
	var list []event.Checkpoint
	all, err := stream.Follow(ctx, s.env.Stream(), func(r stream.Record) error {
		var c event.Checkpoint
		if err := s.codec.Decode(r.Value, string(r.Topic), &c); err != nil {
			return fmt.Errorf("decode checkpoint %s: %w", r.ID(), err)
		}
		list = append(list, c)
		return nil
	}, event.Checkpoints)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	all.Close()
	seals, forged := evidence.Seals(s.key.Public().(ed25519.PublicKey), list)
	if len(forged) > 0 {
		s.env.Log.Error("checkpoints are not signed by this key: somebody else wrote them, or the key was lost and made anew", "count", len(forged), "key", evidence.KeyFile)
	}
	heads := map[evidence.Chain]uint64{}
	for chain, head := range seals {
		heads[chain] = head.Seq
	}
	return heads, nil
}

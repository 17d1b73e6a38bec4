package app

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
)

// seal writes a checkpoint of each chain that rows, which are stored, have grown. An owner of a partition that does not
// know yet that it has lost it writes an older one after a newer: readers take the farthest, and the next batch heals the topic.
func (s *sink) seal(ctx context.Context, rows []evidence.Row) error {
	var records []*kgo.Record
	for chain, head := range evidence.Heads(rows) {
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
	return nil
}

package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/ingest/internal/intake"
)

// An adapter writes an end to the fast lane. A source that writes jml.source.record.v1 itself puts its ends behind all it
// wrote before, and a scout reads ahead for them:
//
//	jml.source.record.v1 --in its turn-----------------------------> intake: emits the fact; ingest has seen it
//	                \--scout--copy of an end--> jml.source.urgent.v1 --> intake: emits the fact, if it knows whose it is
//
// A copy has the record's id, so taking both is taking one; it is made only where intake is far behind, so that in quiet
// times there is none; and only of what was recorded lately, so that a history that is loaded fills no lane. Of somebody not known yet the copy is dropped: the original comes, and behind its hire.
const (
	scoutName  = "intake-scout" // the consumer group
	headerCopy = "jml-ahead"    // marks a copy
	farBehind  = 500            // records of one partition
	recent     = 30 * 24 * time.Hour
	scoutPause = time.Second // after a fault
)

// ahead takes what is written to the fast lane, but of copies only those that overtake: for the others, and to complain of,
// the original comes.
func (in *intaker) ahead(tx *stream.Tx, r stream.Record) error {
	if _, copied := r.Headers[headerCopy]; copied && !in.knows(tx, r) {
		return nil
	}
	return in.handle(tx, r)
}

// knows says whether a record is good, and of somebody whom it finds by the fast lane.
func (in *intaker) knows(tx *stream.Tx, r stream.Record) bool {
	rec, err := stream.Decode[event.SourceRecord](tx, r)
	if err != nil {
		return false
	}
	rec = intake.Normalise(rec)
	src, err := in.check.Check(r.Key, rec)
	if err != nil {
		return false
	}
	linked, _ := links.Get(tx, r.Key)
	match, found := intake.Correlate(src, rec, linked, in.dir)
	return found && in.overtakes(r.Topic, intake.NewFact(src, rec, match, tx.Now()))
}

// scout copies what is urgent and stands far back in the log.
type scout struct {
	client *kgo.Client
	admin  *kadm.Client
	o      stream.Options
}

// scouting runs a scout until ctx ends, after a fault anew. Without it ends are late, not lost.
func scouting(ctx context.Context, o stream.Options, log *slog.Logger) {
	for ctx.Err() == nil {
		err := scoutOnce(ctx, o)
		if ctx.Err() != nil {
			return
		}
		if log != nil {
			log.Warn("looking ahead for leavers ended, starting again", "after", scoutPause, "err", err)
		}
		pause := time.NewTimer(scoutPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

func scoutOnce(ctx context.Context, o stream.Options) error {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.ConsumerGroup(scoutName), kgo.InstanceID(o.Instance),
		kgo.ConsumeTopics(string(event.SourceRecords)), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.FetchMaxWait(250 * time.Millisecond)}, o.Dialer...)...)
	if err != nil {
		return fmt.Errorf("open client of the scout: %w", err)
	}
	defer client.CloseAllowingRebalance()
	s := scout{client, kadm.NewClient(client), o}
	for {
		client.AllowRebalance()
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read ahead: %w", err)
		}
		if err := s.look(ctx, fetches); err != nil {
			return err
		}
	}
}

// look copies the ends among what was fetched, and then moves the place of the scout.
func (s scout) look(ctx context.Context, fetches kgo.Fetches) error {
	var ends []*kgo.Record
	for r := range fetches.RecordsAll() {
		var rec event.SourceRecord
		err := s.o.Codec.Decode(r.Value, r.Topic, &rec) // of bad ones intake makes dead letters
		if err == nil && rec.Overtakes() && s.o.Clock.Now().Sub(rec.RecordedAt) < recent {
			ends = append(ends, r)
		}
	}
	copies, err := s.copies(ctx, ends)
	if err != nil {
		return err
	}
	if err := s.client.ProduceSync(ctx, copies...).FirstErr(); err != nil {
		return fmt.Errorf("copy %d ends: %w", len(copies), err)
	}
	if err := s.client.CommitUncommittedOffsets(ctx); err != nil {
		return fmt.Errorf("commit what was read ahead: %w", err)
	}
	return nil
}

// copies are of the ends that intake is far from.
func (s scout) copies(ctx context.Context, ends []*kgo.Record) ([]*kgo.Record, error) {
	if len(ends) == 0 {
		return nil, nil
	}
	taken, err := s.admin.FetchOffsetsForTopics(ctx, intakeName, string(event.SourceRecords))
	if err != nil {
		return nil, fmt.Errorf("look how far %s has come: %w", intakeName, err)
	}
	var out []*kgo.Record
	for _, r := range ends {
		if at, _ := taken.Lookup(r.Topic, r.Partition); r.Offset-max(at.At, 0) > farBehind {
			out = append(out, &kgo.Record{Topic: string(event.UrgentRecords), Partition: r.Partition, Key: r.Key, Value: r.Value,
				Headers: append(r.Headers, kgo.RecordHeader{Key: headerCopy})})
		}
	}
	return out, nil
}

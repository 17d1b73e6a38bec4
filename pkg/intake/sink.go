package intake

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// Sink writes what came in to Kafka. Its producer is idempotent and waits for all replicas in sync.
type Sink struct {
	client  *kgo.Client
	enc     encoder
	waiting sync.WaitGroup // for answers of the broker
}

// OpenSink connects to the cluster; the pipeline's topics must be there.
func OpenSink(ctx context.Context, o stream.Options) (*Sink, error) {
	client, err := kgo.NewClient(producer(o)...)
	if err != nil {
		return nil, fmt.Errorf("open sink of sources: %w", err)
	}
	enc, err := newEncoder(ctx, client, o.Codec)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("open sink of sources: %w", err)
	}
	return &Sink{client: client, enc: enc}, nil
}

func producer(o stream.Options) []kgo.Opt {
	return append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(maxBatch)}, o.Dialer...)
}

// maxBatch is what brokers take in one request unless told otherwise.
const maxBatch = 1 << 20

// Close ends the connections. What Put has returned for is safe; what it has not is not.
func (s *Sink) Close() {
	s.client.Close()
	s.waiting.Wait()
}

// Put returns when Kafka has all the records. After an error some may be there: send all again.
func (s *Sink) Put(ctx context.Context, records []event.SourceRecord) error {
	out, err := s.enc.records(records)
	if err != nil {
		return err
	}
	return s.produce(ctx, out)
}

// Reject returns when Kafka has what could not be made a record; ingest makes dead letters of it.
func (s *Sink) Reject(ctx context.Context, rejects ...event.Reject) error {
	out, err := s.enc.rejects(rejects)
	if err != nil {
		return err
	}
	return s.produce(ctx, out)
}

// produce does not outwait ctx: the client would, as long as the broker's answer is in doubt.
func (s *Sink) produce(ctx context.Context, out []*kgo.Record) error {
	answer := make(chan error, 1)
	s.waiting.Go(func() { answer <- s.client.ProduceSync(ctx, out...).FirstErr() })
	var err error
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("produce %d records of sources: %w", len(out), err)
	}
	return nil
}

// encoder makes Kafka records, with their partitions.
type encoder struct {
	codec   stream.Codec
	nparts  int32
	maximum int // bytes of a reject's value that are kept
}

// maxKept is how much of a rejected record is kept: a dead letter holds it once more, with its own fields.
const maxKept = 512 << 10

func newEncoder(ctx context.Context, client *kgo.Client, codec stream.Codec) (encoder, error) {
	topics, err := kadm.NewClient(client).ListTopics(ctx, string(event.SourceRecords), string(event.SourceRejects))
	if err != nil {
		return encoder{}, fmt.Errorf("list topics: %w", err)
	}
	n := len(topics[string(event.SourceRecords)].Partitions)
	if n == 0 || len(topics[string(event.SourceRejects)].Partitions) != n {
		return encoder{}, fmt.Errorf("topic %s or %s is missing or has another number of partitions: see `joinery topics plan`", event.SourceRecords, event.SourceRejects)
	}
	return encoder{codec: codec, nparts: int32(n), maximum: maxKept}, nil
}

func (e encoder) records(records []event.SourceRecord) ([]*kgo.Record, error) {
	out := make([]*kgo.Record, len(records))
	for i := range records {
		r := &records[i]
		var err error
		if out[i], err = e.record(r.Topic(), r.Source+"/"+r.SourceKey, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e encoder) rejects(rejects []event.Reject) ([]*kgo.Record, error) {
	out := make([]*kgo.Record, len(rejects))
	for i := range rejects {
		r := rejects[i]
		if len(r.Value) > e.maximum {
			r.Message += fmt.Sprintf(" (the first %d of %d bytes are kept)", e.maximum, len(r.Value))
			r.Value = r.Value[:e.maximum]
		}
		r.Key = r.Key[:min(len(r.Key), maxKey)]
		var err error
		if out[i], err = e.record(event.SourceRejects, r.Source+"/"+r.ID, &r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// batch encodes records and rejects, in this order.
func (e encoder) batch(b Batch) ([]*kgo.Record, error) {
	records, err := e.records(b.Records)
	if err != nil {
		return nil, err
	}
	rejects, err := e.rejects(b.Rejects)
	return append(records, rejects...), err
}

// exists reports a topic that is not there.
func exists(ctx context.Context, client *kgo.Client, topic string) error {
	topics, err := kadm.NewClient(client).ListTopics(ctx, topic)
	switch {
	case err != nil:
		return fmt.Errorf("list topics: %w", err)
	case !topics.Has(topic) || len(topics[topic].Partitions) == 0:
		return fmt.Errorf("there is no topic %s; nothing is read until there is", topic)
	}
	return nil
}

// maxKey is how much of a rejected record's key is kept, in bytes.
const maxKey = 4096

func (e encoder) record(topic event.Topic, key string, v any) (*kgo.Record, error) {
	value, err := e.codec.AppendEncode(nil, string(topic), v)
	if err != nil {
		return nil, fmt.Errorf("encode for %s: %w", topic, err)
	}
	return &kgo.Record{Topic: string(topic), Key: []byte(key), Value: value, Partition: stream.Partition(key, e.nparts)}, nil
}

package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// Ledger is the writer of one source that has no offsets: what it says and what the adapter must remember of it - a
// cookie, the rows of the last snapshot - become durable in one transaction. There is one writer per source: opening a
// ledger fences whoever had it before, on whatever machine. A Ledger belongs to one goroutine; after an error of Commit
// it is of no more use.
type Ledger struct {
	client *kgo.Client
	enc    encoder
	meter  *Meter
	source string
	marks  map[string][]byte
}

// txnTimeout is how long readers wait behind a ledger that died in the middle of a commit.
const txnTimeout = 10 * time.Second

// OpenLedger takes the source over and reads what was remembered.
func (s Source) OpenLedger(ctx context.Context) (*Ledger, error) {
	client, err := kgo.NewClient(append(producer(s.Stream), kgo.TransactionalID(s.transactionalID()), kgo.TransactionTimeout(txnTimeout))...)
	if err != nil {
		return nil, fmt.Errorf("open ledger of %s: %w", s.Name(), err)
	}
	l := &Ledger{client: client, meter: s.Meter, source: s.Name(), marks: map[string][]byte{}}
	if _, _, err = client.ProducerID(ctx); err == nil { // fences, and ends what was left open
		if l.enc, err = newEncoder(ctx, client, s.Stream.Codec); err == nil {
			err = l.restore(ctx, s.Stream)
		}
	}
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("open ledger of %s: %w", s.Name(), err)
	}
	return l, nil
}

// Close ends the connections.
func (l *Ledger) Close() { l.client.Close() }

// Marks is what is remembered, by name. It is the ledger's own: read it, and change it by Commit.
func (l *Ledger) Marks() map[string][]byte { return l.marks }

// Commit makes the batch durable as a whole, and only then remembers its marks.
func (l *Ledger) Commit(ctx context.Context, b Batch) error {
	out, err := l.enc.batch(b)
	if err != nil {
		return err
	}
	partition := stream.Partition(l.source, l.enc.nparts)
	for name, value := range b.Marks {
		out = append(out, &kgo.Record{Topic: string(event.SourceState), Partition: partition, Key: []byte(l.source + "/" + name), Value: value})
	}
	for i := range b.Guards {
		k, err := l.enc.record(event.GuardCommands, b.Guards[i].Hold, &b.Guards[i])
		if err != nil {
			return err
		}
		k.Partition = 0
		out = append(out, k)
	}
	if len(out) == 0 {
		return nil
	}
	if err := l.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin transaction of %s: %w", l.source, err)
	}
	if err := l.client.ProduceSync(ctx, out...).FirstErr(); err != nil { // the next ledger aborts it
		return fmt.Errorf("produce %d records of %s: %w", len(out), l.source, err)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), txnTimeout)
	defer cancel()
	if err := l.client.EndTransaction(ending, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit %d records of %s: %w", len(out), l.source, err)
	}
	for name, value := range b.Marks {
		if value == nil {
			delete(l.marks, name)
		} else {
			l.marks[name] = value
		}
	}
	l.meter.Put(len(b.Records), len(b.Rejects))
	return nil
}

// restore reads the marks to the very end of their partition. Whoever was fenced can add nothing after it.
func (l *Ledger) restore(ctx context.Context, o stream.Options) error {
	topic, p := string(event.SourceState), stream.Partition(l.source, l.enc.nparts)
	ends, err := kadm.NewClient(l.client).ListEndOffsets(ctx, topic)
	if err != nil {
		return fmt.Errorf("find the end of %s: %w", topic, err)
	}
	end, ok := ends.Lookup(topic, p)
	switch {
	case !ok:
		return fmt.Errorf("topic %s lacks partition %d: see `joinery topics plan`", topic, p)
	case end.Err != nil:
		return fmt.Errorf("find the end of %s: %w", topic, end.Err)
	}
	reader, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.FetchMaxWait(fetchWait), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().AtStart()}})}, o.Dialer...)...)
	if err != nil {
		return fmt.Errorf("read %s: %w", topic, err)
	}
	defer reader.Close()
	for at := int64(0); at < end.Offset; {
		fetches := reader.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return fmt.Errorf("read %s: %w", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			name, mine := strings.CutPrefix(string(r.Key), l.source+"/")
			switch {
			case !mine || r.Attrs.IsControl():
			case r.Value == nil:
				delete(l.marks, name)
			default:
				l.marks[name] = append([]byte{}, r.Value...) // does not keep its whole fetch alive
			}
		})
	}
	return nil
}

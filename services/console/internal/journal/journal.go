// Package journal writes the console's records to Kafka and reads topics on behalf of people.
//
// It owns the transaction around each write, so that all records of an act are there or none is, and short-lived readers.
// It does not own what records mean (package desk) or live views (stream.Follow). Every write opens a producer of its own:
// writes are rare and small in number, and a producer that met a fault is never used again. Writes wait for one another;
// reads do not. A Journal is safe for concurrent use.
//
//	j, err := journal.Open(journal.Options{Seeds: seeds, ID: "console-0"})
//	defer j.Close()
//	err = j.Append(ctx, desk.Outgoing{Topic: event.AccessRequests, Key: "id-1", Value: value})
package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/console/internal/desk"
)

const (
	// txnTimeout is how long readers wait behind a write whose process died in the middle of it.
	txnTimeout = 10 * time.Second
	// abortTimeout bounds giving a failed write up, after its own context may have ended.
	abortTimeout = 5 * time.Second
)

// ErrUnknownOutcome says that the broker did not answer whether a write was committed.
var ErrUnknownOutcome = errors.New("the broker did not say whether it was written: look before sending it again")

// Options says where the cluster is.
type Options struct {
	Seeds  []string
	ID     string    // transactional id: stable over restarts, unique among the consoles of a cluster
	Dialer []kgo.Opt // TLS, SASL, a test's network
}

// Journal is the topics of one cluster.
type Journal struct {
	o     Options
	admin *kadm.Client
	write sync.Mutex // one transaction at a time, since each fences the one before
}

// Open returns a journal. It does no I/O.
func Open(o Options) (*Journal, error) {
	admin, err := kadm.NewOptClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...)}, o.Dialer...)...)
	if err != nil {
		return nil, fmt.Errorf("open Kafka client of the console: %w", err)
	}
	return &Journal{o: o, admin: admin}, nil
}

// Close ends the journal's connections.
func (j *Journal) Close() { j.admin.Close() }

// Admin is the cluster's administration client, for plans of topics.
func (j *Journal) Admin() *kadm.Client { return j.admin }

// Append implements desk.Journal.
func (j *Journal) Append(ctx context.Context, out ...desk.Outgoing) error {
	records, err := j.place(ctx, out)
	if err != nil {
		return err
	}
	j.write.Lock()
	defer j.write.Unlock()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(j.o.Seeds...), kgo.TransactionalID(j.o.ID), kgo.TransactionTimeout(txnTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks())}, j.o.Dialer...)...)
	if err != nil {
		return fmt.Errorf("open producer: %w", err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		return fmt.Errorf("begin write: %w", err)
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return errors.Join(fmt.Errorf("produce %d records: %w", len(records), err), abort(ctx, cl))
	}
	if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit %d records: %w: %w", len(records), ErrUnknownOutcome, err)
	}
	return nil
}

// abort gives a write up. It has time of its own, since the write's context may be what ended.
func abort(ctx context.Context, cl *kgo.Client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	if err := cl.AbortBufferedRecords(ctx); err != nil {
		return fmt.Errorf("abort write: %w", err)
	}
	if err := cl.EndTransaction(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("abort write: %w", err)
	}
	return nil
}

// place turns what is to be written into records with their partitions.
func (j *Journal) place(ctx context.Context, out []desk.Outgoing) ([]*kgo.Record, error) {
	counts := map[event.Topic]int32{}
	var records []*kgo.Record
	for _, o := range out {
		n, ok := counts[o.Topic]
		if !ok {
			var err error
			if n, err = j.partitions(ctx, o.Topic); err != nil {
				return nil, err
			}
			counts[o.Topic] = n
		}
		first, last := int32(0), n-1
		switch {
		case o.Partition != nil:
			first, last = *o.Partition, *o.Partition
		case !o.Everywhere:
			first = stream.Partition(o.Key, n)
			last = first
		}
		var headers []kgo.RecordHeader
		for _, name := range slices.Sorted(maps.Keys(o.Headers)) {
			headers = append(headers, kgo.RecordHeader{Key: name, Value: o.Headers[name]})
		}
		for p := first; p <= last; p++ {
			records = append(records, &kgo.Record{Topic: string(o.Topic), Partition: p, Key: []byte(o.Key), Value: o.Value, Headers: headers})
		}
	}
	return records, nil
}

func (j *Journal) partitions(ctx context.Context, topic event.Topic) (int32, error) {
	found, err := j.admin.ListTopics(ctx, string(topic))
	if err != nil {
		return 0, fmt.Errorf("look up topic %s: %w", topic, err)
	}
	d, ok := found[string(topic)]
	if !ok || d.Err != nil || len(d.Partitions) == 0 {
		return 0, &desk.Fault{Kind: desk.NotFound, Detail: fmt.Sprintf("the cluster has no topic %q: `joinery topics plan` lists those of the pipeline, `joinery topics apply` makes them", topic), Err: d.Err}
	}
	return int32(len(d.Partitions)), nil
}

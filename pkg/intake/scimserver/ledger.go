package scimserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake/gate"
	"joinery.internal/pkg/stream"
)

const (
	transactionalID = "joinery-scim"
	txnTimeout      = 10 * time.Second // how long readers wait behind a write whose process died in the middle of it
	abortTimeout    = 3 * time.Second
)

// Ledger keeps resources in jml.scim.resource.v1, with the source records that their changes make.
type Ledger struct {
	o stream.Options

	writes sync.WaitGroup
	write  sync.Mutex // one change at a time
	mu     sync.Mutex // guards now
	now    *term
}

// term is one time of being the owner, from opening to the first fault.
type term struct {
	client   *kgo.Client
	follower *stream.Follower
	view     *view
	parts    int32
	cancel   context.CancelFunc // of the follower
}

func (t *term) close() {
	t.cancel()
	t.follower.Close()
	t.client.Close()
}

// OpenLedger reads what is there and becomes the owner.
func OpenLedger(ctx context.Context, o stream.Options) (*Ledger, error) {
	l := &Ledger{o: o}
	_, err := l.term(ctx)
	return l, err
}

// Close ends the connections. What was answered is safe.
func (l *Ledger) Close() {
	l.writes.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now != nil {
		l.now.close()
		l.now = nil
	}
}

// term returns the present one, or begins one.
func (l *Ledger) term(ctx context.Context) (*term, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now != nil {
		select {
		case <-l.now.follower.Done():
			l.now.close()
			l.now = nil
		default:
			return l.now, nil
		}
	}
	t, err := l.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the ledger of SCIM resources: %w", err)
	}
	l.now = t
	return t, nil
}

// end gives a term up after a fault.
func (l *Ledger) end(t *term) {
	l.mu.Lock()
	if l.now == t {
		l.now = nil
	}
	l.mu.Unlock()
	t.close() // it may wait for a broker that does not answer, and readers do not wait with it
}

// begin fences who wrote before - which also ends what they left open - and then reads all there is.
func (l *Ledger) begin(ctx context.Context) (*term, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(l.o.Seeds...), kgo.TransactionalID(transactionalID), kgo.TransactionTimeout(txnTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks())}, l.o.Dialer...)...)
	if err != nil {
		return nil, err
	}
	t := &term{client: client, view: newView()}
	if t.parts, err = partitions(ctx, client); err == nil {
		_, _, err = client.ProducerID(ctx)
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	// The follower goes on after this request; until it has read all, the request's end is its own.
	long, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t.cancel = cancel
	stop := context.AfterFunc(ctx, cancel)
	t.follower, err = stream.Follow(long, l.o, func(r stream.Record) error { return t.follow(l.o.Codec, r) }, event.ScimResources)
	if stopped := stop(); err != nil || !stopped {
		if err == nil {
			t.follower.Close()
			err = ctx.Err()
		}
		cancel()
		client.Close()
		return nil, err
	}
	return t, nil
}

func partitions(ctx context.Context, client *kgo.Client) (int32, error) {
	found, err := kadm.NewClient(client).ListTopics(ctx, string(event.ScimResources), string(event.SourceRecords))
	if err != nil {
		return 0, fmt.Errorf("list topics: %w", err)
	}
	n := len(found[string(event.ScimResources)].Partitions)
	if n == 0 || n != len(found[string(event.SourceRecords)].Partitions) {
		return 0, fmt.Errorf("topic %s or %s is missing or has another number of partitions: see `joinery topics plan`", event.ScimResources, event.SourceRecords)
	}
	return int32(n), nil
}

func (t *term) follow(codec stream.Codec, r stream.Record) error {
	if r.Value == nil {
		t.view.apply(r.Key, nil, r.Offset)
		t.view.settle(r.Key, r.Offset)
		return nil
	}
	var row event.ScimResource
	if err := codec.Decode(r.Value, string(r.Topic), &row); err != nil {
		return fmt.Errorf("decode %s: %w", r.ID(), err)
	}
	t.view.apply(r.Key, &row, r.Offset)
	return nil
}

// change is what a write does: a row, or its deletion, and what it says.
type change struct {
	key     string
	row     *event.ScimResource // nil: deleted
	version int64               // of row, or of its deletion
	records []event.SourceRecord
}

// known returns what is known, or says that it is not known now.
func (l *Ledger) known(ctx context.Context) (*view, error) {
	t, err := l.term(ctx)
	if err != nil {
		return nil, gate.Unavailable("the resources cannot be read now; ask again", err)
	}
	return t.view, nil
}

// change decides on a write, knowing all that was written before, and makes it: row and records together or neither. It
// writes nothing if decide wants no change. If another console has written meanwhile, it decides again, knowing that too.
//
// It returns when ctx ends, whatever Kafka does; what is under way then comes to its end by itself, and Close waits for it.
func (l *Ledger) change(ctx context.Context, decide func(*view) (*change, error)) error {
	done := make(chan error, 1)
	l.writes.Go(func() { done <- l.alone(ctx, decide) })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return gate.Unavailable("Kafka did not say in time that it has the change; look before sending it again", ctx.Err())
	}
}

// alone makes one change at a time.
func (l *Ledger) alone(ctx context.Context, decide func(*view) (*change, error)) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := ctx.Err(); err != nil { // who asked has been told that it did not happen
		return err
	}
	err := l.attempt(ctx, decide)
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) {
		err = l.attempt(ctx, decide)
	}
	return err
}

func (l *Ledger) attempt(ctx context.Context, decide func(*view) (*change, error)) error {
	t, err := l.term(ctx)
	if err != nil {
		return gate.Unavailable("the resources cannot be written now; send it again", err)
	}
	c, err := decide(t.view)
	if c == nil || err != nil {
		return err
	}
	records, err := l.encode(t, c)
	if err != nil {
		return err
	}
	if err := commit(ctx, t.client, records); err != nil {
		l.end(t)
		return gate.Unavailable("Kafka did not say that it has the change; look before sending it again", err)
	}
	t.view.apply(c.key, c.row, records[0].Offset)
	t.view.reach(c.version)
	return nil
}

// encode makes Kafka records of a change; the row's is the first.
func (l *Ledger) encode(t *term, c *change) ([]*kgo.Record, error) {
	row := &kgo.Record{Topic: string(event.ScimResources), Key: []byte(c.key), Partition: stream.Partition(c.key, t.parts)}
	var err error
	if c.row != nil {
		if row.Value, err = l.o.Codec.AppendEncode(nil, row.Topic, c.row); err != nil {
			return nil, fmt.Errorf("encode resource: %w", err)
		}
	}
	out := []*kgo.Record{row}
	for i := range c.records {
		key := c.records[i].Source + "/" + c.records[i].SourceKey
		r := &kgo.Record{Topic: string(c.records[i].Topic()), Key: []byte(key), Partition: stream.Partition(key, t.parts)}
		if r.Value, err = l.o.Codec.AppendEncode(nil, r.Topic, &c.records[i]); err != nil {
			return nil, fmt.Errorf("encode source record: %w", err)
		}
		out = append(out, r)
	}
	return out, nil
}

// commit writes records in one transaction. After an error it is not known whether they are there: the next term ends
// what is left open, and reads.
func commit(ctx context.Context, client *kgo.Client, records []*kgo.Record) error {
	if err := client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		giveUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
		defer cancel()
		return errors.Join(fmt.Errorf("produce %d records: %w", len(records), err), client.AbortBufferedRecords(giveUp), client.EndTransaction(giveUp, kgo.TryAbort))
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit %d records: %w", len(records), err)
	}
	return nil
}

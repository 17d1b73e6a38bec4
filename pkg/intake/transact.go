package intake

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// Batch is what goes to Kafka together or not at all.
type Batch struct {
	Records []event.SourceRecord
	Rejects []event.Reject
	// Marks are what the adapter must remember once that is done, by name; nil: to be forgotten. Only a Ledger has them.
	Marks map[string][]byte
	// Guards tell of what an adapter holds. Only a Ledger has them; its holds are of the first partition.
	Guards []event.GuardCommand
}

// Transacts is a consumer whose place in a topic moves in the transaction that carries what came of its records.
type Transacts struct {
	session *kgo.GroupTransactSession
	enc     encoder
	meter   *Meter
}

const (
	sessionTimeout = 20 * time.Second // until the group gives up a silent instance
	fetchWait      = 250 * time.Millisecond
	metadataAge    = 10 * time.Second // until a new partition of the source's topic is seen
)

// OpenTransacts joins the consumer group `source-NAME` on a topic of the source's own.
func (s Source) OpenTransacts(ctx context.Context, topic string) (*Transacts, error) {
	instance := s.Stream.Instance
	session, err := kgo.NewGroupTransactSession(append(producer(s.Stream),
		kgo.TransactionalID(s.transactionalID()+"-"+instance), kgo.TransactionTimeout(sessionTimeout/2),
		kgo.ConsumerGroup("source-"+s.Name()), kgo.InstanceID(instance), kgo.SessionTimeout(sessionTimeout), kgo.Balancers(kgo.RangeBalancer()),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(fetchWait), kgo.MetadataMaxAge(metadataAge), kgo.BlockRebalanceOnPoll())...)
	if err != nil {
		return nil, fmt.Errorf("consume %s: %w", topic, err)
	}
	enc, err := newEncoder(ctx, session.Client(), s.Stream.Codec)
	if err == nil {
		err = exists(ctx, session.Client(), topic)
	}
	if err != nil {
		session.CloseAllowingRebalance()
		return nil, fmt.Errorf("consume %s: %w", topic, err)
	}
	return &Transacts{session: session, enc: enc, meter: s.Meter}, nil
}

// Close leaves the group's place where the last transaction put it.
func (t *Transacts) Close() { t.session.CloseAllowingRebalance() }

// Poll returns the next records, at most maxPoll.
func (t *Transacts) Poll(ctx context.Context) ([]*kgo.Record, error) {
	t.session.AllowRebalance()
	fetches := t.session.PollRecords(ctx, maxPoll)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, e := range fetches.Errors() {
		return nil, fmt.Errorf("fetch %s/%d: %w", e.Topic, e.Partition, e.Err)
	}
	return fetches.Records(), nil
}

// maxPoll bounds what one transaction takes.
const maxPoll = 2000

// Commit makes the batch and the place after what was polled durable together. When the group or the broker refuses
// them, both are as before, and Poll returns the same records again.
func (t *Transacts) Commit(ctx context.Context, b Batch) error {
	out, err := t.enc.batch(b)
	if err != nil {
		return err
	}
	if err := t.session.Begin(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	end := kgo.TryCommit
	fault := t.session.ProduceSync(ctx, out...).FirstErr()
	if fault != nil {
		end = kgo.TryAbort
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionTimeout) // cut off, its outcome would be unknown
	defer cancel()
	committed, err := t.session.End(ending, end)
	switch {
	case fault != nil:
		return fmt.Errorf("produce %d records: %w", len(out), fault)
	case err != nil:
		return fmt.Errorf("end transaction: %w", err)
	case committed:
		t.meter.Heard(time.Now())
		t.meter.Put(len(b.Records), len(b.Rejects))
	}
	return nil
}

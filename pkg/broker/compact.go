package broker

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	compactTries = 50 // per round; on a busy pipeline a transaction is open most of the time
	compactPause = 10 * time.Millisecond
	compactFrom  = 1 << 20 // bytes in compacted topics below which it is not worth it
)

// compactor compacts when no transaction has data in a compacted topic, and those topics have doubled since the last time (a
// compaction reads all of them, and nobody is served meanwhile).
//
// The check and the compaction must be one step, or a transaction could write between them. kfake handles one request at a time, and
// runs a control function in place of one: so the compactor sends itself a request, and does both inside that one's control function.
//
//	try ---- a request ----> kfake's loop: no other request is handled meanwhile
//	                           control: partition with last stable < high watermark?  -> busy, try again later
//	                                    otherwise Compact()
type compactor struct {
	cluster *kfake.Cluster
	client  *kgo.Client

	mu     sync.Mutex // held while the control function works
	topics []string   // to look at
	state  compaction
	after  int64 // bytes in compacted topics after the last compaction
}

type compaction int

const (
	idle compaction = iota // the control function has nothing to do
	due
	busy // a transaction was open
)

// trigger is the request whose control function compacts. What others send of it is answered as ever.
const trigger = kmsg.ListPartitionReassignments

// startCompactor starts one; stop ends it and waits.
func startCompactor(cluster *kfake.Cluster, addr string, every time.Duration) (stop func(), err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return nil, fmt.Errorf("start compactor: %w", err)
	}
	c := &compactor{cluster: cluster, client: client}
	cluster.ControlKey(int16(trigger), c.control)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { c.run(ctx, every) })
	return func() {
		cancel()
		wg.Wait()
		c.set(idle, nil) // waits for a control function that still works
		client.Close()
	}, nil
}

func (c *compactor) run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.cluster.ApplyRetention()
		if err := c.round(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "compact: %v\n", err)
		}
	}
}

// round tries until it has met a moment without open transactions, or gives up until the next round.
func (c *compactor) round(ctx context.Context) error {
	list, err := kadm.NewClient(c.client).ListTopics(kadm.WithAuthorizedOps(ctx)) // bypasses the client's cache: a new topic must be looked at
	if err != nil {
		return err
	}
	for range compactTries {
		c.set(due, list.Names())
		if _, err := kmsg.NewPtrListPartitionReassignmentsRequest().RequestWith(ctx, c.client); err != nil {
			return err
		}
		if c.is(idle) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(compactPause):
		}
	}
	return nil
}

func (c *compactor) set(s compaction, topics []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.topics = s, topics
}

func (c *compactor) is(s compaction) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == s
}

// control runs in kfake's loop, in the place of a request.
func (c *compactor) control(kmsg.Request) (kmsg.Response, error, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != due {
		return nil, nil, false
	}
	bytes, open := c.look()
	switch {
	case bytes < max(compactFrom, 2*c.after):
		c.state = idle
	case open:
		c.state = busy
	default:
		c.cluster.Compact()
		c.after, _ = c.look()
		c.state = idle
	}
	return nil, nil, false // not handled: kfake answers it as ever
}

// look adds up the compacted topics and says whether a transaction is open in one.
func (c *compactor) look() (bytes int64, open bool) {
	for _, topic := range c.topics {
		info := c.cluster.TopicInfo(topic)
		if info == nil || !isCompacted(info) {
			continue
		}
		for _, p := range c.cluster.PartitionInfos(topic) {
			bytes += p.NumBytes
			open = open || p.LastStableOffset < p.HighWatermark
		}
	}
	return bytes, open
}

func isCompacted(info *kfake.TopicInfo) bool {
	policy := info.Configs["cleanup.policy"]
	return policy != nil && *policy == "compact"
}

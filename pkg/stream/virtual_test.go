package stream

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	runs = flag.Int("runs", 28, "seeds of the virtual-time test")
	seed = flag.Uint64("seed", 1, "first seed of the virtual-time test")
)

// faults are what a broker may answer, by request.
var brokerFaults = map[kmsg.Key][]*kerr.Error{
	kmsg.Produce:         {kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, kerr.InvalidProducerEpoch},
	kmsg.EndTxn:          {kerr.CoordinatorNotAvailable, kerr.ConcurrentTransactions, kerr.UnknownServerError, kerr.TransactionAbortable, kerr.InvalidProducerEpoch},
	kmsg.TxnOffsetCommit: {kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.CoordinatorLoadInProgress, kerr.RequestTimedOut},
	kmsg.AddOffsetsToTxn: {kerr.ConcurrentTransactions, kerr.CoordinatorNotAvailable},
	kmsg.InitProducerID:  {kerr.ConcurrentTransactions, kerr.CoordinatorLoadInProgress},
	kmsg.Heartbeat:       {kerr.RebalanceInProgress, kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.CoordinatorNotAvailable},
	kmsg.JoinGroup:       {kerr.UnknownMemberID, kerr.CoordinatorLoadInProgress, kerr.RebalanceInProgress},
	kmsg.SyncGroup:       {kerr.RebalanceInProgress, kerr.UnknownMemberID},
	kmsg.OffsetFetch:     {kerr.UnstableOffsetCommit, kerr.NotCoordinator},
	kmsg.Fetch:           {kerr.NotLeaderForPartition, kerr.UnknownServerError},
	kmsg.ListOffsets:     {kerr.NotLeaderForPartition},
}

var points = []string{"before begin", "after produce", "before end", "after end", "after fold"}

// TestNothingIsLostOrDoubledWhateverFails runs two instances in virtual time under faults of the broker, lost answers,
// stalls longer than the session, crashes at every failpoint, restarts and rebalances, and compares all they wrote with
// what the inputs alone demand.
func TestNothingIsLostOrDoubledWhateverFails(t *testing.T) {
	t.Parallel()
	t.Cleanup(func() {
		if !t.Failed() {
			fmt.Printf("virtual time: %d runs from seed %d: 0 lost, 0 doubled, 0 out of order, chains whole\n", *runs, *seed)
		}
	})
	for n := range *runs {
		s := *seed + uint64(n)
		t.Run(fmt.Sprintf("seed %d", s), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { storm(t, rand.New(rand.NewPCG(s, 0))) })
		})
	}
}

func storm(t *testing.T, rng *rand.Rand) {
	w := newWorld(t, &kfake.VirtualNetwork{})
	cache, copies := t.TempDir(), t.TempDir()
	tune := func(o *Options) {
		o.MaxBatch, o.CacheDir = pick(rng, []int{1, 7, 2000}), pick(rng, []string{cache, cache, ""})
	}
	instances := []*instance{w.start("0", tune), w.start("1", tune)}
	for n := range 60 {
		for range rng.IntN(4) {
			w.feed(mixed(rng, n))
		}
		if rng.IntN(3) == 0 {
			w.strike(rng, pick(rng, instances), func(i *instance) { damage(t, rng, filepath.Join(cache, "count", i.name), copies) })
		}
		time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
	}
	for _, i := range instances {
		i.way.heal()
		i.killAt("")
	}
	for _, f := range w.faults {
		f.Remove()
	}
	w.audit()
	time.Sleep(30 * time.Second) // for what comes twice to come
	a := w.audit()
	for _, i := range instances {
		i.stop()
	}
	a.live = maps.Clone(w.live)
	for _, fault := range append(a.faults(), cacheFaults(t, cache, a.changelog)...) {
		t.Error(fault)
	}
}

// strike makes one thing go wrong.
func (w *world) strike(rng *rand.Rand, i *instance, damage func(*instance)) {
	switch rng.IntN(8) {
	case 0:
		i.restart()
	case 7:
		i.stop()
		damage(i)
		i.run(counting())
	case 1:
		i.way.freeze(time.Duration(rng.IntN(25)) * time.Second)
	case 2, 3:
		i.way.loseAnswer(int16(pick(rng, keys())))
	case 4:
		i.killAt(pick(rng, points))
	default:
		key := pick(rng, keys())
		err := pick(rng, brokerFaults[key])
		_, topLevel := map[kmsg.Key]bool{kmsg.EndTxn: true, kmsg.Heartbeat: true, kmsg.JoinGroup: true, kmsg.SyncGroup: true, kmsg.InitProducerID: true}[key]
		w.faults = append(w.faults, w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: 1 + rng.IntN(3), TopLevel: topLevel}))
	}
}

// keys gives the requests that may fail, in an order that is the same in every run.
func keys() []kmsg.Key {
	return []kmsg.Key{kmsg.Produce, kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.AddOffsetsToTxn, kmsg.InitProducerID, kmsg.Heartbeat, kmsg.JoinGroup,
		kmsg.SyncGroup, kmsg.OffsetFetch, kmsg.Fetch, kmsg.ListOffsets}
}

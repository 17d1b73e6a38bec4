//go:build process

package process_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

// points are the places where a worker may end, with the most visits until then.
func points() map[string]int {
	at := map[string]int{"handle": 50, "timer": 10, "perform": 10, "result": 10, "assigned": 3}
	for key, most := range map[kmsg.Key]int{kmsg.Produce: 10, kmsg.TxnOffsetCommit: 8, kmsg.EndTxn: 8, kmsg.Fetch: 20, kmsg.InitProducerID: 2,
		kmsg.JoinGroup: 1, kmsg.SyncGroup: 1, kmsg.OffsetFetch: 1, kmsg.ListOffsets: 2} {
		for _, when := range []string{"before ", "sent ", "answered "} {
			at[when+key.Name()] = most
		}
	}
	return at
}

// TestAKillAtAnyPointLosesNothing kills one of two workers, in turn, at every named point and at random, and starts it
// again at once; in between, something happens to what it has cached.
func TestAKillAtAnyPointLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	other := w.start("1")
	most := points()
	var plan []string
	for range rounds(3) {
		for point := range most {
			plan = append(plan, point)
		}
		plan = append(plan, make([]string, len(most)/2)...) // at random
	}
	slices.Sort(plan)
	w.rng.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	missed := 0
	for n, point := range plan {
		flags := []string{"-at", point, "-nth", "1"}
		if point != "" {
			flags[3] = fmt.Sprint(1 + w.rng.IntN(most[point]))
		}
		i := w.start("0", flags...)
		if point == "" {
			w.pass(400 * time.Millisecond)
			i.Kill()
		} else if !w.within(15*time.Second, i.Gone) {
			t.Logf("worker has not come to %q %s times: killed where it is", point, flags[3])
			missed++
			i.Kill()
		}
		w.faults++
		if n%2 == 1 {
			w.damageCache("0")
		}
		if n%10 == 9 { // and the other one
			other.Kill()
			w.damageCache("1")
			other = w.start("1")
			w.faults++
		}
	}
	if missed > len(plan)/10 { // a few, on a machine that does much else
		t.Errorf("%d of %d points were not reached", missed, len(plan))
	}
	w.start("0")
	w.check()
}

// TestAZombieIsFenced stops a worker, mostly in the middle of a transaction, until the other has taken its partitions, and
// lets it go on.
func TestAZombieIsFenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.start("1", "-session", "2s")
	for range rounds(1) {
		for _, point := range []string{"handle", "answered Produce", "sent TxnOffsetCommit", "answered TxnOffsetCommit", "before EndTxn", "answered Fetch"} {
			i := w.start("0", "-session", "2s", "-stop", "-at", point, "-nth", fmt.Sprint(20+w.rng.IntN(20)))
			w.must("worker 0 stands still at "+point, i.Stopped)
			w.must("worker 1 has everything", w.settled("1"))
			w.flows()
			i.Signal(unix.SIGCONT)
			w.faults++
			w.must("worker 0 is back", w.settled("0", "1"))
			w.flows()
			i.Kill()
			w.faults++
		}
	}
	w.start("0", "-session", "2s")
	w.check()
}

// TestInstancesMayFightForPartitions has instances come, go and come back while others work, two of them by one name.
func TestInstancesMayFightForPartitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.start("0", "-session", "3s")
	for range rounds(3) {
		one := w.start("1", "-session", "3s")
		w.must("worker 1 has its share", w.settled("0", "1"))
		w.pass(500 * time.Millisecond)
		one.stopInOrder()
		one = w.start("1", "-session", "3s")
		two := w.start("2", "-session", "3s")
		w.must("worker 2 has its share", w.settled("0", "1", "2"))
		w.pass(500 * time.Millisecond)
		two.Kill()
		twin := w.start("1", "-session", "3s")
		w.pass(2 * time.Second)
		one.Kill()
		w.flows()
		twin.Kill()
		w.must("worker 0 has everything", w.settled("0"))
		w.flows()
		w.faults += 5 // an instance more, or less, or twice
	}
	w.check()
}

// TestOneOfThreeBrokersMayBeKilledUnderLoad kills each broker of a cluster in turn: the others carry on without it, or it
// comes back at once. One is stopped in order, one stands still for a while. Package doc says why it takes three.
func TestOneOfThreeBrokersMayBeKilledUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	i := w.start("0")
	w.start("1")
	for n := range rounds(4) {
		w.must("all partitions have three replicas in sync", w.replicated)
		w.flows()
		w.pass(500 * time.Millisecond)
		broker := 1 + n%3
		if n%4 == 3 {
			w.cluster.Stop(broker)
		} else {
			w.cluster.Kill9(broker)
		}
		died := time.Now()
		if n%2 == 0 {
			t.Logf("from the death of broker %d to the next commit everywhere, without it: %s", broker, w.flowsAfter(died))
		}
		w.cluster.Restart(broker)
		if n%2 == 1 {
			t.Logf("from the death of broker %d to the next commit everywhere: %s", broker, w.flowsAfter(died))
		}
		w.faults++
	}
	w.must("all partitions have three replicas in sync", w.replicated)
	w.cluster.Pause(2)
	stood := time.Now()
	i.Kill() // the next one starts while a broker says nothing
	w.start("0")
	t.Logf("from the standstill of broker 2 to the next commit everywhere, with a worker started meanwhile: %s", w.flowsAfter(stood))
	w.cluster.Resume(2)
	w.flows()
	w.faults += 2
	w.check()
}

// TestConnectionsMayBreakAnywhere cuts connections, loses answers of requests that were carried out, and lets the network
// stand still for longer than a session.
func TestConnectionsMayBreakAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	p := newProxy(t)
	flags := []string{"-via", p.addr(), "-session", "3s"}
	w.start("0", flags...)
	i := w.start("1", flags...)
	running := []kmsg.Key{kmsg.Produce, kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.Heartbeat, kmsg.Fetch}
	starting := []kmsg.Key{kmsg.InitProducerID, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.OffsetFetch, kmsg.ListOffsets}
	for range rounds(5) {
		w.flows()
		p.cut()
		w.faults++
		for _, key := range running {
			w.flows()
			w.pass(100 * time.Millisecond)
			p.loseAnswer(key)
			w.must("the answer to "+key.Name()+" is lost", p.lost(key))
			w.faults++
		}
		w.flows()
		i.Kill()
		key := starting[w.rng.IntN(len(starting))]
		p.loseAnswer(key)
		i = w.start("1", flags...)
		w.must("the answer to "+key.Name()+" is lost", p.lost(key))
		w.faults += 2
		w.flows()
		p.freeze()
		w.pass(6 * time.Second)
		p.thaw()
		w.faults++
	}
	w.check()
}

package stream

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// after feeds a pace with what transactions cost when hasty and when rested, n times each way it chooses.
func after(p *pace, n int, hasty, rested time.Duration) (rests int) {
	for range n {
		rest := p.rest(0, 1)
		cost := hasty
		if rest > 0 {
			rests++
			cost = rested
		}
		p.learn(rest, cost)
	}
	return rests
}

func TestCommitsAsPolledWhereThatIsCheap(t *testing.T) {
	t.Parallel()
	for name, cost := range map[string]time.Duration{"embedded": time.Millisecond, "tuned broker": 5 * time.Millisecond} {
		if rests := after(&pace{}, 1000, cost, cost); rests > 0 {
			t.Errorf("%s: rested %d times", name, rests)
		}
	}
}

func TestRestsWhereTheBrokerMakesTheNextTransactionWait(t *testing.T) {
	t.Parallel()
	if rests := after(&pace{}, 1000, 26*time.Millisecond, 6*time.Millisecond); rests < 990 {
		t.Errorf("rested %d times of 1000", rests)
	}
}

func TestDoesNotRestWhereThatIsNoQuicker(t *testing.T) {
	t.Parallel()
	if rests := after(&pace{}, 1000, 40*time.Millisecond, 60*time.Millisecond); rests > 10 {
		t.Errorf("rested %d times of 1000 on a cluster that is slow either way", rests)
	}
}

func TestNoticesThatTheBrokerHasChanged(t *testing.T) {
	t.Parallel()
	p := &pace{}
	after(p, 100, 26*time.Millisecond, 6*time.Millisecond)
	after(p, 4*maxPatience, 2*time.Millisecond, 2*time.Millisecond) // tuned meanwhile
	if rests := after(p, 100, 2*time.Millisecond, 2*time.Millisecond); rests > 0 {
		t.Errorf("still rests, %d of 100", rests)
	}
	after(p, 20, 26*time.Millisecond, 6*time.Millisecond)
	if rests := after(p, 100, 26*time.Millisecond, 6*time.Millisecond); rests < 95 {
		t.Errorf("rests %d times of 100 on a broker that became slow", rests)
	}
}

func TestAFalseAlarmIsOverSoon(t *testing.T) {
	t.Parallel()
	p := &pace{}
	after(p, 100, time.Millisecond, time.Millisecond)
	p.learn(0, 80*time.Millisecond) // the machine paused
	if rests := after(p, 100, time.Millisecond, time.Millisecond); rests > 0 {
		t.Errorf("one pause of the machine made %d of 100 commits rest", rests)
	}
	p = &pace{}
	p.learn(0, 80*time.Millisecond) // at the very first
	if rests := after(p, 100, time.Millisecond, time.Millisecond); rests > 30 {
		t.Errorf("a slow first commit made %d of 100 commits rest", rests)
	}
}

func TestABacklogIsNotMadeToWait(t *testing.T) {
	t.Parallel()
	p := &pace{hasty: 30 * time.Millisecond, rested: 5 * time.Millisecond, patience: minPatience}
	if rest := p.rest(0, paceBatch); rest != 0 {
		t.Errorf("rests %v with %d records waiting", rest, paceBatch)
	}
	if rest := p.rest(5*time.Millisecond, 1); rest != 15*time.Millisecond {
		t.Errorf("rests %v, want what is missing of %v", rest, paceRest)
	}
}

func TestTransactionsGrowWithABacklogAndShrinkWhenTheyAreSlow(t *testing.T) {
	t.Parallel()
	const limit = 5000
	p := &pace{}
	check := func(when string, records int) {
		t.Helper()
		if got := p.batch(limit); got != records {
			t.Errorf("%s: %d records, want %d", when, got, records)
		}
		want := int32(records * readAhead / paceBatch)
		if got := p.ahead(); got != want {
			t.Errorf("%s: %d bytes ahead, want %d", when, got, want)
		}
	}
	check("at first", paceBatch)
	p.fit(paceBatch, 10, limit, batchQuick/2)
	check("nothing to speak of waits", paceBatch)
	for range 10 {
		p.fit(p.batch(limit), 100_000, limit, batchQuick/2)
	}
	check("after quick ones", limit)
	p.fit(limit, 100_000, limit, (batchQuick+batchSlow)/2)
	p.fit(10, 0, limit, time.Millisecond) // no backlog: says nothing
	check("after one neither quick nor slow", limit)
	for range 10 {
		p.fit(p.batch(limit), 100_000, limit, 2*batchSlow)
	}
	check("after slow ones", paceBatch)
	if got := p.batch(7); got != 7 {
		t.Errorf("%d records where 7 are allowed", got)
	}
}

func TestABacklogIsWorkedOffInLargeTransactions(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		for i := range 6000 {
			w.feed(fmt.Sprintf("k%d", i%700), `"count"`)
		}
		var ended atomic.Int32
		w.broker.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.broker.KeepControl()
			ended.Add(1)
			return nil, nil, false
		})
		w.start("0", nil)
		w.check()
		if ended.Load() > 10 {
			t.Errorf("%d transactions for 6,000 records that waited", ended.Load())
		}
	})
}

func TestAnUrgentInputKeepsTransactionsAndFetchesSmall(t *testing.T) {
	t.Parallel()
	calm := Topology{Inputs: []Input{{Topic: "bulk"}}}
	urgent := Topology{Inputs: []Input{{Topic: "alarms", Urgent: true}, {Topic: "bulk"}}}
	for _, c := range []struct {
		topology     Topology
		batch, ahead int
	}{{calm, 5000, 5000 * paceAhead / paceBatch * readAhead}, {urgent, paceBatch, readAhead}} {
		var p pace
		for range 10 {
			p.fit(p.batch(5000), 100_000, paceMost(c.topology, 5000), batchQuick/2)
		}
		if p.batch(5000) != c.batch || int(p.ahead()) != c.ahead {
			t.Errorf("%+v: %d records, %d bytes ahead", c.topology.Inputs, p.batch(5000), p.ahead())
		}
	}
}

package stream

import (
	"testing"
	"time"
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

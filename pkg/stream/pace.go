package stream

import "time"

// pace decides when to poll for the next transaction. Where a transaction costs the same whenever it begins, as soon
// as possible: a record then waits, on average, for half of the running transaction and for its own. Where the broker
// is still busy with the last one (stock Kafka writes the markers after it has answered End, and lets the next
// transaction's first record wait 20 ms if it comes too soon), resting first is quicker: a record waits for half of
// the rest and for its own transaction.
//
// It learns both costs, the first record's way to the log plus End, from what it does; while it rests, one
// transaction in many is hasty to learn whether the broker has changed.
type pace struct {
	hasty  time.Duration // what a transaction costs that begins right after the last; 0: not known
	rested time.Duration // what it costs after a rest; 0: not known
	rests  int           // since the last hasty one
}

const (
	paceRest  = 20 * time.Millisecond
	paceBatch = 500 // more records than this waiting are worth a transaction at once
	paceProbe = 256 // rests until one is left out
)

// rest gives how long to wait before the next poll: since is the time since the last transaction ended, last the
// records of the last poll.
func (p *pace) rest(since time.Duration, last int) time.Duration {
	if last >= paceBatch || since >= paceRest || !p.slow() {
		return 0
	}
	if p.rests++; p.rests > paceProbe {
		p.rests = 0
		return 0
	}
	return paceRest - since
}

// slow says that resting is quicker.
func (p *pace) slow() bool { return p.hasty+p.hasty/2 > paceRest/2+p.rested }

// learn notes what a small transaction cost that began rest after the one before had ended.
func (p *pace) learn(rest, cost time.Duration) {
	known := &p.hasty
	if rest >= paceRest/2 {
		known = &p.rested
	}
	if *known == 0 {
		*known = cost
		return
	}
	*known += (cost - *known) / 4
}

package stream

import (
	"slices"
	"time"
)

// pace decides when to poll for the next transaction. Where a transaction costs the same whenever it begins, as soon
// as possible: a record then waits, on average, for half of the running transaction and for its own. Where the broker
// is still busy with the last one (stock Kafka writes the markers after it has answered End, and lets the next
// transaction's first record wait 20 ms if it comes too soon), resting first is quicker: a record waits for half of
// the rest and for its own transaction.
//
// It learns both costs, the first record's way to the log plus End, from what it does; while it rests, one
// transaction in many is hasty to learn whether the broker has changed.
type pace struct {
	hasty    time.Duration // what a transaction costs that begins right after the last; 0: not known
	rested   time.Duration // what it costs after a rest; 0: not known
	rests    int           // since the last hasty one
	patience int           // rests until the next hasty one; doubles each time
	size     int           // records that may be read ahead, and as far as it is allowed handled at once, if more than paceBatch
}

const (
	paceRest  = 20 * time.Millisecond
	readAhead = 32 << 10 // bytes of a partition at first: with the client's 1 MB, a record of a quiet input waited for 20,000 of a busy one

	paceAhead = 10      // transactions of a backlog that are read ahead: they are best cut from a large fetch
	mostAhead = 4 << 20 // bytes of a partition that are
	paceBatch = 500     // more records than this waiting are worth a transaction at once

	batchQuick = 100 * time.Millisecond // a transaction of a backlog that took less may have twice the records next time
	batchSlow  = 250 * time.Millisecond // one that took more, half

	minPatience, maxPatience = 4, 256 // so that a false alarm costs a tenth of a second, and a slow broker one in many
)

// rest gives how long to wait before the next poll: since is the time since the last transaction ended, last the
// records of the last poll.
func (p *pace) rest(since time.Duration, last int) time.Duration {
	if !p.slow() {
		p.rests, p.patience = 0, minPatience
		return 0
	}
	if last >= paceBatch || since >= paceRest {
		return 0
	}
	if p.rests++; p.rests > p.patience {
		p.rests, p.patience = 0, min(2*p.patience, maxPatience)
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
	switch {
	case *known == 0:
		*known = cost
	case cost < *known:
		*known -= (*known - cost) / 2
	default: // warily: one transaction that met a pause of the machine says nothing
		*known += min(cost-*known, *known) / 4
	}
}

// batch gives how many records the next transaction may take. It matters to a backlog only: the larger a transaction, the
// more records share what each one costs; but the more is done again if it aborts, and the longer an urgent record of
// another input waits for its turn.
func (p *pace) batch(limit int) int { return min(max(p.size, paceBatch), limit) }

// ahead gives how many bytes to read ahead of a partition: all inputs share a fetch, and the next one is sent when its
// records are handled.
func (p *pace) ahead() int32 {
	return int32(min(max(p.size, paceBatch)*readAhead/paceBatch, mostAhead))
}

// paceMost gives how many records may be read ahead at the most, where transactions take limit.
func paceMost(t Topology, limit int) int {
	if slices.ContainsFunc(t.Inputs, func(in Input) bool { return in.Urgent }) {
		return paceBatch
	}
	return paceAhead * max(limit, paceBatch)
}

// fit notes how long a transaction of that many records took, and how many still wait in the log.
func (p *pace) fit(records, waiting, most int, took time.Duration) {
	switch full := max(p.size, paceBatch); {
	case took > batchSlow:
		p.size = full / 2
	case took < batchQuick && records > 0 && waiting >= records:
		p.size = min(2*full, most)
	}
}

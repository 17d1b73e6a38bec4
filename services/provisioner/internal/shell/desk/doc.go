// Package desk makes the calls to targets: each target has a desk of its own, so that a slow one delays no other.
//
//	Do --> line (lanes, concurrency) --> breaker --> guarded connector (rate, timeout, refused rights) --> target
//	          |                            |                 |
//	          waits                        refused           refused
//
// It owns what must not be state: who waits in the line, how many calls run, whether the target answers. A restart
// forgets that and finds it out again. It does not own what a failure means (package account) or retries.
//
// # How many slip past a guard
//
// A guard counts each account once in a window, just before the change is sent, over all partitions the instance has, and
// trips before the change that would be one too many. What was counted becomes durable with the outcome of the call (T2).
// So in a window at most
//
//	limit                        within one instance: nobody slips past
//	count + instances - 1        with several: each has its share of a count by the partitions it has, rounded up, at
//	                             least one; of a percentage each takes its own accounts, and at least 10
//	+ those not in T2 yet        each time a process dies or a partition changes hands: calls under way and calls that
//	                             ended in the last transaction; they are found done by who drives them next, and not
//	                             counted. At most the share of the limit of the instance that made them
//
// For settleGate after partitions have come or gone no guard trips: who would be one too many waits.
//
// Everything is safe for concurrent use. Do blocks its caller while it waits in line; the runtime gives each effect a
// goroutine, and all of a partition's end with its context. The line is as long as there are accounts with a call in
// flight: one each, bounded by the state that asked for them.
package desk

// Package desk makes the calls to targets: each target has a desk of its own, so that a slow one delays no other.
//
//	Do --> line (lanes, concurrency) --> breaker --> guarded connector (rate, timeout, refused rights) --> target
//	          |                            |                 |
//	          waits                        refused           refused
//
// It owns what must not be state: who waits in the line, how many calls run, whether the target answers. A restart
// forgets that and finds it out again. It does not own what a failure means (package account) or retries.
//
// Everything is safe for concurrent use. Do blocks its caller while it waits in line; the runtime gives each effect a
// goroutine, and all of a partition's end with its context. The line is as long as there are accounts with a call in
// flight: one each, bounded by the state that asked for them.
package desk

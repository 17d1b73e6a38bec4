// Package account is the work on one account of one target: pure decisions from what is wanted, what a call answered
// and what time it is.
//
// It owns the protocol (intent, call, outcome), which failure means what, and the events of all that. It does not own
// calls, queues and breakers (package desk), nor where its state is kept (package app). It has no clock and does no
// I/O; nothing here is safe for concurrent use, and nothing needs to be.
//
//	w := account.Work{State: s, Cause: record.ID(), Now: now, Instance: "0"}
//	d := w.Wanted(desired)
//	// put d.State, emit d.Events, set the timer to d.WakeAt; perform d.Call once all that is committed
package account

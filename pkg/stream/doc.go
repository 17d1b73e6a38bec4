// Package stream is the exactly-once runtime: it consumes, decides, and writes outputs, state and offsets in one
// Kafka transaction.
//
// A service declares a Topology: its inputs with a pure handler each, its outputs, and what happens when a timer
// fires or a call outside returns. The runtime polls, runs the handlers of a partition in order, stages what they
// emit and put into an overlay, commits, and only then folds the overlay into the live state. State lives in
// memory, one map per partition, restored from a compacted changelog when a partition is assigned.
//
// It owns: transactions, fencing, state, timers, ticks, dead letters, sequence and hash chain, effects after commit.
// It does not own: what records mean (pkg/event), bytes (pkg/wire), topics (pkg/topics).
//
// Handlers of one instance run on one goroutine. They read time from Tx.Now and ids from their cause; they do no
// I/O. What must touch the world is an effect: started after the transaction that asked for it has committed, and
// answered by a result that enters through a tick of the same partition. DESIGN.md has the ordering contract.
//
//	topology := stream.Topology{
//		Name:    "greeter",
//		Inputs:  []stream.Input{{Topic: "hellos", Handle: func(tx *stream.Tx, r stream.Record) error { ... }}},
//		Outputs: []stream.Output{{Topic: "greetings"}},
//	}
//	err := stream.Run(ctx, topology, stream.Options{Seeds: seeds, Codec: serde, Clock: clock})
package stream

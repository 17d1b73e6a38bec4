// Command worker runs the topology of package process as one instance, until its parent is gone. The tests of that
// package start it and end it in every way; -at names the place where it ends itself, at the -nth time there.
//
// Places: handle, timer, assigned, perform, result in the topology, and "before", "sent" or "answered" with the name
// of a request to Kafka: before it is written, when it has been, when its answer has arrived.
//
//	worker -brokers 127.0.0.1:9092 -instance 0 -at "sent EndTxn" -nth 3
//
// It owns its process only. The places are reached by any goroutine of the runtime.
package main
